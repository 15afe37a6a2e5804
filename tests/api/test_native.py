"""The native coin at the door: moves among the transfers, failed attempts, and what was not seen."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from app.api.fields import CHECKSUMMED
from tests.api.door import AGREED_AT, DAY, Door, Scene, accepted, bearing, pointers, refused
from tests.support.moves import build
from tests.support.token import calldata


@pytest.fixture
def fresh(both: Door) -> Iterator[Scene]:
    """On both databases; what a test does on the chain is taken back."""
    snapshot = both.token.node.snapshot()
    yield Scene(door=both, parties=both.set_up())
    both.token.node.set_automine(enabled=True)
    both.token.node.revert(snapshot)


@pytest.fixture
def played(fresh: Scene) -> Scene:
    """A token payment, one in the coin and one through a contract in one block; then one that fails."""
    door = fresh.door
    node = door.token.node
    issuer, creditor, debtor, stranger, *_ = node.accounts()
    machine = build(node, by=issuer)
    door.post("/v1/debts", fresh.debt_body())
    node.set_next_block_time(AGREED_AT + DAY)
    door.token.mint(to=creditor, units=10**6)
    node.set_automine(enabled=False)
    node.send_transaction(sender=debtor, to=creditor, value=5 * 10**17)
    machine.through(machine.relay, sender=stranger, to=creditor, wei=7)
    door.token.transfer(sender=debtor, to=creditor, units=3 * 10**6)
    node.call("evm_mine")
    node.set_automine(enabled=True)
    failing = calldata("transfer(address,uint256)", creditor, 10**30)
    node.send_transaction(sender=debtor, to=door.token.address, data=failing, may_revert=True)
    node.mine(3)
    report = door.read()
    assert (report.failure, report.native_failure) == (None, None)
    return fresh


def transfers_of(scene: Scene, **query: Any) -> list[dict[str, Any]]:
    """All pages, each of so many as `limit` says."""
    door, found = scene.door, []
    account = door.account(door.token.node.accounts()[1])
    for _ in range(20):
        answer = door.get("/v1/transfers", account=account, **query)
        found += answer["items"]
        if "cursor" not in answer:
            return found
        query["cursor"] = answer["cursor"]
    msg = "the list has no end"
    raise AssertionError(msg)


def test_moves_of_the_coin_stand_among_the_transfers(played: Scene) -> None:
    minted, token, coin, inner = transfers_of(played)
    assert minted["flags"] == ["mint"]
    assert token["log_index"] is not None
    assert token["flags"] == []
    assert coin["asset"] == f"{played.door.chain}/slip44:60"
    assert (coin["amount"], coin["amount_units"]) == ("0.5", str(5 * 10**17))
    assert (coin["trace_path"], coin["flags"]) == ("", ["unregistered-asset", "top-level"])
    assert coin["id"] == f"{played.door.chain}:{coin['tx_hash']}:"
    assert (inner["trace_path"], inner["amount_units"]) == ("0", "7")
    assert inner["flags"] == ["unregistered-asset", "internal-move"]
    assert token["block_hash"] == coin["block_hash"] == inner["block_hash"]
    assert all(each["final"] for each in (minted, token, coin, inner))
    assert "log_index" not in coin
    assert "trace_path" not in token


def test_every_page_size_gives_the_same_list(played: Scene) -> None:
    whole = transfers_of(played)
    for limit in (1, 2, 3, 4):
        assert transfers_of(played, limit=limit) == whole


def test_one_asset_alone(played: Scene) -> None:
    coin = f"{played.door.chain}/slip44:60"
    assert [each["amount_units"] for each in transfers_of(played, asset=coin)] == [str(5 * 10**17), "7"]
    tokens = transfers_of(played, asset=played.door.asset)
    assert [each["amount"] for each in tokens] == ["1", "3"]


def test_a_cursor_that_no_list_has_given(played: Scene) -> None:
    door = played.door
    account = door.account(door.token.node.accounts()[1])
    answer = door.get("/v1/transfers", account=account, limit=3)
    other = base64.urlsafe_b64encode(b'["transfers",1,"0x%s",0,"%s"]' % (b"ab" * 32, b"0" * 32)).decode()
    # The last is of the right form, and names a move that nobody has seen.
    for cursor in (answer["cursor"][:-4], "abcd", other.rstrip("=")):
        problem = refused(
            door.client.get("/v1/transfers", params={"account": account, "cursor": cursor}), status=422
        )
        assert pointers(problem) == ["?cursor"]


def test_the_coin_once_registered_is_no_unknown_asset(played: Scene) -> None:
    asset = f"{played.door.chain}/slip44:60"
    played.door.post("/v1/assets", {"asset": asset})
    coin, inner = transfers_of(played, asset=asset)
    assert (coin["flags"], inner["flags"]) == (["top-level"], ["internal-move"])


def test_failed_attempts_are_listed(played: Scene) -> None:
    door = played.door
    _, creditor, debtor, *_ = door.token.node.accounts()
    for account in (creditor, debtor):
        (attempt,) = door.get("/v1/tenders", account=door.account(account))["items"]
        assert attempt["kind"] == "erc20-transfer"
        assert (attempt["from"], attempt["to"]) == (
            CHECKSUMMED.address(debtor),
            CHECKSUMMED.address(creditor),
        )
        assert attempt["called"] == CHECKSUMMED.address(door.token.address)
        assert (attempt["asset"], attempt["amount_units"]) == (door.asset, str(10**30))
        assert attempt["reason"]
    answer = door.get("/v1/tenders", account=door.account(creditor), limit=1)
    assert door.get("/v1/tenders", account=door.account(creditor), cursor=answer["cursor"])["items"] == []


def test_nobody_sees_the_attempts_of_others(played: Scene) -> None:
    door = played.door
    account = door.account(door.token.node.accounts()[1])
    other = bearing(door.key_of_another_tenant())
    refused(door.client.get("/v1/tenders", params={"account": account}, headers=other), status=404)


def test_the_coverage_says_how_the_coin_was_read(played: Scene) -> None:
    door = played.door
    account = door.account(door.token.node.accounts()[1])
    coverage = door.get("/v1/coverage", chain=door.chain, account=account)
    kinds = {each["kind"] for each in coverage["ranges"]}
    assert kinds == {"erc20", "native"}
    native = [each for each in coverage["ranges"] if each["kind"] == "native"]
    assert {(each["method"], each["internals"]) for each in native} == {("trace_filter", "read")}
    assert "withdrawals not read" in native[0]["limits"]
    assert native[0]["answers"]
    assert coverage["gaps"] == []
    assert coverage["native_read"] is True


def test_the_operator_may_leave_the_coin_out(fresh: Scene) -> None:
    door = fresh.door
    body = door.chain_body(native={"symbol": "ETH", "decimals": 18, "read": False})
    document = accepted(door.client.put(f"/v1/chains/{door.chain}", json=body), status=200)
    assert document["native"] == {"symbol": "ETH", "decimals": 18, "read": False}
    door.post("/v1/debts", fresh.debt_body())
    node = door.token.node
    node.set_next_block_time(AGREED_AT + DAY)
    node.send_transaction(sender=node.accounts()[2], to=node.accounts()[1], value=5)
    node.mine(3)
    assert door.read().native_failure is None
    assert transfers_of(fresh) == []
    account = door.account(node.accounts()[1])
    assert door.get("/v1/coverage", chain=door.chain, account=account)["native_read"] is False
