"""Full blocks and receipts as a node answers them, and the moves of the native coin that they show: pure.

Standard library only. A block's transactions say what value they carried, their receipts whether it moved;
what contracts passed on inside is the business of `chains.evm.traces`. It believes nothing: a transaction of
another block, or a receipt of another transaction, is an error.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from chains.errors import ChainError
from chains.evm import encoding
from chains.evm.blocks import parse_block
from chains.evm.encoding import BadEncoding
from chains.movements import (
    NO_TRANSACTION_INDEX,
    NativeKind,
    NativeTransfer,
    Tender,
    TenderKind,
)
from chains.types import UINT256_MAX, ZERO_ADDRESS, Address, BlockRef, ChainId, Hash32

BLOCK_METHOD = "eth_getBlockByNumber"
# More than any block holds: some chains reach a few thousand.
TRANSACTIONS_MAX = 100_000
_WEI_PER_GWEI = 10**9
_GAS_MAX = 2**64 - 1

# transfer(address,uint256) and transferFrom(address,address,uint256): at which word the recipient stands.
_TOKEN_CALLS = {bytes.fromhex("a9059cbb"): 0, bytes.fromhex("23b872dd"): 1}


class MalformedFullBlock(ChainError):
    """An answer that is no full block, or no receipt, of what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCall:
    """What `transfer` or `transferFrom` was asked to move, and to whom."""

    recipient: Address
    amount_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """`to` None creates a contract. `mint_units` is what a deposit on the OP stack brings from below."""

    hash: Hash32
    index: int
    sender: Address
    to: Address | None
    value_units: int
    token_call: TokenCall | None
    mint_units: int
    # What may have no trace: the transaction by which Polygon's producers report its state syncs.
    is_bookkeeping: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A credit of EIP-4895, which no transaction brings. `index` counts over the whole chain."""

    index: int
    recipient: Address
    amount_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FullBlock:
    block: BlockRef
    transactions: tuple[Transaction, ...]
    withdrawals: tuple[Withdrawal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Whether a transaction did what it says, what its sender paid for it, and what it created."""

    tx_hash: Hash32
    succeeded: bool
    fee_units: int
    contract: Address | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopLevel:
    """What a block's own transactions and credits moved from or to the accounts, in the block's order."""

    transfers: tuple[NativeTransfer, ...]
    tenders: tuple[Tender, ...]


def parse_full_block(result: Any, *, expected_number: int) -> FullBlock:
    """The answer of eth_getBlockByNumber(…, true). Raises what `parse_block` does, or MalformedFullBlock."""
    block = parse_block(result, expected_number=expected_number)
    entries = result.get("transactions")
    if not isinstance(entries, list) or len(entries) > TRANSACTIONS_MAX:
        msg = f"block {block.number}: its transactions are not an array of a possible length"
        raise MalformedFullBlock(msg)
    # Chains without EIP-4895 leave the field out.
    withdrawals = result.get("withdrawals") or []
    try:
        return FullBlock(
            block=block,
            transactions=tuple(_transaction(entry, at=at, block=block) for at, entry in enumerate(entries)),
            withdrawals=tuple(_withdrawal(entry) for entry in withdrawals),
        )
    except (BadEncoding, TypeError, KeyError) as error:
        msg = f"block {block.number}: {error}"
        raise MalformedFullBlock(msg) from error


def parse_receipt(result: Any, *, transaction: Transaction, block: BlockRef) -> Receipt:
    """The answer of eth_getTransactionReceipt. Raises MalformedFullBlock, also for null.

    Receipts from before Byzantium have no status. Nobody can then tell a payment from a failed attempt
    without tracing, so that they are refused and their blocks stay a gap.
    """
    what = f"the receipt of transaction {transaction.hash}"
    if not isinstance(result, Mapping):
        msg = f"{what} is {encoding.shown(result)}, though block {block.number} holds the transaction"
        raise MalformedFullBlock(msg)
    try:
        told = encoding.hash32(result["transactionHash"]), encoding.hash32(result["blockHash"])
        status = encoding.quantity(result["status"], most=1)
        created = result.get("contractAddress")
        contract = None if created is None else encoding.address(created)
        fee = _fee(result)
    except (BadEncoding, KeyError) as error:
        msg = f"{what}: {error if isinstance(error, BadEncoding) else f'no {error.args[0]}'}"
        raise MalformedFullBlock(msg) from error
    if told != (transaction.hash, block.hash):
        msg = f"{what} in block {block.hash} was asked for, that of {told[0]} in {told[1]} was answered"
        raise MalformedFullBlock(msg)
    return Receipt(tx_hash=transaction.hash, succeeded=status == 1, fee_units=fee, contract=contract)


def transactions_of_interest(
    full: FullBlock, accounts: Collection[Address], *, with_senders: bool = False
) -> list[Transaction]:
    """Those whose receipts decide what moved or was tried. `with_senders`: also all that accounts sent."""
    return [
        each
        for each in full.transactions
        if (each.value_units and (each.to is None or each.to in accounts or each.sender in accounts))
        or (each.token_call is not None and each.token_call.recipient in accounts)
        or (with_senders and each.sender in accounts)
    ]


def top_level(
    full: FullBlock,
    *,
    chain: ChainId,
    accounts: Collection[Address],
    receipts: Mapping[Hash32, Receipt],
    reasons: Mapping[Hash32, str],
) -> TopLevel:
    """What the block's transactions and credits moved, or tried to move, from or to the accounts.

    `receipts` holds those of `transactions_of_interest`; `reasons` says why a transaction failed, as far as
    somebody traced it.
    """
    transfers: list[NativeTransfer] = []
    tenders: list[Tender] = []
    for each in full.transactions:
        if each.mint_units and each.sender in accounts:
            transfers.append(_mint(each, chain=chain, block=full.block))
        receipt = receipts.get(each.hash)
        if receipt is None:
            continue
        if receipt.succeeded:
            transfers += _value(each, chain=chain, block=full.block, receipt=receipt, accounts=accounts)
        else:
            reason = reasons.get(each.hash, "status 0")
            tenders += _tenders(each, chain=chain, block=full.block, accounts=accounts, reason=reason)
    transfers += [
        _credit(each, chain=chain, block=full.block)
        for each in full.withdrawals
        if each.recipient in accounts and each.amount_units
    ]
    return TopLevel(transfers=tuple(transfers), tenders=tuple(tenders))


def read_token_call(data: bytes) -> TokenCall | None:
    """The recipient and amount of a `transfer` or `transferFrom`; None for any other calldata.

    Bytes behind the arguments are allowed, as contracts allow them.
    """
    at = _TOKEN_CALLS.get(data[:4])
    if at is None:
        return None
    recipient, amount = data[4 + 32 * at : 36 + 32 * at], data[36 + 32 * at : 68 + 32 * at]
    if len(amount) != 32 or any(recipient[:12]):
        return None
    return TokenCall(recipient=Address(recipient[12:]), amount_units=int.from_bytes(amount, "big"))


def _transaction(entry: Any, *, at: int, block: BlockRef) -> Transaction:
    if not isinstance(entry, Mapping):
        msg = f"transaction {at} is {encoding.shown(entry)}, though whole ones were asked for"
        raise BadEncoding(msg)
    index = encoding.quantity(entry["transactionIndex"], most=TRANSACTIONS_MAX)
    if index != at or encoding.hash32(entry["blockHash"]) != block.hash:
        msg = f"transaction {at} says that it is number {index} of block {encoding.shown(entry['blockHash'])}"
        raise BadEncoding(msg)
    sender = encoding.address(entry["from"])
    to = entry.get("to")
    return Transaction(
        hash=encoding.hash32(entry["hash"]),
        index=index,
        sender=sender,
        to=None if to is None else encoding.address(to),
        value_units=encoding.quantity(entry["value"], most=UINT256_MAX),
        token_call=read_token_call(encoding.data(entry["input"])),
        mint_units=encoding.quantity(entry.get("mint") or "0x0", most=UINT256_MAX),
        is_bookkeeping=sender == ZERO_ADDRESS and entry.get("gas") == "0x0",
    )


def _withdrawal(entry: Any) -> Withdrawal:
    gwei = encoding.quantity(entry["amount"], most=2**64 - 1)
    return Withdrawal(
        index=encoding.quantity(entry["index"], most=2**64 - 1),
        recipient=encoding.address(entry["address"]),
        amount_units=gwei * _WEI_PER_GWEI,
    )


def _fee(receipt: Mapping[str, Any]) -> int:
    """Gas, blob gas (EIP-4844), and what an OP-stack chain adds for the chain below."""
    gas = _amount(receipt, "gasUsed", most=_GAS_MAX) * _amount(receipt, "effectiveGasPrice")
    blobs = _amount(receipt, "blobGasUsed", most=_GAS_MAX) * _amount(receipt, "blobGasPrice")
    return gas + blobs + _amount(receipt, "l1Fee")


def _amount(receipt: Mapping[str, Any], field: str, *, most: int = UINT256_MAX) -> int:
    found = receipt.get(field)
    return 0 if found is None else encoding.quantity(found, most=most)


def _value(
    tx: Transaction, *, chain: ChainId, block: BlockRef, receipt: Receipt, accounts: Collection[Address]
) -> list[NativeTransfer]:
    """The transaction's own value, if it has one and an account gives or takes it."""
    recipient = receipt.contract if tx.to is None else tx.to
    if recipient is None:
        msg = f"transaction {tx.hash} created a contract, and its receipt does not say where"
        raise MalformedFullBlock(msg)
    if not tx.value_units or not (tx.sender in accounts or recipient in accounts):
        return []
    return [
        NativeTransfer(
            chain=chain,
            block=block,
            tx_hash=tx.hash,
            tx_index=tx.index,
            trace_path="",
            kind=NativeKind.CREATE if tx.to is None else NativeKind.CALL,
            sender=tx.sender,
            recipient=recipient,
            amount_units=tx.value_units,
            method=BLOCK_METHOD,
        )
    ]


def _mint(tx: Transaction, *, chain: ChainId, block: BlockRef) -> NativeTransfer:
    """A deposit's coins appear at its sender's address, and stay there even if its call fails."""
    return NativeTransfer(
        chain=chain,
        block=block,
        tx_hash=tx.hash,
        tx_index=tx.index,
        trace_path="mint",
        kind=NativeKind.MINT,
        sender=ZERO_ADDRESS,
        recipient=tx.sender,
        amount_units=tx.mint_units,
        method=BLOCK_METHOD,
    )


def _credit(each: Withdrawal, *, chain: ChainId, block: BlockRef) -> NativeTransfer:
    return NativeTransfer(
        chain=chain,
        block=block,
        tx_hash=None,
        tx_index=NO_TRANSACTION_INDEX,
        trace_path=f"withdrawal-{each.index}",
        kind=NativeKind.WITHDRAWAL,
        sender=ZERO_ADDRESS,
        recipient=each.recipient,
        amount_units=each.amount_units,
        method=BLOCK_METHOD,
    )


def _tenders(
    tx: Transaction, *, chain: ChainId, block: BlockRef, accounts: Collection[Address], reason: str
) -> list[Tender]:
    """What the failed transaction would have brought to an account: its value, a token, or both."""
    if tx.to is None:
        return []
    tried: list[tuple[TenderKind, Address | None, Address, int]] = []
    if tx.value_units and tx.to in accounts:
        tried.append((TenderKind.VALUE, None, tx.to, tx.value_units))
    if tx.token_call is not None and tx.token_call.recipient in accounts:
        call = tx.token_call
        tried.append((TenderKind.ERC20_TRANSFER, tx.to, call.recipient, call.amount_units))
    return [
        Tender(
            chain=chain,
            block=block,
            tx_hash=tx.hash,
            tx_index=tx.index,
            sender=tx.sender,
            to=tx.to,
            kind=kind,
            asset_contract=contract,
            recipient=recipient,
            amount_units=amount_units,
            reason=reason,
        )
        for kind, contract, recipient, amount_units in tried
    ]
