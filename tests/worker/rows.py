"""What a ledger holds of a chain, told so that two ledgers which read it at different times can be compared.

Left out are surrogate keys, times of reading and names of nodes. Where one range ends and the next begins
depends on when it was read; what all of them hold together does not.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import reading
from app.ingest.ledger_model import account_set_member, coverage, covered_range, time_mark, watch
from app.ingest.model import token
from app.ingest.ranges import Blocks, merged
from tests.ingest.scene import stored


def rows_of(engine: Engine) -> dict[str, object]:
    """All that was read. Fails where a block was read twice for one account."""
    with reading(engine) as connection:
        ranges: dict[bytes, list[Blocks]] = {}
        query = sa.select(account_set_member.c.address, coverage.c.first_block, coverage.c.last_block).join(
            account_set_member, account_set_member.c.digest == coverage.c.accounts
        )
        for address, first, last in connection.execute(query):
            ranges.setdefault(bytes(address), []).append(Blocks(first, last))
        plain = {
            table.name: sorted(map(tuple, connection.execute(sa.select(*columns))))
            for table, columns in (
                (covered_range, tuple(covered_range.c)),
                (watch, (watch.c.chain_id, watch.c.address, watch.c.since_time)),
                (time_mark, tuple(time_mark.c)),
                (token, (token.c.chain_id, token.c.contract, token.c.symbol, token.c.decimals)),
            )
        }
    for address, parts in ranges.items():
        read = sum(part.last - part.first + 1 for part in parts)
        held = sum(part.last - part.first + 1 for part in merged(parts))
        assert read == held, f"read twice: {address.hex()} {sorted(parts)}"
    read_through = {address: merged(parts) for address, parts in ranges.items()}
    return {"transfer": stored(engine), "coverage": read_through, **plain}
