"""Ids at the doors carry the EIP-55 checksum, and a wrong one is answered with the right one."""

from __future__ import annotations

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import BadIdentifier
from chains.evm.checksum import (
    checksummed,
    format_account,
    format_asset,
    parse_account,
    parse_asset,
    parse_checksummed,
)
from chains.types import AccountId, Address, AssetId, ChainId

# The examples of EIP-55.
EXAMPLES = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]
USDC = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"

addresses = st.binary(min_size=20, max_size=20).map(Address)
chains = st.integers(1, 2**63 - 1).map(ChainId)


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_standard(text: str) -> None:
    assert checksummed(Address.parse(text)) == text
    assert parse_checksummed(text) == Address.parse(text)


@given(addresses)
def test_it_agrees_with_eth_utils(address: Address) -> None:
    assert checksummed(address) == to_checksum_address(bytes(address))


@pytest.mark.parametrize("wrong", [USDC.lower(), "0x" + USDC[2:].upper(), USDC.replace("A", "a", 1)])
def test_a_wrong_checksum_is_answered_with_the_right_one(wrong: str) -> None:
    with pytest.raises(BadIdentifier) as caught:
        parse_checksummed(wrong)
    assert caught.value.suggestion == USDC
    with pytest.raises(BadIdentifier) as caught:
        parse_account(f"eip155:1:{wrong}")
    assert caught.value.suggestion == f"eip155:1:{USDC}"
    with pytest.raises(BadIdentifier) as caught:
        parse_asset(f"eip155:1/erc20:{wrong}")
    assert caught.value.suggestion == f"eip155:1/erc20:{USDC}"


@given(chains, addresses.filter(any), st.integers(0, 2**31 - 1))
def test_ids_are_read_back(chain: ChainId, address: Address, slip44: int) -> None:
    account = AccountId(chain, address)
    assert parse_account(format_account(account)) == account
    for asset in (AssetId(chain, address), AssetId(chain, None, slip44)):
        assert parse_asset(format_asset(asset)) == asset


BAD_ACCOUNTS = [
    "",
    USDC,
    f"1:{USDC}",
    f"eip155:0:{USDC}",
    f"eip155:01:{USDC}",
    f"eip155:-1:{USDC}",
    f"eip155::{USDC}",
    f"eip155:1:{USDC} ",
    f"eip155:1:{USDC[2:]}",
    f"eip155:1:{USDC[:-1]}",
    f"eip155:1:{USDC}0",
    f"eip155:1:0X{USDC[2:]}",
    f"EIP155:1:{USDC}",
    f"eip155:{2**63}:{USDC}",
    f"eip155:1:1:{USDC}",
    f"solana:1:{USDC}",
    f"eip155:\u0661:{USDC}",
    "eip155:1:vitalik.eth",
    "eip155:1:0x" + "00" * 20,
]
BAD_ASSETS = [
    "",
    f"eip155:1:{USDC}",
    f"eip155:1/erc721:{USDC}",
    f"eip155:1/erc20:{USDC}/1",
    f"eip155:1/erc20:{USDC}\n",
    "eip155:1/erc20:",
    "eip155:1/erc20:0x" + "00" * 20,
    "eip155:1/slip44:",
    "eip155:1/slip44:060",
    "eip155:1/slip44:-1",
    "eip155:1/slip44:99999999999",
    "eip155:1/slip44:60 ",
    "/slip44:60",
]


@pytest.mark.parametrize("text", BAD_ACCOUNTS)
def test_what_is_no_account(text: str) -> None:
    with pytest.raises(BadIdentifier):
        parse_account(text)


@pytest.mark.parametrize("text", BAD_ASSETS)
def test_what_is_no_asset(text: str) -> None:
    with pytest.raises(BadIdentifier):
        parse_asset(text)


@given(st.text(max_size=80))
def test_any_text_is_refused_by_name(text: str) -> None:
    for parse in (parse_account, parse_asset, parse_checksummed):
        with pytest.raises(BadIdentifier):
            parse(text)
