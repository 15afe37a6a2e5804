"""CAIP ids with EIP-55 checksummed addresses, for the doors: what people type, and what they read.

https://eips.ethereum.org/EIPS/eip-55. Inside, addresses are bytes and their text is lower case.
"""

from __future__ import annotations

from eth_hash.auto import keccak

from chains.errors import BadIdentifier
from chains.types import ZERO_ADDRESS, AccountId, Address, AssetId


def checksummed(address: Address) -> str:
    """The address with the capital letters of EIP-55: a hex digit's hash digit of 8 or more raises it."""
    digits = address.hex()
    marks = keccak(digits.encode("ascii")).hex()
    cased = (digit.upper() if mark >= "8" else digit for digit, mark in zip(digits, marks, strict=False))
    return "0x" + "".join(cased)


def parse_checksummed(text: str) -> Address:
    """Only the EIP-55 form. For other casing, BadIdentifier suggests it: compare before you take it over."""
    address = Address.parse(text)
    right = checksummed(address)
    if text != right:
        msg = f"the address {text} does not have the EIP-55 checksum; a typing error can't be ruled out"
        raise BadIdentifier(msg, suggestion=right)
    return address


def parse_account(text: str) -> AccountId:
    """A CAIP-10 id with a checksummed address that somebody can own."""
    account = AccountId.parse(text)
    if account.address == ZERO_ADDRESS:
        msg = "the zero address is nobody's account"
        raise BadIdentifier(msg)
    _demand(text, format_account(account))
    return account


def parse_asset(text: str) -> AssetId:
    """A CAIP-19 id; the contract of a token with its checksum."""
    asset = AssetId.parse(text)
    if asset.contract == ZERO_ADDRESS:
        msg = "the zero address is no token contract"
        raise BadIdentifier(msg)
    _demand(text, format_asset(asset))
    return asset


def format_account(account: AccountId) -> str:
    return f"{account.chain}:{checksummed(account.address)}"


def format_asset(asset: AssetId) -> str:
    if asset.contract is None:
        return str(asset)
    return f"{asset.chain}/erc20:{checksummed(asset.contract)}"


def _demand(text: str, right: str) -> None:
    if text != right:
        msg = f"the address in {text} does not have the EIP-55 checksum; a typing error can't be ruled out"
        raise BadIdentifier(msg, suggestion=right)
