"""From the endpoints' answers to one list of inflows, each with its flags (pure).

An inflow is never left out because its sender, token or amount is another than was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.assessment.inflow_values import (
    Criteria,
    Differs,
    Endpoint,
    EndpointAnswer,
    Flag,
    Inflow,
    TokenShown,
)
from app.matching.passing import Movement, Origins, origins
from app.matching.resemblance import resembles, same_symbol
from app.money import AmountError, parse_units
from chains.evm.execution import COIN_LOG_ADDRESS, Execution, LogKind
from chains.types import ZERO_ADDRESS, Address, AssetId, ChainId, Hash32, Transfer

# CAIP-19 wants a number for the native coin; here it is 60 on every chain.
NATIVE_SLIP44 = 60
# The kinds of logs that move what can be added up.
COUNTED = frozenset({LogKind.TOKEN, LogKind.COIN})


def native_asset(chain: ChainId) -> AssetId:
    return AssetId(chain, None, NATIVE_SLIP44)


def asset_of(transfer: Transfer) -> AssetId:
    """What moved: behind the address of EIP-7708 stands no contract, but the native coin."""
    return native_asset(transfer.chain) if transfer.contract == COIN_LOG_ADDRESS else transfer.asset


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What flags are judged by, besides the transfer itself."""

    account: Address
    criteria: Criteria
    tokens: Mapping[AssetId, TokenShown]
    knows_registry: bool
    sent: Sequence[Transfer]


def movements_of(execution: Execution, *, chain: ChainId) -> list[Movement]:
    """The movements that a transaction's own value and its receipt show; none of a failed one.

    Where the chain itself logs moves of its coin (EIP-7708), its logs stand for the value, which would
    otherwise be counted twice.
    """
    if execution.succeeded is False:
        return []
    coin = native_asset(chain)
    moved = []
    for log in execution.logs:
        if log.kind in COUNTED and log.sender is not None and log.recipient is not None:
            asset = coin if log.kind is LogKind.COIN else AssetId(chain, log.raw.contract)
            moved.append(
                Movement(
                    asset=asset,
                    sender=log.sender,
                    recipient=log.recipient,
                    amount_units=log.amount_units or 0,
                    log_index=log.raw.log_index,
                )
            )
    value = top_level_move(execution, chain=chain)
    if value is not None and not any(each.asset == coin for each in moved):
        moved.insert(0, value)
    return moved


def top_level_move(execution: Execution, *, chain: ChainId) -> Movement | None:
    """The value that the transaction itself carried, to its recipient or to the contract it created."""
    transaction = execution.transaction
    recipient = transaction.recipient or execution.created
    if not transaction.value_wei or recipient is None:
        return None
    return Movement(
        asset=native_asset(chain),
        sender=transaction.sender,
        recipient=recipient,
        amount_units=transaction.value_wei,
        log_index=None,
    )


def joined(answers: Sequence[EndpointAnswer]) -> list[Inflow]:
    """Every transfer that any endpoint returned, in chain order, with who returned it and who did not."""
    returned: dict[Transfer, list[Endpoint]] = {}
    for answer in answers:
        for transfer in answer.received:
            returned.setdefault(_plain(transfer), []).append(answer.endpoint)
    found = []
    for transfer, endpoints in returned.items():
        readers = [
            each.endpoint
            for each in answers
            if each.read is not None and each.read.first <= transfer.block.number <= each.read.last
        ]
        numbers = tuple(each.number for each in endpoints)
        disputed = any(each.number not in numbers for each in readers)
        found.append(Inflow(transfer=transfer, endpoints=numbers, disputed=disputed))
    return in_order(found)


def in_order(inflows: Sequence[Inflow]) -> list[Inflow]:
    return sorted(inflows, key=lambda each: (each.transfer.position, str(each.transfer.block.hash)))


def _plain(transfer: Transfer) -> Transfer:
    """Two endpoints' words for one event are equal, whether or not they named the block's parent."""
    return replace(transfer, block=replace(transfer.block, parent_hash=None))


def with_executions(
    inflows: Sequence[Inflow], *, executions: Mapping[Hash32, Execution], account: Address
) -> list[Inflow]:
    """Each with the origin of what was passed on, and with the inflows that only a receipt holds."""
    block_of = {each.transfer.tx_hash: each.transfer for each in inflows}
    told = {_identity(each.transfer) for each in inflows}
    found = []
    for each in inflows:
        execution = executions.get(each.transfer.tx_hash)
        found.append(each if execution is None else _looked_into(each, execution))
    for tx_hash, execution in executions.items():
        model = block_of[tx_hash]
        for log in execution.logs:
            # The chain's own logs of its coin are no transfers that an endpoint would be asked for.
            if log.kind is not LogKind.TOKEN or log.recipient != account or log.sender is None:
                continue
            left_out = replace(
                model,
                log_index=log.raw.log_index,
                contract=log.raw.contract,
                sender=log.sender,
                amount_units=log.amount_units or 0,
            )
            if execution.block_hash == model.block.hash and _identity(left_out) not in told:
                only = Inflow(transfer=left_out, endpoints=(), disputed=True)
                found.append(_looked_into(only, execution))
    return in_order(found)


def _identity(transfer: Transfer) -> tuple[object, ...]:
    """The event and what it says. Two endpoints that say different things of one event are both told."""
    return (transfer.id, transfer.contract, transfer.sender, transfer.recipient, transfer.amount_units)


def _looked_into(inflow: Inflow, execution: Execution) -> Inflow:
    transfer = inflow.transfer
    leg = Movement(
        asset=asset_of(transfer),
        sender=transfer.sender,
        recipient=transfer.recipient,
        amount_units=transfer.amount_units,
        log_index=transfer.log_index,
    )
    movements = movements_of(execution, chain=transfer.chain)
    behind = origins(movements, leg=leg) if transfer.amount_units else None
    # eth_getLogs and the receipt have to tell the same event.
    disputed = inflow.disputed or leg not in movements or execution.block_hash != transfer.block.hash
    return replace(inflow, origins=behind, disputed=disputed, signer=execution.transaction.sender)


def flagged(inflows: Sequence[Inflow], *, known: Known) -> list[Inflow]:
    return [
        replace(each, flags=tuple(_flags(each, known)), differs=tuple(_differs(each, known)))
        for each in inflows
    ]


def _flags(inflow: Inflow, known: Known) -> list[Flag]:
    transfer, wanted = inflow.transfer, known.criteria
    alike = {known.account} | ({wanted.sender} if wanted.sender is not None else set())
    is_own = transfer.sender == transfer.recipient
    seen = {
        Flag.ZERO_VALUE: transfer.amount_units == 0,
        Flag.INTERNAL: is_own,
        Flag.MINT: transfer.sender == ZERO_ADDRESS,
        Flag.LOOK_ALIKE: not is_own and resembles(transfer.sender, alike),
        Flag.PASS_THROUGH: inflow.origins is not None,
        Flag.UNKNOWN_PAYER: wanted.sender is not None and not _is_from(wanted.sender, inflow),
        Flag.OTHER_ASSET: wanted.token is not None and asset_of(transfer) != wanted.token,
        Flag.UNREGISTERED_ASSET: known.knows_registry and not _is_known(asset_of(transfer), known),
        Flag.FAKE_TOKEN: _copies_symbol(asset_of(transfer), known),
        Flag.REFUNDED: not is_own and any(_goes_back(each, transfer) for each in known.sent),
    }
    return [flag for flag, holds in seen.items() if holds]


def _differs(inflow: Inflow, known: Known) -> list[Differs]:
    transfer, wanted = inflow.transfer, known.criteria
    token = known.tokens.get(asset_of(transfer))
    decimals = None if token is None else token.decimals
    found = {
        Differs.SENDER: wanted.sender is not None and not _is_from(wanted.sender, inflow),
        Differs.TOKEN: wanted.token is not None and asset_of(transfer) != wanted.token,
        Differs.AMOUNT: wanted.amount is not None
        and decimals is not None
        and not _is_amount(wanted.amount, transfer, decimals=decimals),
        Differs.AMOUNT_UNREAD: wanted.amount is not None and decimals is None,
    }
    return [each for each, differs in found.items() if differs]


def _is_from(sender: Address, inflow: Inflow) -> bool:
    """Directly, or as the one behind a contract that passed it on in the same transaction."""
    behind: Origins | None = inflow.origins
    return inflow.transfer.sender == sender or (behind is not None and sender in behind.accounts)


def _is_amount(text: str, transfer: Transfer, *, decimals: int) -> bool:
    try:
        return parse_units(text, decimals=decimals) == transfer.amount_units
    except AmountError:
        return False


def _is_known(asset: AssetId, known: Known) -> bool:
    token = known.tokens.get(asset)
    return asset == known.criteria.token or (token is not None and token.registered)


def _copies_symbol(asset: AssetId, known: Known) -> bool:
    """Another contract under the symbol of the token that was asked for, or of a registered one."""
    token = known.tokens.get(asset)
    if token is None or token.symbol is None or _is_known(asset, known):
        return False
    return any(
        each.symbol is not None and same_symbol(token.symbol, each.symbol)
        for other, each in known.tokens.items()
        if other != asset and _is_known(other, known)
    )


def _goes_back(sent: Transfer, inflow: Transfer) -> bool:
    return (
        sent.recipient == inflow.sender
        and asset_of(sent) == asset_of(inflow)
        and sent.amount_units > 0
        and sent.position > inflow.position
    )
