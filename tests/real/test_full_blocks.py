"""Recorded full blocks are read as the native coin's reading reads them: every transaction and receipt."""

from __future__ import annotations

import gzip
import json

from chains.evm.native import parse_full_block, parse_receipt
from tests.real.recorded import folder


def test_real_blocks_are_read() -> None:
    """Transactions of many kinds and ages, withdrawals, deposits; whatever receipts were recorded."""
    full_blocks = receipts = withdrawals = mints = 0
    for path in sorted(folder().glob("data/blocks/*/*.json.gz")):
        recorded = json.loads(gzip.decompress(path.read_bytes()))
        if not recorded["full"]:
            continue
        number = int(recorded["block"]["number"], 16)
        full = parse_full_block(recorded["block"], expected_number=number)
        full_blocks += 1
        withdrawals += len(full.withdrawals)
        mints += sum(1 for each in full.transactions if each.mint_units)
        by_hash = {each["transactionHash"]: each for each in recorded["receipts"] or ()}
        for each in full.transactions:
            found = by_hash.get(str(each.hash))
            if found is not None and "status" in found:
                receipts += 1
                parse_receipt(found, transaction=each, block=full.block)
    assert full_blocks > 70
    assert receipts > 4_000
    assert withdrawals > 300
    assert mints > 0
