"""Both answers as JSON: every fact that the sentences rest on, and the sentences themselves (pure)."""

from __future__ import annotations

from typing import Any

from app.assessment import inflow_statements, transaction_statements
from app.assessment.document import Forms, transfer_document
from app.assessment.inflow_totals import Sum, Total, totals
from app.assessment.inflow_values import Differs, EndpointAnswer, Inflow, Inflows, TokenShown
from app.assessment.inflows import asset_of
from app.assessment.statements import block_instant, instant
from app.assessment.transaction_values import Explanation, Told
from app.clock import from_unix_seconds
from app.ingest.ranges import Blocks
from app.matching.passing import Movement
from app.money import format_units
from chains.evm.execution import Attempt, Execution, ReceiptLog
from chains.types import AssetId, BlockRef


def inflows_document(found: Inflows, *, forms: Forms) -> dict[str, Any]:
    """The answer of `check --json`: every inflow, whatever the table on the terminal shows."""
    wanted = found.criteria
    return {
        "chain": str(found.chain),
        "account": forms.address(found.account),
        "since": instant(from_unix_seconds(found.window.since)),
        "until": None if found.window.until is None else instant(from_unix_seconds(found.window.until)),
        "asked_for": {
            "from": None if wanted.sender is None else forms.address(wanted.sender),
            "token": None if wanted.token is None else forms.asset(wanted.token),
            "amount": wanted.amount,
        },
        "first_block": _block(found.window.first),
        "last_block": _block(found.window.last),
        "complete": found.whole,
        "gaps": [_range(each) for each in found.gaps],
        "gap_sentences": list(inflow_statements.gap_sentences(found)),
        "differences": list(inflow_statements.difference_sentences(found)),
        "endpoints": [_endpoint(each) for each in found.answers],
        "inflows_total": len(found.inflows),
        "inflows": [_inflow(each, found, forms=forms) for each in found.inflows],
        "totals": [_total(each, found, forms=forms) for each in totals(found)],
        "other_events": [
            {
                "contract": forms.address(each.contract),
                "kind": each.reason.value,
                "block_number": each.block_number,
                "block_hash": str(each.block_hash),
                "tx_hash": str(each.tx_hash),
                "log_index": each.log_index,
            }
            for each in found.others
        ],
        "notes": list(inflow_statements.notes(found, forms=forms)),
        "scope_sentence": inflow_statements.scope_sentence(found, forms=forms),
        "not_searched": list(inflow_statements.NOT_SEARCHED),
    }


def _block(block: BlockRef) -> dict[str, Any]:
    return {"number": block.number, "hash": str(block.hash), "time": block_instant(block)}


def _range(blocks: Blocks) -> dict[str, int]:
    return {"first_block": blocks.first, "last_block": blocks.last}


def _endpoint(answer: EndpointAnswer) -> dict[str, Any]:
    return {
        "number": answer.endpoint.number,
        "url": answer.endpoint.url,
        "final_block": None if answer.final is None else answer.final.number,
        "read": None if answer.read is None else _range(answer.read),
        "transfers": len(answer.received),
        "failure": answer.failure,
    }


def _inflow(inflow: Inflow, found: Inflows, *, forms: Forms) -> dict[str, Any]:
    asset = asset_of(inflow.transfer)
    token, behind = found.token(asset), inflow.origins
    flags = tuple(flag.value for flag in inflow.flags)
    document = transfer_document(inflow.transfer, decimals=token.decimals, forms=forms, flags=flags)
    return {
        **document,
        "asset": forms.asset(asset),
        "symbol": token.symbol,
        "tx_from": None if inflow.signer is None else forms.address(inflow.signer),
        "origins": [] if behind is None else [forms.address(each) for each in behind.accounts],
        "origins_total": 0 if behind is None else behind.total,
        "origin_by_same_asset": None if behind is None else behind.same_asset,
        "differs_in": [each.value for each in inflow.differs],
        "exact_amount": found.criteria.amount is not None
        and not {Differs.AMOUNT, Differs.AMOUNT_UNREAD} & set(inflow.differs),
        "returned_by": list(inflow.endpoints),
        "disputed": inflow.disputed,
    }


def _total(total: Total, found: Inflows, *, forms: Forms) -> dict[str, Any]:
    token = found.token(total.asset)
    return {
        "asset": forms.asset(total.asset),
        "symbol": token.symbol,
        "decimals": token.decimals,
        "received": _sum(total.received, token),
        "as_asked": _sum(total.matching, token),
        "disputed": _sum(total.disputed, token),
        "sent": _sum(total.sent, token),
    }


def _sum(total: Sum, token: TokenShown) -> dict[str, Any]:
    return {"transfers": total.count, **_amount(total.units, token)}


def _amount(units: int, token: TokenShown) -> dict[str, Any]:
    sign, size = ("-", -units) if units < 0 else ("", units)
    shown = None if token.decimals is None else sign + format_units(size, decimals=token.decimals)
    return {"amount": shown, "amount_units": str(units)}


def explanation_document(found: Explanation, *, forms: Forms) -> dict[str, Any]:
    """The answer of `explain --json`."""
    transaction, execution = found.transaction, found.execution
    attempt = found.attempt
    executed = {} if execution is None else _executed(found, execution, forms=forms)
    return {
        "chain": str(found.chain),
        "tx_hash": str(transaction.tx_hash),
        "state": _state(found),
        "from": forms.address(transaction.sender),
        "to": None if transaction.recipient is None else forms.address(transaction.recipient),
        "value_units": str(transaction.value_wei),
        "call": None if attempt is None else _call(attempt, found, forms=forms),
        **executed,
        "account": None if found.account is None else forms.address(found.account),
        "complete": found.whole,
        "endpoints": [_told(each) for each in found.told],
        "sections": [
            {"heading": heading, "lines": list(section)}
            for heading, section in transaction_statements.lines(found, forms=forms)
        ],
    }


def _call(attempt: Attempt, found: Explanation, *, forms: Forms) -> dict[str, Any]:
    """The transfer() that was called for, whether or not it came to pass."""
    asset = AssetId(found.chain, attempt.contract)
    return {
        "asset": forms.asset(asset),
        "from": forms.address(attempt.sender),
        "to": forms.address(attempt.recipient),
        **_amount(attempt.amount_units, found.token(asset)),
    }


def _state(found: Explanation) -> str:
    if found.execution is None:
        return "pending"
    if found.block is None:
        return "replaced"
    return "final" if found.is_final else "not-final"


def _executed(found: Explanation, execution: Execution, *, forms: Forms) -> dict[str, Any]:
    return {
        "succeeded": execution.succeeded,
        "block_number": execution.block_number,
        "block_hash": str(execution.block_hash),
        "block_time": None if found.block is None else block_instant(found.block),
        "gas_used": str(execution.gas_used),
        "gas_price_units": None if execution.gas_price_wei is None else str(execution.gas_price_wei),
        "movements": [_movement(each, found, forms=forms) for each in found.movements],
        "inner_moves_read": not found.inner_unread,
        "inner_moves": [_movement(each, found, forms=forms) for each in found.inner],
        "other_logs": [_log(each, forms=forms) for each in found.uncounted],
        "unknown_logs": found.other_logs,
        "net": [
            {
                "account": forms.address(account),
                "assets": [
                    {"asset": forms.asset(asset), **_amount(units, found.token(asset))}
                    for asset, units in held.items()
                ],
            }
            for account, held in found.net.items()
        ],
    }


def _movement(movement: Movement, found: Explanation, *, forms: Forms) -> dict[str, Any]:
    token = found.token(movement.asset)
    return {
        "asset": forms.asset(movement.asset),
        "symbol": token.symbol,
        "from": forms.address(movement.sender),
        "to": forms.address(movement.recipient),
        **_amount(movement.amount_units, token),
        "log_index": movement.log_index,
    }


def _log(log: ReceiptLog, *, forms: Forms) -> dict[str, Any]:
    return {
        "kind": log.kind.value,
        "contract": forms.address(log.raw.contract),
        "log_index": log.raw.log_index,
        "from": None if log.sender is None else forms.address(log.sender),
        "to": None if log.recipient is None else forms.address(log.recipient),
        "amount_units": None if log.amount_units is None else str(log.amount_units),
        "token_id": None if log.token_id is None else str(log.token_id),
    }


def _told(told: Told) -> dict[str, Any]:
    return {
        "number": told.endpoint.number,
        "url": told.endpoint.url,
        "final_block": None if told.final is None else told.final.number,
        "knows_it": None if told.failure is not None else told.found is not None,
        "failure": told.failure,
    }
