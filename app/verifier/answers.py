"""Whether the raw answers in a bundle say what its chain files list, for every account and every block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.assessment.values import ScopeRow
from app.evidence.bag import Bag
from app.evidence.case import Case
from app.evidence.chainfile import blocks_document, folder_of_chain, same_block, transfers_document
from app.evidence.errors import VerificationError
from app.evidence.exchange import REQUESTS, Exchange
from app.evidence.replay import Replay
from app.ingest.ranges import Blocks, missing
from chains.errors import ChainError
from chains.types import AccountId, Address, BlockRef, Transfer

ANSWER_BYTES_MAX = 128 * 2**20
CASE = "data/case.json"


def check_answers(bag: Bag, *, case: Case, exchanges: Sequence[Exchange]) -> list[Transfer]:
    """Decode every answer; each endpoint that answered in full must say the same. Returns the transfers."""
    _check_files(bag, case=case, exchanges=exchanges)
    found: list[Transfer] = []
    for row in case.scope:
        of_chain = [each for each in exchanges if each.chain == row.chain]
        complete = [part for part in _endpoints(of_chain) if all(each.error is None for each in part)]
        if not complete:
            raise VerificationError(file=REQUESTS, reason=f"no endpoint of {row.chain} answered in full")
        said = [_check_endpoint(bag, case=case, row=row, exchanges=part) for part in complete]
        if any(each != said[0] for each in said):
            raise VerificationError(file=REQUESTS, reason="two endpoints answered differently")
        found += said[0]
    return found


def _check_files(bag: Bag, *, case: Case, exchanges: Sequence[Exchange]) -> None:
    """No answer without an entry, no entry without its files, no chain without its case."""
    answered = [each for each in exchanges if each.error is None]
    listed = {path for each in answered for path in (each.request_path, each.answer_path)}
    for row in case.scope:
        folder = folder_of_chain(row.chain)
        listed |= {f"{folder}/blocks.json", f"{folder}/transfers.json"}
    present = {name for name in bag.names if name.startswith(("data/providers/", "data/chain/"))}
    for path in sorted((present - {REQUESTS}) ^ listed):
        if path in present:
            raise VerificationError(file=path, reason="belongs to no request and no chain of the case")
        raise VerificationError(file=path, reason="is missing")
    if {each.chain for each in exchanges} != {row.chain for row in case.scope}:
        raise VerificationError(file=REQUESTS, reason="names other chains than the case")


def _endpoints(exchanges: Sequence[Exchange]) -> list[list[Exchange]]:
    positions = sorted({each.position for each in exchanges})
    return [[each for each in exchanges if each.position == position] for position in positions]


def _check_endpoint(bag: Bag, *, case: Case, row: ScopeRow, exchanges: Sequence[Exchange]) -> list[Transfer]:
    replay = _replay(bag, row=row, exchanges=exchanges)
    _check_ranges(case, row=row, replay=replay)
    try:
        transfers = replay.transfers()
    except ChainError as error:
        raise VerificationError(file=REQUESTS, reason=str(error)) from None
    _check_listed(bag, row=row, replay=replay, transfers=transfers)
    return transfers


def _replay(bag: Bag, *, row: ScopeRow, exchanges: Sequence[Exchange]) -> Replay:
    replay = Replay(chain=row.chain)
    for each in exchanges:
        request = bag.read_bytes(each.request_path, bytes_max=ANSWER_BYTES_MAX)
        answer = bag.read_bytes(each.answer_path, bytes_max=ANSWER_BYTES_MAX)
        try:
            method = replay.add(request=request, answer=answer)
        except (ChainError, ValueError) as error:
            raise VerificationError(file=each.answer_path, reason=str(error)) from None
        if method != each.method:
            raise VerificationError(file=each.request_path, reason=f"asks {method}, not {each.method}")
    if not replay.chain_confirmed:
        raise VerificationError(file=REQUESTS, reason="an endpoint was not asked for its chain id")
    return replay


def _check_ranges(case: Case, *, row: ScopeRow, replay: Replay) -> None:
    """Every account, in both directions, over the whole window but its declared gaps."""
    if row.first is None or row.last is None:
        return
    window = Blocks(row.first.number, row.last.number)
    accounts = {each.account for each in case.records.bindings if each.account.chain == row.chain}
    for account in sorted(accounts):
        allowed = _gaps(row, account=account, window=window)
        for ranges in (replay.asked_from, replay.asked_to):
            unread = missing(window, read=[*ranges.get(account.address, ()), *allowed])
            if unread:
                reason = f"{account} was not asked for in blocks {unread[0].first}-{unread[0].last}"
                raise VerificationError(file=REQUESTS, reason=reason)
    _check_only(accounts, asked=[*replay.asked_from, *replay.asked_to])


def _gaps(row: ScopeRow, *, account: AccountId, window: Blocks) -> Iterable[Blocks]:
    """A gap of one account of the creditor is left out for all: they are asked for together."""
    for gap in row.gaps:
        first = window.first if gap.first_block is None else gap.first_block
        last = window.last if gap.last_block is None else gap.last_block
        if gap.account in {None, account, *row.accounts} and first <= last:
            yield Blocks(first, last)


def _check_only(accounts: Iterable[AccountId], *, asked: Iterable[Address]) -> None:
    if not set(asked) <= {account.address for account in accounts}:
        raise VerificationError(file=REQUESTS, reason="an account was asked for that the case does not name")


def _check_listed(bag: Bag, *, row: ScopeRow, replay: Replay, transfers: Sequence[Transfer]) -> None:
    folder = folder_of_chain(row.chain)
    if bag.read_json(f"{folder}/transfers.json") != transfers_document(transfers):
        raise VerificationError(file=f"{folder}/transfers.json", reason="is not what the raw answers list")
    if bag.read_json(f"{folder}/blocks.json") != blocks_document(replay.blocks.values()):
        raise VerificationError(file=f"{folder}/blocks.json", reason="is not what the raw answers say")
    for stated in (row.before, row.first, row.last, row.after):
        if stated is not None and not _is(replay.blocks.get(stated.number), stated):
            reason = f"its block {stated.number} is not the one that the raw answers give"
            raise VerificationError(file=CASE, reason=reason)
    _check_parents(row, replay.blocks)


def _is(answered: BlockRef | None, stated: BlockRef) -> bool:
    return answered is not None and same_block(answered, stated)


def _check_parents(row: ScopeRow, blocks: dict[int, BlockRef]) -> None:
    """The bracketing pairs must be parent and child by hash, not by number only."""
    for parent, child in ((row.before, row.first), (row.last, row.after)):
        if parent is None or child is None:
            continue
        if blocks[child.number].parent_hash != parent.hash:
            reason = f"block {child.number} does not name block {parent.number} as its parent"
            raise VerificationError(file=CASE, reason=reason)
