"""Every block of a window held against its bloom and its receipts, before evidence rests on it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from app.ingest.ranges import Blocks
from app.ingest.receipts import ReceiptsCheck, check_receipts
from chains.errors import BadAnswer
from chains.evm.client import EvmClient
from chains.evm.ranges import RangeSize
from chains.evm.rows import LogRow
from chains.types import Address, BlockRef

# Beyond this, blocks are drawn at random: one by one, a year of a fast chain would take days.
BLOCKS_MAX = 50_000
_STEP = RangeSize(blocks=500, blocks_max=1_000)


def check_window(
    client: EvmClient,
    *,
    accounts: Sequence[Address],
    ranges: Sequence[Blocks],
    listed: Collection[LogRow],
    blocks: Collection[BlockRef],
    progress: Callable[[int, int], None],
) -> int:
    """How many blocks the receipts confirm, of those in `ranges`, whose transfers are `listed`.

    They have to be of one chain with the known `blocks`. Raises HiddenLog where the node's receipts
    hold other transfers than its logs, and other ChainErrors.
    """
    total = sum(part.size for part in ranges)
    permille = 1000 if total <= BLOCKS_MAX else max(1, 1000 * BLOCKS_MAX // total)
    check = ReceiptsCheck(permille=permille)
    done = checked = 0
    rows: set[LogRow] = set()
    for part in ranges:
        batches = client.log_ranges(
            accounts=accounts, first_block=part.first, last_block=part.last, size=_STEP, ahead=1
        )
        for batch in batches:
            checked += check_receipts(client, accounts=accounts, batch=batch, blocks=blocks, check=check)
            rows.update(batch.rows)
            done += batch.last_block - batch.first_block + 1
            progress(done, total)
    if rows != set(listed):
        raise BadAnswer(node=client.rpc.node, detail="answers otherwise about the same blocks than before")
    return checked
