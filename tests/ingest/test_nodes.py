"""Several nodes of one chain, and what of their URLs is ever shown: scheme, host and port."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import sqlalchemy as sa
import structlog

from app.assessment.values import Result
from app.db import reading
from app.errors import InvalidInput
from app.ingest.follow import follow_chain
from app.ingest.model import chain_node
from app.ingest.registry import ChainNotReadable, NewChain, check_chain, register_asset
from app.ingest.store.chains import Node, nodes
from app.migrations.models import metadata
from app.resources import Outside
from chains.types import Address, AssetId
from tests.ingest import lies
from tests.ingest.conftest import Proxies
from tests.ingest.judge import demand_truth
from tests.ingest.scene import AGREED_AT, DAY, LIMITS, Scene, covered, egress, stored
from tests.support import faulty_proxy as faults

KEY = "s3cr3tk3y0123456789"
CONFIDED = f"/v3/{KEY}?token=tok{KEY}"


def nodes_of(scene: Scene) -> list[Node]:
    with reading(scene.engine) as connection:
        return nodes(connection, scene.chain.id)


def play(scene: Scene) -> None:
    scene.pay(1, at=AGREED_AT + DAY)
    scene.bury(4)


def test_the_second_reads_when_the_first_is_down(scene: Scene, proxies: Proxies) -> None:
    debt = scene.record_debt()
    play(scene)
    first, second = proxies(), proxies()
    scene = scene.through(first.url, second.url)
    first.go_down()
    report = scene.follow()
    assert (report.failure, report.transfers) == (None, 1)
    assert scene.assess(debt).result is Result.PARTIAL
    down, up = nodes_of(scene)
    assert down.last_error is not None
    assert "no connection" in down.last_error
    assert (down.head_block, down.checked_at) == (None, scene.clock())
    assert (up.last_error, up.head_block) == (None, scene.node.block().number)
    first.listen()
    scene.bury(2)
    # For one pass it comes behind those that did not fail.
    assert scene.follow().failure is None
    scene.bury(2)
    del second.requests[:]
    assert scene.follow().failure is None
    assert not any(b"eth_getLogs" in request for request in second.requests)
    assert nodes_of(scene)[0].last_error is None


def test_both_down_are_both_named(sqlite_scene: Scene, proxies: Proxies) -> None:
    scene = sqlite_scene
    debt = scene.record_debt()
    play(scene)
    first, second = proxies(), proxies()
    scene = scene.through(first.url, second.url)
    first.go_down()
    second.fail(faults.rpc_error(-32000, "disk full"))
    report = scene.follow()
    assert report.failure is not None
    assert first.url in report.failure
    assert second.url in report.failure
    assert "disk full" in report.failure
    assert (report.head_block, report.final_block) == (None, None)
    assert scene.assess(debt).result is Result.UNDETERMINED


def test_what_a_failing_node_brought_is_counted(sqlite_scene: Scene, proxies: Proxies) -> None:
    scene = sqlite_scene
    scene.record_debt()
    for day in range(1, 6):
        scene.pay(day, at=AGREED_AT + day * DAY)
        scene.bury(2)
    first, second = proxies(), proxies()
    capped = faults.capped_range(4, "the block range is limited to 4")
    logs = iter(range(1000))

    def breaks_off(exchange: faults.Exchange) -> None:
        is_late = b"eth_getLogs" in exchange.request and next(logs) > 5
        (faults.status(404) if is_late else capped)(exchange)

    first.fail(breaks_off)
    scene = scene.through(first.url, second.url)
    report = scene.follow()
    assert (report.failure, report.transfers) == (None, 5)
    demand_truth(scene)
    assert len(covered(scene.engine, scene.creditor)) == 1


def test_the_second_does_not_join_another_chain_to_the_first(sqlite_scene: Scene, proxies: Proxies) -> None:
    """After the first node's chain, a replaced one from the second: refused, and the first still reads."""
    scene = sqlite_scene
    scene.record_debt()
    fork = scene.node.snapshot()
    play(scene)
    first = proxies()
    scene = scene.through(first.url)
    scene.follow()
    before = stored(scene.engine)
    scene.node.revert(fork)
    scene.pay(2, at=AGREED_AT + DAY + 1)
    scene.bury(9)
    report = scene.follow()
    assert report.failure is not None
    assert first.url in report.failure
    assert "is stopped" in report.failure
    (node,) = nodes_of(scene)
    assert node.last_error is not None
    assert node.last_error in report.failure
    assert stored(scene.engine) == before


def test_a_refused_url_is_on_record_too(sqlite_scene: Scene) -> None:
    """The allow list may change after the chain was configured."""
    scene = sqlite_scene
    url = scene.node.url + CONFIDED
    refused = scene.through(url)
    report = follow_chain(
        engine=scene.engine,
        chain=scene.chain,
        outside=Outside(egress=egress([]), limits=LIMITS),
        clock=scene.clock,
    )
    assert report.failure is not None
    assert "loopback" in report.failure
    (node,) = nodes_of(refused)
    assert node.last_error == report.failure
    assert node.checked_at == scene.clock()


# -- secrets


SPEAKING: dict[str, Callable[[str], faults.Fault]] = {
    "down": lambda _: faults.drop,
    "an error that repeats the key": lambda _: faults.rpc_error(-32000, f"project {KEY} has no access"),
    "an error that repeats the path": lambda url: faults.rpc_error(-32005, f"too many requests to {url}"),
    "401 with an error": lambda url: faults.status(
        401,
        content=json.dumps(
            {"jsonrpc": "2.0", "id": 1, "error": {"code": -32002, "message": f"bad key in {url}"}}
        ).encode(),
    ),
    "garbage that repeats the key": lambda _: faults.body(f"no route {KEY}".encode()),
    "a result that repeats the key": lambda _: faults.altered_result("eth_chainId", lambda _: KEY),
    "another chain": lambda _: faults.wrong_chain_id,
    "a redirect to itself": lambda url: faults.status(302, headers={"Location": url}),
    "500": lambda url: faults.status(500, content=url.encode()),
}


@pytest.mark.parametrize("name", SPEAKING)
def test_a_key_in_a_url_is_shown_nowhere(sqlite_scene: Scene, proxies: Proxies, name: str) -> None:
    """In no column but the one that keeps the URL, in no report, no log, no repr."""
    scene = sqlite_scene
    proxy = proxies()
    url = proxy.url + CONFIDED
    scene = scene.through(url)
    scene.record_debt()
    play(scene)
    proxy.fail(SPEAKING[name](url))
    with structlog.testing.capture_logs() as logs:
        report = scene.follow()
    assert report.failure is not None
    assert proxy.url in report.failure
    (node,) = nodes_of(scene)
    assert node.last_error == report.failure
    for text in (str(report), repr(report), repr(node), str(logs), everything_else(scene)):
        assert KEY not in text
    with pytest.raises(ChainNotReadable) as caught:
        register_asset(
            engine=scene.engine,
            asset_id=AssetId(scene.node.chain, Address(b"\x07" * 20)),
            outside=scene.outside,
            now=scene.clock(),
        )
    assert KEY not in str(caught.value)
    with pytest.raises(InvalidInput) as refused:
        check_chain(new=NewChain(chain=scene.chain, rpc_urls=(url,)), outside=scene.outside)
    assert KEY not in str(refused.value)
    assert refused.value.faults[0].pointer == "/rpc_urls/0"


def everything_else(scene: Scene) -> str:
    """All rows of all tables, without the one column that is the secret."""
    texts = []
    with reading(scene.engine) as connection:
        for table in metadata.sorted_tables:
            columns = [column for column in table.columns if column is not chain_node.c.url]
            texts += [str(row) for row in connection.execute(sa.select(*columns))]
    assert any("Test chain" in text for text in texts)
    return "\n".join(texts)


def test_a_key_does_not_stay_with_what_was_read(scene: Scene, proxies: Proxies) -> None:
    """Coverage names the node; the answers' digests and the rest do not hold its key either."""
    scene.record_debt()
    play(scene)
    scene = scene.through(proxies().url + CONFIDED)
    assert scene.follow().failure is None
    assert KEY not in everything_else(scene)


@pytest.mark.parametrize("form", ["http://user:{key}@127.0.0.1:{port}/", "http://{key}@127.0.0.1:{port}"])
def test_a_password_in_a_url_is_refused_without_being_repeated(
    sqlite_scene: Scene, proxies: Proxies, form: str
) -> None:
    proxy = proxies()
    url = form.format(key=KEY, port=proxy.port)
    new = NewChain(chain=sqlite_scene.chain, rpc_urls=(url,))
    outside = Outside(egress=egress([proxy.url]), limits=LIMITS)
    with pytest.raises(InvalidInput) as caught:
        check_chain(new=new, outside=outside)
    assert KEY not in str(caught.value)
    assert KEY not in repr(new)
    assert proxy.requests == []
    # Written into the database by another way, it is still not used, and still not shown.
    scene = sqlite_scene.through(proxy.url)
    with scene.engine.begin() as connection:
        connection.execute(sa.update(chain_node).values(url=url))
    report = scene.follow()
    assert report.failure is not None
    assert KEY not in report.failure + everything_else(scene)
    assert [each.last_error for each in nodes_of(scene)] == [report.failure]
    assert proxy.requests == []


def test_a_node_that_lags_keeps_no_better_one_from_reading(sqlite_scene: Scene, proxies: Proxies) -> None:
    """The order is the operator's, but for a node that is far behind the others."""
    scene = sqlite_scene
    debt = scene.record_debt()
    play(scene)
    first, second = proxies(), proxies()
    first.fail(lies.lagging(scene.node.block("finalized").number))
    scene = scene.through(first.url, second.url)
    report = scene.follow()
    assert (report.failure, report.final_block) == (None, scene.node.block("finalized").number)
    assert not any(b"eth_getLogs" in request for request in first.requests)
    demand_truth(scene)
    assert scene.assess(debt).result is Result.PARTIAL
