"""Asking a node for balances, nonces and code at old heights, and finding the blocks that changed them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from chains.evm import encoding
from chains.evm.answers import AnswerLedger
from chains.evm.bisection import AccountState, Changes, Probe, find_changes
from chains.evm.client import EvmClient
from chains.evm.encoding import BadEncoding
from chains.types import UINT256_MAX, Address

_CALLS_PER_BATCH = 100
# Of one range: some 50 MB of answers at the most.
PROBES_MAX = 100_000
_NONCE_MAX = 2**64 - 1


def read_changes(
    client: EvmClient,
    *,
    accounts: Collection[Address],
    first_block: int,
    last_block: int,
    ledger: AnswerLedger,
) -> Changes:
    """The blocks of this range that changed an account's balance or nonce.

    Needs a node that keeps old states. Raises a NodeError, or TooManyChanges.
    """
    asker = _Asker(client, ledger)
    ends = sorted({max(first_block - 1, 0), last_block})
    with_code = asker.with_code(Probe(account, end) for account in accounts for end in ends)
    changes = find_changes(
        accounts=accounts,
        with_code=with_code,
        first_block=first_block,
        last_block=last_block,
        states=asker.states,
        probes_max=PROBES_MAX,
    )
    # Code that was set and cleared again in between: each time the nonce moved.
    moved = [
        Probe(change.account, change.block_number)
        for change in changes.changes
        if change.before.nonce != change.after.nonce and change.account not in with_code
    ]
    return Changes(changes=changes.changes, inexact=changes.inexact | asker.with_code(moved))


class _Asker:
    """Answers probes in batches."""

    def __init__(self, client: EvmClient, ledger: AnswerLedger) -> None:
        self._client = client
        self._ledger = ledger

    def states(self, probes: Sequence[Probe]) -> list[AccountState]:
        balances = self._quantities("eth_getBalance", probes, most=UINT256_MAX)
        nonces = self._quantities("eth_getTransactionCount", probes, most=_NONCE_MAX)
        return [AccountState(*state) for state in zip(balances, nonces, strict=True)]

    def with_code(self, probes: Iterable[Probe]) -> frozenset[Address]:
        wanted = list(probes)
        try:
            codes = [encoding.data(result) for result in self._ask("eth_getCode", wanted)]
        except BadEncoding as error:
            raise self._client.rpc.bad_answer(error) from error
        return frozenset(probe.account for probe, code in zip(wanted, codes, strict=True) if code)

    def _quantities(self, method: str, probes: Sequence[Probe], *, most: int) -> list[int]:
        try:
            return [encoding.quantity(result, most=most) for result in self._ask(method, probes)]
        except BadEncoding as error:
            raise self._client.rpc.bad_answer(error) from error

    def _ask(self, method: str, probes: Sequence[Probe]) -> list[object]:
        results: list[object] = []
        for at in range(0, len(probes), _CALLS_PER_BATCH):
            chunk = probes[at : at + _CALLS_PER_BATCH]
            answers = self._client.rpc.batch(
                [(method, [str(probe.account), encoding.to_quantity(probe.block_number)]) for probe in chunk]
            )
            self._ledger.add(answers)
            results += [answer.result for answer in answers]
        return results
