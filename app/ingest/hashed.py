"""Blocks whose hash was computed here from all their fields: such a one can't lie about time or parent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chains.errors import BadAnswer, NodeError
from chains.evm.client import EvmClient
from chains.evm.header import HeaderHashMismatch, UnknownHeaderField
from chains.evm.proving import headers
from chains.types import BlockRef

# What coverage says where the hashes could not be computed.
NOT_HASHED = "the hashes of some of these blocks were not recomputed: their times rest on the node's word"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedBlocks:
    """Blocks in the order in which they were asked for; `hashed` unless some rest on the node's word."""

    blocks: list[BlockRef]
    hashed: bool


def hashed_blocks(client: EvmClient, numbers: Iterable[int], *, hashable: bool) -> TrustedBlocks:
    """Many blocks. Raises BadAnswer where one does not give its own hash.

    Believed as they are: all of a chain that is not `hashable`, and those of a fork that this version does
    not know. The first block too: Anvil leaves its state root out, and nothing was paid in it.
    """
    wanted = list(numbers)
    later = [number for number in wanted if number > 0]
    if not hashable or not later:
        return TrustedBlocks(blocks=client.blocks(wanted), hashed=hashable)
    try:
        found = {header.number: header.ref for header, _ in headers(client, later)}
    except BadAnswer as error:
        if isinstance(error.__cause__, UnknownHeaderField):
            return TrustedBlocks(blocks=client.blocks(wanted), hashed=False)
        raise
    if len(later) < len(wanted):
        found[0] = client.block(0)
    return TrustedBlocks(blocks=[found[number] for number in wanted], hashed=True)


def can_be_hashed(clients: Sequence[EvmClient], numbers: Sequence[int]) -> bool | None:
    """Whether this chain's headers give their own hashes; None where nobody tells.

    One block of one node that shows it is enough, since none could make it up: a chain that can't be hashed
    has none. That it can't, all of these blocks of all these nodes have to say.
    """
    verdicts = set()
    for client in clients:
        for number in numbers:
            verdict = _gives_its_hash(client, number)
            if verdict:
                return True
            verdicts.add(verdict)
    return False if verdicts == {False} else None


def _gives_its_hash(client: EvmClient, number: int) -> bool | None:
    try:
        headers(client, [number])
    except NodeError as error:
        return False if isinstance(error.__cause__, HeaderHashMismatch) else None
    return True
