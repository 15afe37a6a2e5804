"""What `check` and `explain` are given, read into the values that the core takes; faults name the option."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import NoReturn, TypeVar

from app.assessment.inflow_values import Criteria
from app.clock import BadTime, parse_rfc3339, to_unix_seconds
from app.errors import Fault, InvalidInput
from app.inquiry.check import Question
from app.money import DECIMALS_MAX, AmountError, parse_units
from chains.errors import BadIdentifier
from chains.evm.checksum import parse_account, parse_asset, parse_checksummed
from chains.types import ZERO_ADDRESS, Address, AssetId, ChainId, Hash32

T = TypeVar("T")

_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


def chain_of(text: str) -> ChainId:
    return _read("--chain", text, ChainId.parse)


def tx_hash_of(text: str) -> Hash32:
    return _read("TX", text, Hash32.parse)


def account_of(option: str, text: str, *, chain: ChainId) -> Address:
    """An address in EIP-55 form, or a CAIP-10 id on this chain."""
    if ":" not in text:
        address = _read(option, text, parse_checksummed)
    else:
        account = _read(option, text, parse_account)
        _demand_chain(option, account.chain, chain)
        address = account.address
    if address == ZERO_ADDRESS:
        _refuse(option, "The zero address is nobody's account.")
    return address


def token_of(text: str, *, chain: ChainId) -> AssetId:
    """A contract's address in EIP-55 form, or its CAIP-19 id on this chain."""
    if "/" not in text:
        return AssetId(chain, account_of("--token", text, chain=chain))
    asset = _read("--token", text, parse_asset)
    _demand_chain("--token", asset.chain, chain)
    if asset.contract is None:
        _refuse("--token", "The native coin is not read here: Transfer events of tokens are.")
    return asset


def question_of(
    *,
    account: Address,
    since: str,
    until: str | None,
    criteria: Criteria,
    seconds_max: int,
    now: datetime,
) -> Question:
    """Days are of UTC: `since` from the first second of one, `until` to the last."""
    first = _instant("--since", since, after=time.min)
    if first > now:
        _refuse("--since", f"{since} lies in the future.")
    last = None if until is None else _instant("--until", until, after=time.max)
    if last is not None and last < first:
        _refuse("--until", f"{until} lies before --since.")
    if criteria.amount is not None:
        _demand_amount(criteria.amount)
    return Question(
        account=account,
        # The first block counts whose whole second is not before the asked instant.
        since=to_unix_seconds(first + timedelta(microseconds=999_999)),
        until=None if last is None else to_unix_seconds(last),
        criteria=criteria,
        seconds_max=seconds_max,
    )


def _instant(option: str, text: str, *, after: time) -> datetime:
    try:
        if _DAY.fullmatch(text) is not None:
            return datetime.combine(date.fromisoformat(text), after, tzinfo=UTC)
        return parse_rfc3339(text)
    except BadTime as error:
        _refuse(option, f"{error.detail}, nor a day such as 2026-01-31")
    except ValueError:
        _refuse(option, f"There is no such day: {text}")


def _demand_amount(text: str) -> None:
    """Its form; whether the token has so many decimals is asked once the token is known."""
    try:
        units = parse_units(text, decimals=min(len(text.partition(".")[2]), DECIMALS_MAX))
    except AmountError as error:
        _refuse("--amount", error.detail)
    if not units:
        _refuse("--amount", "An amount of zero is nothing to look for.")


def _demand_chain(option: str, given: ChainId, chain: ChainId) -> None:
    if given != chain:
        _refuse(option, f"This is on {given}, and --chain is {chain}.")


def _read(option: str, text: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text)
    except BadIdentifier as error:
        hint = f". Compare with its source before you take {error.suggestion}" if error.suggestion else ""
        _refuse(option, f"{error.detail}{hint}")


def _refuse(option: str, detail: str) -> NoReturn:
    raise InvalidInput([Fault(pointer=option, detail=detail)])
