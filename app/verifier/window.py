"""Whether the window of a case is bracketed as it must be: by time, by number, and by parent.

The verifier checks the parents with the enclosed headers' answers, in `answers`.
"""

from __future__ import annotations

from app.assessment.values import ScopeRow
from app.clock import to_unix_seconds
from app.debts.terms import first_second
from app.evidence.case import Case
from app.evidence.errors import VerificationError

CASE = "data/case.json"


def check_window(case: Case) -> None:
    """Raises VerificationError at data/case.json."""
    debt = case.records.debt
    start, end = first_second(debt.agreed_at), to_unix_seconds(case.as_of) + 1
    chains = [row.chain for row in case.scope]
    if len(set(chains)) < len(chains) or not set(chains) <= {asset.id.chain for asset in debt.assets}:
        _reject("its scope does not name each chain of the debt's assets once")
    for row in case.scope:
        _check_accounts(case, row)
        if row.first is None or row.last is None:
            _reject("its window holds no block")
        elif row.after is None:
            _reject("its window has no anchor")
        else:
            _check_start(row, start=start)
            _check_end(row, end=end)


def _check_accounts(case: Case, row: ScopeRow) -> None:
    """Every account of the creditor that was bound in the window has to be searched."""
    debt = case.records.debt
    bound = {
        binding.account
        for binding in case.records.bindings_of(case.creditor.id)
        if binding.account.chain == row.chain
        and (binding.valid_until is None or binding.valid_until >= debt.agreed_at)
    }
    if list(row.accounts) != sorted(bound):
        _reject("its scope leaves out an account of the creditor")


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


def _reject(reason: str) -> None:
    raise VerificationError(file=CASE, reason=reason)
