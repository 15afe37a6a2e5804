"""How the fields of requests are written and read: CAIP ids in EIP-55, RFC 3339 times, decimal strings."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from app.assessment.document import Forms
from app.clock import BadTime, parse_rfc3339
from app.debts.terms import Basis
from chains.errors import BadIdentifier
from chains.evm.checksum import checksummed, format_account, format_asset, parse_account, parse_asset
from chains.types import AccountId, AssetId, ChainId

CHECKSUMMED = Forms(address=checksummed, account=format_account, asset=format_asset)
"""Addresses as people compare them, in EIP-55 form."""

_ADDRESS = "0x[0-9a-fA-F]{40}"
# Python also reads weeks and days without dashes.
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CHAIN = "eip155:[1-9][0-9]{0,18}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        msg = "a string is expected"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns ValueError into a finding.
    if len(value) > 400:
        msg = "too long"
        raise ValueError(msg)
    return value


def _read_chain(value: Any) -> ChainId:
    return value if isinstance(value, ChainId) else ChainId.parse(_text(value))


def _read_account(value: Any) -> AccountId:
    return value if isinstance(value, AccountId) else _explained(parse_account, value)


def _read_asset(value: Any) -> AssetId:
    return value if isinstance(value, AssetId) else _explained(parse_asset, value)


def _explained(parse: Any, value: Any) -> Any:
    """BadIdentifier is a ValueError, but its suggestion is what the caller needs."""
    try:
        return parse(_text(value))
    except BadIdentifier as error:
        hint = f". Compare with its source before you take {error.suggestion}" if error.suggestion else ""
        msg = f"{error.detail}{hint}"
        raise ValueError(msg) from None


def _read_instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        return parse_rfc3339(_text(value))
    except BadTime as error:
        raise ValueError(error.detail) from None


def _read_date(value: Any) -> date:
    if isinstance(value, date):
        return value
    if _DAY.fullmatch(text := _text(value)) is None:
        msg = "a day is written as 2026-01-31"
        raise ValueError(msg)
    return date.fromisoformat(text)


def _readable(value: str) -> str:
    """Text that every database and document can hold: no NUL, no lone surrogates."""
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        msg = "the text holds a character that can't be stored"
        raise ValueError(msg)
    return value


_Readable = BeforeValidator(lambda value: _readable(value) if isinstance(value, str) else value)

_CHAIN_SCHEMA = WithJsonSchema(
    {"type": "string", "pattern": f"^{_CHAIN}$", "description": "CAIP-2", "examples": ["eip155:1"]}
)
_ACCOUNT_SCHEMA = WithJsonSchema(
    {
        "type": "string",
        "pattern": f"^{_CHAIN}:{_ADDRESS}$",
        "description": "CAIP-10, the address in EIP-55 form",
        "examples": ["eip155:1:0x52908400098527886E0F7030069857D2E4169EE7"],
    }
)
_ASSET_SCHEMA = WithJsonSchema(
    {
        "type": "string",
        "pattern": f"^{_CHAIN}/(erc20:{_ADDRESS}|slip44:(0|[1-9][0-9]{{0,9}}))$",
        "description": "CAIP-19, the address in EIP-55 form",
        "examples": ["eip155:1/erc20:0xdAC17F958D2ee523a2206206994597C13D831ec7"],
    }
)
_WRITTEN = PlainSerializer(str, return_type=str)

ChainField = Annotated[ChainId, PlainValidator(_read_chain), _WRITTEN, _CHAIN_SCHEMA]
AccountField = Annotated[AccountId, PlainValidator(_read_account), _WRITTEN, _ACCOUNT_SCHEMA]
AssetField = Annotated[AssetId, PlainValidator(_read_asset), _WRITTEN, _ASSET_SCHEMA]

# In paths and queries FastAPI takes scalars only: the text is checked there, and parsed by the route.
ChainText = Annotated[str, AfterValidator(lambda text: str(_read_chain(text))), _CHAIN_SCHEMA]
AccountText = Annotated[str, AfterValidator(lambda text: str(_read_account(text))), _ACCOUNT_SCHEMA]
AssetText = Annotated[str, AfterValidator(lambda text: str(_read_asset(text))), _ASSET_SCHEMA]
InstantField = Annotated[
    datetime,
    BeforeValidator(_read_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-31T12:00:00Z"]}),
]
DateField = Annotated[
    date,
    BeforeValidator(_read_date),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-01-31"]}),
]
AmountField = Annotated[
    str,
    StringConstraints(max_length=160),
    Field(description="a decimal string in the asset's unit", examples=["1250.50"]),
]
BasisField = Annotated[
    Basis,
    Field(
        description="How the account was tied to the party. A payer is named by contract, signature or "
        "admission; what comes from an account that is only claimed or inferred stays a candidate."
    ),
]
NameField = Annotated[str, StringConstraints(min_length=1, max_length=500), _Readable]
ShortField = Annotated[str, StringConstraints(min_length=1, max_length=200), _Readable]
NoteField = Annotated[
    str,
    StringConstraints(max_length=10_000),
    _Readable,
    Field(description="This text will be disclosed to the other side."),
]
IdField = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_]+$")]
LimitField = Annotated[int, Field(ge=1, le=200)]
CursorField = Annotated[str, StringConstraints(max_length=400)]
