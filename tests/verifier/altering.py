"""The ways in which the raw answers and the index of the demo's bundle are altered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.verifier.forger import REQUESTS, Forger

# The demo's blocks: the loan, two payments, three candidates; the brackets stand around 10 and 19.
LOAN, PAID_3000, PAID_1000, UNKNOWN, SPOOF, FAKE, LAST, ANCHOR = 10, 11, 12, 13, 14, 15, 19, 20
NOWHERE = "0x" + "ab" * 32
STRANGER_TOPIC = "0x" + "00" * 12 + "90f79bf6eb2c4f870365e785982e1f101e93b906"


def set_amount(units: int) -> Callable[[dict[str, Any]], None]:
    return lambda log: log.update(data=f"0x{units:064x}")


def then_follow(*changes: Callable[[Forger], object]) -> Callable[[Forger], None]:
    """The changes in turn, then everything that follows from them."""

    def alter(forger: Forger) -> None:
        for change in changes:
            change(forger)
        forger.follow()

    return alter


def in_turn(*changes: Callable[[Forger], object]) -> Callable[[Forger], None]:
    def alter(forger: Forger) -> None:
        for change in changes:
            change(forger)

    return alter


def raw(number_of: Callable[[Forger], int], content: bytes) -> Callable[[Forger], None]:
    """The bytes of one answer."""
    return lambda forger: forger.files.update({forger.answer_path(number_of(forger)): content})


def edit_block(number: int, field: str, value: str) -> Callable[[Forger], None]:
    return lambda forger: forger.edit_result(
        forger.block_number(number), lambda block: {**block, field: value}
    )


def edit_logs(change: Callable[[dict[str, Any]], Any], *, block: int) -> Callable[[Forger], None]:
    return lambda forger: forger.edit_logs(change, block=block)


def ask(change: Callable[[dict[str, Any]], Any]) -> Callable[[Forger], None]:
    """Both log filters."""
    return lambda forger: forger.edit_filter(change)


def entry(number: int, field: str, value: object) -> Callable[[Forger], None]:
    """One field of one line of the index."""
    return lambda forger: forger.set(REQUESTS, f"{number - 1}/{field}", value)
