"""What the API says of a reading: contradictions and gaps, the stopped chain, and what is not final yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.api.door import AGREED_AT, DAY, Door, Scene, pointers, refused
from tests.api.opening import open_door, open_resources
from tests.support import faulty_proxy as faults
from tests.support.clone import clone_sqlite
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy
from tests.support.token import Token

OTHER_HASH = "0x" + "ab" * 32
PAGES_MAX = 20


@pytest.fixture(scope="module")
def paid(token: Token) -> Token:
    """Three payments that are final, and behind them two in one block that is not."""
    _, creditor, debtor, *_ = token.node.accounts()
    token.node.set_next_block_time(AGREED_AT + DAY)
    for number in range(1, 4):
        token.transfer(sender=debtor, to=creditor, units=number)
        token.node.mine(2)
    token.node.set_automine(enabled=False)
    for number in range(4, 6):
        token.transfer(sender=debtor, to=creditor, units=number)
    token.node.call("evm_mine")
    token.node.set_automine(enabled=True)
    return token


@pytest.fixture(scope="module")
def proxies(paid: Token) -> Iterator[tuple[FaultyProxy, FaultyProxy]]:
    with ExitStack() as stack:
        one, two = (stack.enter_context(faulty_proxy(paid.node)) for _ in range(2))
        yield one, two


@pytest.fixture(autouse=True)
def healed(proxies: tuple[FaultyProxy, FaultyProxy]) -> Iterator[None]:
    yield
    for proxy in proxies:
        proxy.heal()


@pytest.fixture
def scene(
    sqlite_template: str, tmp_path: Path, paid: Token, proxies: tuple[FaultyProxy, FaultyProxy]
) -> Iterator[Scene]:
    """Parties and a debt; nothing is read yet."""
    url = clone_sqlite(sqlite_template, folder=tmp_path)
    allowed = [f"127.0.0.1:{proxy.port}" for proxy in proxies]
    with (
        open_resources(url, folder=tmp_path, token=paid, also_allow=allowed) as resources,
        open_door(resources, token=paid) as door,
    ):
        scene = Scene(door=door, parties=door.set_up())
        door.post("/v1/debts", scene.debt_body())
        yield scene


def through(door: Door, *proxies: FaultyProxy, agreement: int = 1) -> None:
    body = door.chain_body(rpc_urls=[proxy.url for proxy in proxies], agreement=agreement)
    answer = door.client.put(f"/v1/chains/{door.chain}", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["agreement"] == agreement


def creditor(door: Door) -> str:
    return door.account(door.token.node.accounts()[1])


def test_more_to_agree_than_there_are(scene: Scene, proxies: tuple[FaultyProxy, FaultyProxy]) -> None:
    door = scene.door
    urls = [proxy.url for proxy in proxies]
    for agreement in (3, 10):
        body = door.chain_body(rpc_urls=urls, agreement=agreement)
        problem = refused(door.client.put(f"/v1/chains/{door.chain}", json=body), status=422)
        assert pointers(problem) == ["/agreement"]
    for no_number in (0, -1, 11, "two"):
        body = door.chain_body(rpc_urls=urls, agreement=no_number)
        problem = refused(door.client.put(f"/v1/chains/{door.chain}", json=body), status=422)
        assert pointers(problem) == ["/agreement"]
    assert door.get(f"/v1/chains/{door.chain}")["agreement"] == 1


def test_a_contradiction_is_shown(scene: Scene, proxies: tuple[FaultyProxy, FaultyProxy]) -> None:
    door = scene.door
    through(door, *proxies, agreement=2)
    proxies[1].fail(faults.hidden_log)
    assert door.read().failure is not None
    found = door.get("/v1/coverage", chain=door.chain, account=creditor(door))
    # The nodes contradict each other on tokens alone: the coin is read, apart from them.
    assert {each["kind"] for each in found["ranges"]} == {"native"}
    (gap,) = found["gaps"]
    assert gap["reason"] == "answers about these blocks contradict each other"
    assert gap["kind"] == "erc20"
    (difference,) = found["disagreements"]
    assert gap["first_block"] <= difference["first_block"] <= difference["last_block"] <= gap["last_block"]
    assert difference["kind"] == "logs"
    assert {side["node"] for side in difference["answers"]} == {proxy.url for proxy in proxies}
    assert all(len(side["sha256"]) == 64 and side["size"] > 0 for side in difference["answers"])
    chain = door.get(f"/v1/chains/{door.chain}")
    assert (chain["state"], chain["agreement"], chain["disagreements"]) == ("reading", 2, 1)
    assert chain["read_through"] is None
    (debt,) = door.get("/v1/debts")["items"]
    assessment = door.get(f"/v1/debts/{debt['id']}/assessment")
    assert assessment["result"] == "UNDETERMINED"
    proxies[1].heal()
    assert door.read().failure is None
    healed = door.get("/v1/coverage", chain=door.chain, account=creditor(door))
    assert healed["gaps"] == []
    of_tokens = [each for each in healed["ranges"] if each["kind"] == "erc20"]
    assert {tuple(sorted(each["nodes"])) for each in of_tokens} == {
        tuple(sorted(proxy.url for proxy in proxies))
    }
    assert healed["disagreements"] == found["disagreements"]


def test_a_node_that_fails_is_named(scene: Scene, proxies: tuple[FaultyProxy, FaultyProxy]) -> None:
    door = scene.door
    through(door, *proxies, agreement=2)
    proxies[1].fail(faults.status(500))
    report = door.read()
    assert report.failure is not None
    assert "1 of the 2 nodes that have to agree" in report.failure
    chain = door.get(f"/v1/chains/{door.chain}")
    assert [node["error"] is None for node in chain["nodes"]] == [True, False]
    gaps = door.get("/v1/coverage", chain=door.chain, account=creditor(door))["gaps"]
    assert [gap["kind"] for gap in gaps] == ["erc20", "native"]
    for gap in gaps:
        assert "HTTP status 500" in gap["reason"] or "not final yet" in gap["reason"]


def test_a_stopped_chain_says_so(scene: Scene, proxies: tuple[FaultyProxy, FaultyProxy]) -> None:
    door = scene.door
    through(door, proxies[0])
    assert door.read().failure is None
    assert door.get(f"/v1/chains/{door.chain}")["stopped"] is None
    proxies[0].fail(
        faults.altered_result("eth_getBlockByNumber", lambda block: {**block, "hash": OTHER_HASH})
    )
    assert door.read().failure is not None
    chain = door.get(f"/v1/chains/{door.chain}")
    assert chain["state"] == "stopped"
    assert "though it was final" in chain["stopped"]["reason"]
    assert chain["stopped"]["at"].endswith("Z")
    assert chain["nodes"][0]["error"] is not None
    proxies[0].heal()
    assert door.read().failure is None
    chain = door.get(f"/v1/chains/{door.chain}")
    assert (chain["state"], chain["stopped"], chain["disagreements"]) == ("reading", None, 1)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 50])
def test_transfers_that_are_not_final_come_last_and_say_so(scene: Scene, limit: int) -> None:
    """Page by page over both kinds: each once, in the order of the chain."""
    door = scene.door
    assert door.read().failure is None
    items = []
    query: dict[str, str | int] = {"account": creditor(door), "limit": limit}
    for _ in range(PAGES_MAX):
        page = door.get("/v1/transfers", **query)
        items += page["items"]
        if "cursor" not in page:
            break
        query["cursor"] = page["cursor"]
    assert [each["amount"] for each in items] == [f"0.00000{number}" for number in range(1, 6)]
    assert [each["final"] for each in items] == [True] * 3 + [False] * 2
    assert len({each["id"] for each in items}) == 5


def test_what_is_not_final_obeys_the_filters(scene: Scene) -> None:
    door = scene.door
    assert door.read().failure is None
    head = door.token.node.block().number
    newest = door.get("/v1/transfers", account=creditor(door), from_block=head)["items"]
    assert [each["final"] for each in newest] == [False, False]
    older = door.get("/v1/transfers", account=creditor(door), to_block=head - 1)["items"]
    assert [each["final"] for each in older] == [True] * 3
    assert door.get("/v1/transfers", account=creditor(door), asset=door.asset)["items"][3]["final"] is False


def test_what_is_not_final_is_not_assessed(scene: Scene) -> None:
    door = scene.door
    assert door.read().failure is None
    (debt,) = door.get("/v1/debts")["items"]
    assessment = door.get(f"/v1/debts/{debt['id']}/assessment")
    assert assessment["result"] == "PARTIAL"
    assert (assessment["applied_units"], assessment["candidates_total"]) == ("6", 0)
    assert [each["final"] for each in door.get("/v1/transfers", account=creditor(door))["items"]].count(
        False
    ) == 2
