"""Blocks whose hash was computed here from all their fields: such a one can't lie about time or parent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chains.errors import BadAnswer, NodeError
from chains.evm.client import EvmClient
from chains.evm.header import HeaderHashMismatch, UnknownHeaderField
from chains.evm.proving import headers
from chains.types import BlockRef


def hashed_blocks(client: EvmClient, numbers: Iterable[int], *, hashable: bool) -> list[BlockRef]:
    """Many blocks, in the order of `numbers`. Raises BadAnswer where one does not give its own hash.

    Believed as they are: all of a chain that is not `hashable`, and those of a fork that this version does
    not know. The first block too: Anvil leaves its state root out, and nothing was paid in it.
    """
    wanted = list(numbers)
    later = [number for number in wanted if number > 0]
    if not hashable or not later:
        return client.blocks(wanted)
    try:
        found = {header.number: header.ref for header, _ in headers(client, later)}
    except BadAnswer as error:
        if isinstance(error.__cause__, UnknownHeaderField):
            return client.blocks(wanted)
        raise
    if len(later) < len(wanted):
        found[0] = client.block(0)
    return [found[number] for number in wanted]


def can_be_hashed(clients: Sequence[EvmClient], number: int) -> bool | None:
    """Whether this chain's headers give their own hashes; None where nobody tells.

    One node that shows it is enough, since none could make it up: a chain that can't be hashed has none.
    """
    seen = None
    for client in clients:
        try:
            headers(client, [number])
        except NodeError as error:
            if isinstance(error.__cause__, HeaderHashMismatch):
                seen = False
            continue
        return True
    return seen
