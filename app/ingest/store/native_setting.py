"""Whether the native coin of a chain is read beside its tokens, as the operator set it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import insert_new
from app.ingest.native_model import native_setting
from chains.types import ChainId


def is_native_read(connection: Connection, chain_id: ChainId) -> bool:
    query = sa.select(native_setting.c.is_read).where(native_setting.c.chain_id == str(chain_id))
    found = connection.scalar(query)
    return True if found is None else bool(found)


def set_native_read(connection: Connection, *, chain_id: ChainId, is_read: bool) -> None:
    row = {"chain_id": str(chain_id), "is_read": is_read}
    if not insert_new(connection, native_setting, [row]):
        update = sa.update(native_setting).where(native_setting.c.chain_id == str(chain_id))
        connection.execute(update.values(is_read=is_read))
