"""Column types that hold the same value on SQLite and on PostgreSQL: uint256, addresses, hashes, times, JSON.

SQLite keeps 64-bit integers and PostgreSQL keeps no unsigned ones, so neither holds a uint256 as it is.
Knows no table.
"""

from __future__ import annotations

import decimal
import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.canonical import dumps
from app.clock import from_unix_micros, require_utc, to_unix_micros
from chains.types import UINT256_MAX, Address, Hash32

_U256_BYTES = 32


class U256(TypeDecorator[int]):
    """NUMERIC(78, 0) on PostgreSQL; on SQLite 32 bytes big-endian, which sort and compare like the number."""

    impl = sa.LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.Numeric(78, 0))
        return dialect.type_descriptor(sa.LargeBinary(_U256_BYTES))

    def process_bind_param(self, value: int | None, dialect: Dialect) -> bytes | decimal.Decimal | None:
        if value is None:
            return None
        if type(value) is not int or not 0 <= value <= UINT256_MAX:
            msg = f"not a uint256: {value!r}"
            raise ValueError(msg)
        if dialect.name == "postgresql":
            return decimal.Decimal(value)
        return value.to_bytes(_U256_BYTES, "big")

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        if value is None:
            return None
        return int(value) if dialect.name == "postgresql" else int.from_bytes(value, "big")


class _DecimalText(TypeDecorator[int]):
    """An integer of any size that the database hands over as decimal text."""

    impl = sa.Text
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else int(value)


class sum_u256(GenericFunction[int]):  # noqa: N801 -- named as it is called in SQL.
    """The exact sum of a U256 column, NULL over no rows; it may exceed a uint256."""

    name = "sum_u256"
    inherit_cache = True
    type = _DecimalText()


@compiles(sum_u256, "postgresql")
def _postgresql_sum(element: sum_u256, compiler: SQLCompiler, **options: Any) -> str:
    """PostgreSQL's own sum of NUMERIC is exact."""
    return f"CAST(sum({compiler.process(element.clauses, **options)}) AS TEXT)"


class SumU256Aggregate:
    """What SQLite runs for `sum_u256`; every connection registers it."""

    def __init__(self) -> None:
        self._total: int | None = None

    def step(self, value: Any) -> None:
        if value is not None:
            self._total = (self._total or 0) + int.from_bytes(value, "big")

    def finalize(self) -> Any:
        return None if self._total is None else str(self._total)


class FixedBytes(TypeDecorator[Any]):
    """Bytes of one length, kept as bytes: 40 % smaller than hex text, and no case to get wrong."""

    impl = sa.LargeBinary
    cache_ok = True

    def __init__(self, length: int) -> None:
        self.length = length
        super().__init__(length)

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        if value is None:
            return None
        if not isinstance(value, bytes) or len(value) != self.length:
            msg = f"want {self.length} bytes, got {value!r}"
            raise ValueError(msg)
        return bytes(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        return None if value is None else bytes(value)


class Digest(FixedBytes):
    """A SHA-256 digest, as bytes."""

    cache_ok = True

    def __init__(self) -> None:
        super().__init__(32)


class AddressColumn(FixedBytes):
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(Address.length)

    def process_result_value(self, value: Any, dialect: Dialect) -> Address | None:  # noqa: ARG002
        return None if value is None else Address(bytes(value))


class HashColumn(FixedBytes):
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(Hash32.length)

    def process_result_value(self, value: Any, dialect: Dialect) -> Hash32 | None:  # noqa: ARG002
        return None if value is None else Hash32(bytes(value))


class UtcTime(TypeDecorator[datetime]):
    """An instant to the microsecond: TIMESTAMPTZ; on SQLite text of one width, which sorts like the time."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.DateTime(timezone=True))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        if value is None:
            return None
        instant = require_utc(value)
        if dialect.name == "postgresql":
            return instant
        return instant.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        instant: datetime = value if dialect.name == "postgresql" else datetime.fromisoformat(value)
        return instant.astimezone(UTC)


class UtcMicros(TypeDecorator[datetime]):
    """An instant as whole microseconds since 1970, in eight bytes: for tables of many and narrow rows."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else to_unix_micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else from_unix_micros(value)


class CanonicalJson(TypeDecorator[Any]):
    """A JSON value as its RFC 8785 text, the same bytes in every database. None is SQL NULL, not `null`."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else dumps(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else json.loads(value)
