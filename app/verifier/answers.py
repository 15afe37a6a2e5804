"""Whether the raw answers in a bundle say what its chain files list, for every account and every block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app import canonical
from app.assessment.values import ScopeRow
from app.canonical import NotRepresentable
from app.evidence.bag import Bag
from app.evidence.case import Case
from app.evidence.chainfile import blocks_document, folder_of_chain, same_block, transfers_document
from app.evidence.errors import VerificationError
from app.evidence.exchange import REQUESTS, Exchange
from app.evidence.format import JSON_BYTES_MAX
from app.evidence.replay import BadRequest, Replay, ranges_to_ask
from app.ingest.ranges import Blocks, merged, missing
from chains.errors import ChainError
from chains.types import AccountId, BlockRef, Transfer

ANSWER_BYTES_MAX = 64 * 2**20
# A real answer of that size has fewer than four million; an empty list costs two bytes here, seventy decoded.
ANSWER_VALUES_MAX = 5_000_000
CASE = "data/case.json"


def holds(bag: Bag, path: str, value: object) -> bool:
    """Whether a file is the canonical text of a value. Compared as bytes: to Python, 1 equals true."""
    try:
        return bag.read_bytes(path, bytes_max=JSON_BYTES_MAX) == canonical.dumps(value)
    except NotRepresentable:
        return False


def check_answers(bag: Bag, *, case: Case, exchanges: Sequence[Exchange]) -> list[Transfer]:
    """Decode every answer; each endpoint that answered in full must say the same. Returns the transfers."""
    _check_files(bag, case=case, exchanges=exchanges)
    found: list[Transfer] = []
    for row in case.scope:
        endpoints = _endpoints([each for each in exchanges if each.chain == row.chain])
        complete = [part for part in endpoints if all(each.error is None for each in part)]
        if not complete:
            raise VerificationError(file=REQUESTS, reason=f"no endpoint of {row.chain} answered in full")
        # Each has to give the listed transfers and blocks, so that no two can differ.
        said = [_check_endpoint(bag, case=case, row=row, exchanges=part) for part in complete]
        for part in endpoints:
            if part not in complete:
                _check_failed(bag, row=row, exchanges=part, listed=said[0])
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
    parts: dict[int, list[Exchange]] = {}
    for each in exchanges:
        parts.setdefault(each.position, []).append(each)
    return [parts[position] for position in sorted(parts)]


def _check_endpoint(bag: Bag, *, case: Case, row: ScopeRow, exchanges: Sequence[Exchange]) -> list[Transfer]:
    replay = _replay(bag, row=row, exchanges=exchanges)
    if not replay.chain_confirmed:
        raise VerificationError(file=REQUESTS, reason="an endpoint was not asked for its chain id")
    _check_ranges(case, row=row, replay=replay)
    try:
        transfers = replay.transfers()
    except ChainError as error:
        raise VerificationError(file=REQUESTS, reason=str(error)) from None
    _check_listed(bag, row=row, replay=replay, transfers=transfers)
    return transfers


def _check_failed(
    bag: Bag, *, row: ScopeRow, exchanges: Sequence[Exchange], listed: Sequence[Transfer]
) -> None:
    """What an endpoint had shown before it failed is not lost with its failure."""
    answered = [each for each in exchanges if each.error is None]
    try:
        unlisted = _replay(bag, row=row, exchanges=answered).unlisted(listed)
    except ChainError as error:
        raise VerificationError(file=REQUESTS, reason=str(error)) from None
    if unlisted:
        log = unlisted[0]
        reason = (
            f"an endpoint that failed had answered with log {log.log_index} of block {log.block_number}, "
            "a transfer that is not listed"
        )
        raise VerificationError(file=REQUESTS, reason=reason)


def _replay(bag: Bag, *, row: ScopeRow, exchanges: Sequence[Exchange]) -> Replay:
    replay = Replay(chain=row.chain)
    for each in exchanges:
        request = bag.read_bytes(each.request_path, bytes_max=ANSWER_BYTES_MAX)
        answer = bag.read_bytes(each.answer_path, bytes_max=ANSWER_BYTES_MAX)
        for path, data in ((each.request_path, request), (each.answer_path, answer)):
            if sum(data.count(mark) for mark in (b",", b":", b"[", b"{")) > ANSWER_VALUES_MAX:
                raise VerificationError(file=path, reason=f"has more than {ANSWER_VALUES_MAX} JSON values")
        try:
            method = replay.add(request=request, answer=answer)
        except BadRequest as error:
            raise VerificationError(file=each.request_path, reason=str(error)) from None
        except (ChainError, ValueError) as error:
            raise VerificationError(file=each.answer_path, reason=str(error)) from None
        if method != each.method:
            raise VerificationError(file=each.request_path, reason=f"asks {method}, not {each.method}")
    return replay


def _check_ranges(case: Case, *, row: ScopeRow, replay: Replay) -> None:
    """Every account in both directions, over each block of the window but its declared gaps, exactly once."""
    wanted = ranges_to_ask(row)
    accounts = {each.account for each in case.records.bindings if each.account.chain == row.chain}
    if not {*replay.asked_from, *replay.asked_to} <= {account.address for account in accounts}:
        raise VerificationError(file=REQUESTS, reason="an account was asked for that the case does not name")
    for account in sorted(accounts):
        for ranges in (replay.asked_from, replay.asked_to):
            _check_range(account, wanted=wanted, asked=ranges.get(account.address, []))


def _check_range(account: AccountId, *, wanted: Sequence[Blocks], asked: Sequence[Blocks]) -> None:
    unread = [gap for part in wanted for gap in missing(part, read=asked)]
    if unread:
        reason = f"{account} was not asked for in blocks {unread[0].first}-{unread[0].last}"
        raise VerificationError(file=REQUESTS, reason=reason)
    if merged(asked) != list(wanted):
        reason = f"{account} was asked for in blocks that are not of the window, or lie in a gap"
        raise VerificationError(file=REQUESTS, reason=reason)
    if _size(asked) > _size(wanted):
        raise VerificationError(file=REQUESTS, reason=f"{account} was asked for twice in the same blocks")


def _size(ranges: Iterable[Blocks]) -> int:
    return sum(part.last - part.first + 1 for part in ranges)


def _check_listed(bag: Bag, *, row: ScopeRow, replay: Replay, transfers: Sequence[Transfer]) -> None:
    folder = folder_of_chain(row.chain)
    if not holds(bag, f"{folder}/transfers.json", transfers_document(transfers)):
        raise VerificationError(file=f"{folder}/transfers.json", reason="is not what the raw answers list")
    if not holds(bag, f"{folder}/blocks.json", blocks_document(replay.blocks.values())):
        raise VerificationError(file=f"{folder}/blocks.json", reason="is not what the raw answers say")
    brackets = [each for each in (row.before, row.first, row.last, row.after) if each is not None]
    for stated in brackets:
        if not _is(replay.blocks.get(stated.number), stated):
            reason = f"its block {stated.number} is not the one that the raw answers give"
            raise VerificationError(file=CASE, reason=reason)
    needed = {each.number for each in brackets} | {each.block.number for each in transfers}
    for number in sorted(replay.blocks.keys() - needed):
        raise VerificationError(file=REQUESTS, reason=f"block {number} was asked for without need")


def _is(answered: BlockRef | None, stated: BlockRef) -> bool:
    return answered is not None and same_block(answered, stated)
