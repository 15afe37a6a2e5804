"""What had to be read for a debt, and what of it was: the window by blocks, and its gaps.

Reads the store only. A block that nobody read, or a window whose ends nobody found, is a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from app.assessment.values import Gap, ScopeRow
from app.clock import from_unix_seconds, to_unix_seconds
from app.debts.terms import AccountBinding, Debt, first_second
from app.ingest.ranges import Blocks, missing
from app.ingest.store import blocks as block_store
from app.ingest.store import chains as chain_store
from app.ingest.store import coverage as coverage_store
from app.ingest.store.chains import Chain
from app.ingest.store.coverage import Coverage
from app.ingest.store.disagreements import disagreements
from app.ingest.store.reading import reading_of_chain
from chains.types import AccountId, Address, BlockRef, ChainId

NOTHING_READ = "no final block of the window was read"
NO_ACCOUNT = "no account of the creditor is on record for this chain"
NOT_FINAL_YET = "no final block later than the end of the window was read"
NOT_LOCATED = "the blocks at the ends of the window were not found"
_BLOCK_MAX = 2**62
CONTRADICTED = "; nodes' answers about these blocks contradict each other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """One chain of the scope: the creditor's accounts on it, and what was read for them."""

    chain: Chain
    accounts: tuple[AccountId, ...]
    coverage: Mapping[Address, Sequence[Coverage]]
    # Why nothing recorded of this chain is relied on, where that is so.
    stopped: str | None = None

    @property
    def rows(self) -> list[Coverage]:
        """What was read, an answer for several accounts once."""
        found = {id(row): row for rows in self.coverage.values() for row in rows}
        return list(found.values())

    @property
    def final_time(self) -> int | None:
        """The time of F, the last final block read for every account; None if one was never read."""
        read = [self.coverage.get(account.address, ()) for account in self.accounts]
        if any(not rows for rows in read):
            return None
        return min((max(row.last.time for row in rows) for rows in read), default=None)


def searched_chains(
    connection: Connection, *, debt: Debt, bindings: Sequence[AccountBinding], known_at: datetime
) -> list[Searched]:
    """The chains of the debt's assets on which the creditor has accounts bound from agreed_at on.

    Where there is none at all, the chain of the debt's own asset, so that it shows as not searched.
    """
    found = []
    for chain_id in sorted({asset.id.chain for asset in debt.assets}):
        chain = chain_store.find_chain(connection, chain_id)
        if chain is None:  # pragma: no cover - a registered asset references its chain.
            continue
        accounts = _accounts(debt, bindings, chain_id=chain_id)
        coverage = coverage_store.coverage_of(
            connection,
            chain_id=chain_id,
            addresses=[account.address for account in accounts],
            known_at=known_at,
        )
        stopped = reading_of_chain(connection, chain_id).stopped_reason
        found.append(Searched(chain=chain, accounts=accounts, coverage=coverage, stopped=stopped))
    with_accounts = [each for each in found if each.accounts]
    return with_accounts or [each for each in found if each.chain.id == debt.asset.id.chain]


def _accounts(debt: Debt, bindings: Sequence[AccountBinding], *, chain_id: ChainId) -> tuple[AccountId, ...]:
    return tuple(
        sorted(
            {
                binding.account
                for binding in bindings
                if binding.party_id == debt.creditor_id
                and binding.account.chain == chain_id
                and (binding.valid_until is None or binding.valid_until >= debt.agreed_at)
            }
        )
    )


def default_as_of(searched: Sequence[Searched], *, known_at: datetime) -> datetime:
    """One second before the time of F; of several chains the earliest. Nothing read: `known_at`."""
    finals = [each.final_time for each in searched]
    times = [time for time in finals if time is not None]
    if not finals or len(times) < len(finals):
        return known_at
    return min(known_at, from_unix_seconds(min(times)) - timedelta(seconds=1))


def window_times(debt: Debt, *, as_of: datetime) -> tuple[int, int]:
    """The first second that belongs to the window, and the first that no longer does."""
    return first_second(debt.agreed_at), to_unix_seconds(as_of) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """The blocks on both sides of a time, as far as they are on record as adjoining."""

    before: BlockRef | None
    after: BlockRef | None


def bracket(connection: Connection, *, chain_id: ChainId, time: int) -> Bracket | None:
    """The last block before `time` and the first at or after it; None if they are not on record."""
    before = block_store.block_before(connection, chain_id=chain_id, time=time)
    after = block_store.block_from(connection, chain_id=chain_id, time=time)
    if after is None:
        return None
    if before is None:
        return Bracket(before=None, after=after) if after.number == 0 else None
    return Bracket(before=before, after=after) if after.number == before.number + 1 else None


def scope_row(connection: Connection, *, searched: Searched, debt: Debt, as_of: datetime) -> ScopeRow:
    """The window of one chain, with every part of it that was not read."""
    chain_id = searched.chain.id
    start_time, end_time = window_times(debt, as_of=as_of)
    start = bracket(connection, chain_id=chain_id, time=start_time)
    end = bracket(connection, chain_id=chain_id, time=end_time)
    gaps: list[Gap] = []
    if not searched.accounts:
        gaps.append(_gap(chain_id, account=None, first=None, last=None, reason=NO_ACCOUNT))
    first = None if start is None else start.after
    last = _last_known(connection, searched=searched, end_time=end_time) if end is None else end.before
    if first is not None and end is not None and (last is None or last.number < first.number):
        first = last = None  # No block lies in the window, so there was nothing to read.
    elif first is None or last is None:
        reason = NOT_LOCATED if searched.rows else NOTHING_READ
        reason += _dispute(connection, chain_id, blocks=Blocks(0, _BLOCK_MAX))
        gaps.append(_gap(chain_id, account=None, first=None, last=None, reason=reason))
        first = last = None
    elif end is None:
        reason = NOT_LOCATED if _newest_time(searched) >= end_time else NOT_FINAL_YET
        reason += _dispute(connection, chain_id, blocks=Blocks(last.number + 1, _BLOCK_MAX))
        gaps.append(_gap(chain_id, account=None, first=last.number + 1, last=None, reason=reason))
        first, last = (first, last) if first.number <= last.number else (None, None)
    if first is not None and last is not None:
        gaps += _unread(connection, searched, Blocks(first.number, last.number))
    if searched.stopped is not None:
        gaps.append(_stopped(searched, first=first, last=last))
    return ScopeRow(
        chain=chain_id,
        chain_name=searched.chain.name,
        accounts=searched.accounts,
        before=None if start is None else start.before,
        first=first,
        last=last,
        after=None if end is None else end.after,
        gaps=tuple(gaps),
    )


def _last_known(connection: Connection, *, searched: Searched, end_time: int) -> BlockRef | None:
    """The newest block known to lie in the window, where its last one is not on record."""
    newest = max((each.last for each in searched.rows), key=lambda block: block.number, default=None)
    if newest is None or newest.time < end_time:
        return newest
    return block_store.block_before(connection, chain_id=searched.chain.id, time=end_time)


def _newest_time(searched: Searched) -> int:
    return max(each.last.time for each in searched.rows)


def _unread(connection: Connection, searched: Searched, wanted: Blocks) -> list[Gap]:
    gaps = []
    for account in searched.accounts:
        read = [each.blocks for each in searched.coverage.get(account.address, ())]
        for part in missing(wanted, read=read):
            reason = f"blocks {part.first}-{part.last} were not read for every account in list C"
            reason += _dispute(connection, searched.chain.id, blocks=part)
            gaps.append(
                _gap(searched.chain.id, account=account, first=part.first, last=part.last, reason=reason)
            )
    return gaps


def _dispute(connection: Connection, chain_id: ChainId, *, blocks: Blocks) -> str:
    """What is to be said beside a gap in these blocks, where their answers are in dispute."""
    return CONTRADICTED if disagreements(connection, chain_id=chain_id, blocks=blocks, limit=1) else ""


def _stopped(searched: Searched, *, first: BlockRef | None, last: BlockRef | None) -> Gap:
    """Every node that answers contradicts a block that was final: which chain is the true one is open."""
    return _gap(
        searched.chain.id,
        account=None,
        first=None if first is None else first.number,
        last=None if last is None else last.number,
        reason=f"reading is stopped: {searched.stopped}",
    )


def _gap(
    chain: ChainId, *, account: AccountId | None, first: int | None, last: int | None, reason: str
) -> Gap:
    return Gap(chain=chain, account=account, first_block=first, last_block=last, reason=reason)
