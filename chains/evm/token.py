"""What a token contract says about itself at one block, and what of it can be relied on.

Symbol and name are whatever its author liked: they are cut, cleaned and never used as an identity. Only
decimals, code and proxy implementation matter later. It knows no registry and no debt.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from chains.errors import BadAnswer, RpcError
from chains.evm import encoding
from chains.evm.client import EvmClient
from chains.evm.encoding import BadEncoding
from chains.types import Address, BlockRef, Hash32

SYMBOL_CHARS_MAX = 32
NAME_CHARS_MAX = 64
# 10**77 is the last power of ten that fits in a uint256.
DECIMALS_MAX = 77

# Where proxies keep their implementation: EIP-1967, and the older place that USDC still uses.
_IMPLEMENTATION_SLOTS = (
    (int.from_bytes(keccak(b"eip1967.proxy.implementation"), "big") - 1).to_bytes(32, "big"),
    keccak(b"org.zeppelinos.proxy.implementation"),
)
# Clients word it differently when the called code failed; every other error is the node's own.
_CODE_FAILED = re.compile(
    r"revert|invalid opcode|opcode .*not|out of ?gas|bad instruction|bad jump|invalid jump"
    r"|stack (?:under|over)flow|EVM error|vm execution error",
    re.IGNORECASE,
)
_REVERTED = 3
# "Invalid params", and Ganache's word for them: the node does not take a block's hash in place of a number.
_BAD_PARAMS = frozenset({-32602, -32700})

# A block as eth_call and its kin take it: by hash (EIP-1898), or by number.
At = dict[str, Any] | str


class Unfit(StrEnum):
    """Why amounts of this token can't be shown or counted reliably."""

    NO_CODE = "no-code"
    NO_DECIMALS = "no-decimals"
    DECIMALS_OUT_OF_RANGE = "decimals-out-of-range"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """A contract's answers at one block. `code_hash` is the keccak-256 of its code, None without code."""

    symbol: str | None
    name: str | None
    decimals: int | None
    code_hash: Hash32 | None
    implementation: Address | None
    implementation_code_hash: Hash32 | None
    unfit_for: tuple[str, ...]


def read_token(client: EvmClient, contract: Address, block: BlockRef) -> TokenFacts:
    """Ask the contract at exactly this block, by its hash (EIP-1898). Raises a NodeError.

    A node that knows no such hashes is asked by number, and has to have the same block there afterwards.
    """
    try:
        return _read_at(client, contract, {"blockHash": str(block.hash), "requireCanonical": True})
    except RpcError as error:
        if error.code not in _BAD_PARAMS or error.method_is_missing:
            raise
    facts = _read_at(client, contract, encoding.to_quantity(block.number))
    if client.block(block.number).hash != block.hash:
        detail = f"replaced block {block.number} while a contract was asked at it"
        raise BadAnswer(node=client.rpc.node, detail=detail)
    return facts


def _read_at(client: EvmClient, contract: Address, at: At) -> TokenFacts:
    code = _data(client, "eth_getCode", [str(contract), at])
    if not code:
        return TokenFacts(
            symbol=None,
            name=None,
            decimals=None,
            code_hash=None,
            implementation=None,
            implementation_code_hash=None,
            unfit_for=(Unfit.NO_CODE,),
        )
    decimals, unfit = _read_decimals(_ask(client, contract, "decimals()", at))
    implementation = _implementation(client, contract, at)
    return TokenFacts(
        symbol=read_text(_ask(client, contract, "symbol()", at), chars_max=SYMBOL_CHARS_MAX),
        name=read_text(_ask(client, contract, "name()", at), chars_max=NAME_CHARS_MAX),
        decimals=decimals,
        code_hash=Hash32(keccak(code)),
        implementation=implementation,
        implementation_code_hash=None if implementation is None else _code_hash(client, implementation, at),
        unfit_for=unfit,
    )


def read_text(returned: bytes | None, *, chars_max: int) -> str | None:
    """A `string`, or a `bytes32` as early tokens have it; cleaned and cut. None if it is neither."""
    if returned is None:
        return None
    if len(returned) == 32:
        raw = returned.rstrip(b"\0")
    else:
        try:
            # As bytes: eth_abi would refuse a whole name for one byte that is not UTF-8.
            (raw,) = decode(["bytes"], returned)
        except (DecodingError, OverflowError):
            return None
    # More bytes than the longest text that could survive need not be looked at.
    return clean_text(raw[: chars_max * 64].decode("utf-8", "ignore"), chars_max=chars_max)


def clean_text(text: str, *, chars_max: int) -> str | None:
    """Without control, bidirectional, private and unassigned characters; blanks joined; cut with an ellipsis.

    Letters that look alike stay: no cleaning can tell them apart, which is why a symbol is no identity.
    """
    kept = "".join(char for char in text if char.isspace() or unicodedata.category(char)[0] not in "CZ")
    joined = " ".join(kept.split())
    if len(joined) > chars_max:
        joined = joined[: chars_max - 1].rstrip() + "…"
    return joined or None


def _read_decimals(returned: bytes | None) -> tuple[int | None, tuple[str, ...]]:
    if returned is None or len(returned) != 32:
        return None, (Unfit.NO_DECIMALS,)
    decimals = int.from_bytes(returned, "big")
    return (decimals, ()) if decimals <= DECIMALS_MAX else (None, (Unfit.DECIMALS_OUT_OF_RANGE,))


def _ask(client: EvmClient, contract: Address, signature: str, at: At) -> bytes | None:
    """What a function without arguments returns; None where the contract has none such, or it fails.

    A node that can't answer raises: its silence is not the contract's.
    """
    call = {"to": str(contract), "data": "0x" + keccak(signature.encode("ascii"))[:4].hex()}
    try:
        return _data(client, "eth_call", [call, at]) or None
    except RpcError as error:
        if error.code == _REVERTED or _CODE_FAILED.search(error.message) is not None:
            return None
        raise


def _code_hash(client: EvmClient, contract: Address, at: At) -> Hash32:
    return Hash32(keccak(_data(client, "eth_getCode", [str(contract), at])))


def _implementation(client: EvmClient, contract: Address, at: At) -> Address | None:
    for slot in _IMPLEMENTATION_SLOTS:
        value = _data(client, "eth_getStorageAt", [str(contract), "0x" + slot.hex(), at])
        # A value wider than an address is something else that this contract keeps there.
        if len(value) == 32 and any(value) and not any(value[:12]):
            return Address(value[12:])
    return None


def _data(client: EvmClient, method: str, params: list[Any]) -> bytes:
    answer = client.rpc.call(method, params)
    try:
        return encoding.data(answer.result)
    except BadEncoding as error:
        raise BadAnswer(node=client.rpc.node, detail=f"{method}: {error}") from error
