"""Whether the window of a case is bracketed as it must be: by time, by number, and by parent.

The verifier checks the parents with the enclosed headers' answers, in `answers`.
"""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn

from app.assessment.values import ScopeRow
from app.clock import to_unix_seconds
from app.debts.terms import AccountBinding, first_second
from app.evidence.case import Case
from app.evidence.errors import VerificationError
from chains.types import ChainId

CASE = "data/case.json"


def check_window(case: Case) -> None:
    """Raises VerificationError at data/case.json."""
    debt = case.records.debt
    if case.as_of < debt.agreed_at:
        _reject("its as_of is earlier than the agreement")
    if any(when > case.known_at for when in _recorded(case)):
        _reject("something in it was recorded later than known_at")
    if [row.chain for row in case.scope] != _chains_to_search(case):
        _reject("its scope does not name each chain of the debt's assets on which the creditor has accounts")
    start, end = first_second(debt.agreed_at), to_unix_seconds(case.as_of) + 1
    for row in case.scope:
        _check_accounts(case, row)
        if row.first is None or row.last is None or row.first.number > row.last.number:
            _reject("its window holds no block")
        if row.after is None:
            _reject("its window has no anchor")
        _check_start(row, start=start)
        _check_end(row, end=end)


def _recorded(case: Case) -> list[datetime]:
    return [
        case.records.debt.recorded_at,
        case.creditor.recorded_at,
        case.debtor.recorded_at,
        *(binding.recorded_at for binding in case.records.bindings),
    ]


def _bound(case: Case) -> list[AccountBinding]:
    """The creditor's bindings that reach into the window."""
    agreed_at = case.records.debt.agreed_at
    return [
        binding
        for binding in case.records.bindings_of(case.creditor.id)
        if binding.valid_until is None or binding.valid_until >= agreed_at
    ]


def _chains_to_search(case: Case) -> list[ChainId]:
    """Without any account the chain of the debt's own asset, so that it shows as not searched."""
    with_accounts = {binding.account.chain for binding in _bound(case)}
    debt = case.records.debt
    return sorted(with_accounts & {asset.id.chain for asset in debt.assets}) or [debt.asset.id.chain]


def _check_accounts(case: Case, row: ScopeRow) -> None:
    """Every account of the creditor that was bound in the window has to be searched."""
    bound = {each.account for each in _bound(case) if each.account.chain == row.chain}
    if list(row.accounts) != sorted(bound):
        _reject("its scope leaves out an account of the creditor")
    if any(gap.account is not None and gap.account not in bound for gap in row.gaps):
        _reject("its scope has a gap of an account that was not to be searched")
    if not bound and not any(gap.account is None for gap in row.gaps):
        _reject("its scope names no account, and no gap for that")


def _check_start(row: ScopeRow, *, start: int) -> None:
    first, before = row.first, row.before
    if first is None or first.time < start:
        _reject("its window starts before the debt was agreed")
    elif before is None:
        if first.number != 0:
            _reject("its first block has no block before it")
    elif before.number != first.number - 1 or before.time >= start:
        _reject("its window starts later than the debt was agreed")


def _check_end(row: ScopeRow, *, end: int) -> None:
    last, after = row.last, row.after
    if last is None or after is None or last.time >= end:
        _reject("its window ends after as_of")
    elif after.number != last.number + 1 or after.time < end:
        _reject("its window ends before as_of")


def _reject(reason: str) -> NoReturn:
    raise VerificationError(file=CASE, reason=reason)
