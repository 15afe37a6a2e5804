"""Answers of endpoints and transactions without any record, for tests of the pure core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from app.assessment.inflow_values import (
    Criteria,
    Endpoint,
    EndpointAnswer,
    Inflow,
    Inflows,
    TokenShown,
    Window,
)
from app.assessment.inflows import (
    Known,
    flagged,
    joined,
)
from app.ingest.ranges import Blocks
from chains.evm.execution import COIN_LOG_ADDRESS, Execution, LogKind, ReceiptLog, Transaction
from chains.evm.transfers import RawTransferLog
from chains.types import AssetId, Transfer
from tests.factories import (
    CHAIN,
    CREDITOR,
    ONE,
    STRANGER,
    USDX,
    address,
    block,
    day,
    transfer,
)

FIRST, LAST = block(day(1)), block(day(9))
KNOWN_TOKEN = TokenShown(symbol="USDX", decimals=6, registered=True)
ROUTER = address("router")
ANYTHING = Criteria()
PAID = transfer(day(2), 3 * ONE)


def answer(
    *received: Transfer,
    number: int = 1,
    read: tuple[datetime, datetime] | None = (day(1), day(9)),
    failure: str | None = None,
    sent: Sequence[Transfer] = (),
) -> EndpointAnswer:
    blocks = None if read is None else Blocks(block(read[0]).number, block(read[1]).number)
    return EndpointAnswer(
        endpoint=Endpoint(number=number, url=f"https://node{number}.example"),
        final=LAST,
        read=blocks,
        failure=failure,
        received=received,
        sent=tuple(sent),
    )


def found(
    *answers: EndpointAnswer,
    criteria: Criteria = ANYTHING,
    tokens: Mapping[AssetId, TokenShown] | None = None,
    inflows: Sequence[Inflow] | None = None,
    knows_registry: bool = False,
    until: datetime | None = None,
    ends_at_final: bool = True,
) -> Inflows:
    """The whole answer, with flags."""
    answers = answers or (answer(),)
    shown = tokens if tokens is not None else {USDX.id: KNOWN_TOKEN}
    whole = Inflows(
        chain=CHAIN,
        chain_name="Testnet",
        account=CREDITOR,
        window=Window(
            since=FIRST.time,
            until=None if until is None else int(until.timestamp()),
            first=FIRST,
            last=LAST,
            ends_at_final=ends_at_final,
        ),
        criteria=criteria,
        answers=answers,
        inflows=(),
        tokens=shown,
        knows_registry=knows_registry,
    )
    known = Known(
        account=CREDITOR,
        criteria=criteria,
        tokens=shown,
        knows_registry=knows_registry,
        sent=whole.sent,
    )
    rows = joined(answers) if inflows is None else inflows
    return replace(whole, inflows=tuple(flagged(rows, known=known)))


def execution(*moves: Transfer, value: int = 0, succeeded: bool | None = True) -> Execution:
    """A transaction of STRANGER to the router whose receipt holds these transfers."""
    tx_hash, where = moves[0].tx_hash, moves[0].block
    logs = tuple(
        ReceiptLog(
            kind=LogKind.COIN if each.contract == COIN_LOG_ADDRESS else LogKind.TOKEN,
            raw=RawTransferLog(
                block_number=where.number,
                block_hash=where.hash,
                tx_hash=tx_hash,
                log_index=each.log_index,
                contract=each.contract,
                sender=each.sender,
                recipient=each.recipient,
                amount_units=each.amount_units,
            ),
            sender=each.sender,
            recipient=each.recipient,
            amount_units=each.amount_units,
        )
        for each in moves
    )
    return Execution(
        transaction=Transaction(
            tx_hash=tx_hash,
            sender=STRANGER,
            recipient=ROUTER,
            value_wei=value,
            input=b"",
            place=(where.number, where.hash),
        ),
        block_number=where.number,
        block_hash=where.hash,
        succeeded=succeeded,
        created=None,
        gas_used=21_000,
        gas_price_wei=1,
        logs=logs,
    )
