"""Registering assets and configuring chains: what a node has to confirm, and what is pinned by it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_utils.crypto import keccak
from sqlalchemy.engine import Engine

from app.errors import InvalidInput
from app.ingest.model import asset
from app.ingest.registry import (
    CONFIRMATIONS_MIN_DEFAULT,
    ChainNotReadable,
    NewChain,
    check_chain,
    register_asset,
)
from app.ingest.store.assets import RegisteredAsset
from app.ingest.store.chains import Chain
from app.resources import Outside
from chains.devnode import DevNode
from chains.types import Address, AssetId, ChainId, Finality
from tests.ingest import lies
from tests.ingest.scene import LIMITS, Scene, count, egress
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import faulty_proxy
from tests.support.token import deploy, deploy_token

# keccak("eip1967.proxy.implementation") - 1, and the older place that some stablecoins still use.
EIP1967 = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
ZEPPELINOS = "0x" + keccak(text="org.zeppelinos.proxy.implementation").hex()


def register(scene: Scene, contract: Address | None, *, slip44: int | None = None) -> RegisteredAsset:
    return register_asset(
        engine=scene.engine,
        asset_id=AssetId(scene.node.chain, contract, slip44),
        outside=scene.outside,
        now=scene.clock(),
    )


def code_hash(node: DevNode, contract: Address) -> bytes:
    return keccak(hexstr=node.call("eth_getCode", contract, "latest"))


def test_a_token_is_pinned_at_a_final_block(scene: Scene) -> None:
    new = deploy_token(scene.node, name="Second Dollar", symbol="SUSD", decimals=18)
    with pytest.raises(InvalidInput) as caught:
        register(scene, new.address)
    # Not final yet: as if it were not there.
    assert [fault.pointer for fault in caught.value.faults] == ["/asset"]
    scene.bury(2)
    found = register(scene, new.address)
    assert (found.asset.symbol, found.name, found.asset.decimals) == ("SUSD", "Second Dollar", 18)
    assert found.code_hash == code_hash(scene.node, new.address)
    assert (found.implementation, found.implementation_code_hash) == (None, None)
    final = scene.node.block("finalized")
    assert (found.registered_at.number, found.registered_at.hash) == (final.number, final.hash)
    assert found.unfit_for == ()
    assert found.created_at == scene.clock()


def test_a_second_registration_is_free_and_changes_nothing(scene: Scene) -> None:
    first = register(scene, scene.token.address)
    scene.clock.advance(60)
    with faulty_proxy(scene.node) as proxy:
        again = register(scene.through(proxy.url), scene.token.address)
        assert proxy.requests == []
    assert again == first
    assert count(scene.engine, asset) == 1


@pytest.mark.parametrize("slot", [EIP1967, ZEPPELINOS])
def test_a_proxys_implementation_is_pinned_with_it(sqlite_scene: Scene, slot: str) -> None:
    scene = sqlite_scene
    new = deploy_token(scene.node)
    behind = scene.token.address
    scene.node.call("anvil_setStorageAt", new.address, slot, "0x" + "00" * 12 + behind.hex())
    scene.bury(3)
    found = register(scene, new.address)
    assert found.implementation == behind
    assert found.implementation_code_hash == code_hash(scene.node, behind)


def test_the_native_coin_needs_no_contract(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    found = register(scene, None, slip44=60)
    assert (found.asset.symbol, found.asset.decimals, found.code_hash) == ("ETH", 18, None)


def test_what_is_no_token_is_refused(sqlite_scene: Scene) -> None:
    """An account, nothing at all, and contracts without decimals or a symbol."""
    scene = sqlite_scene
    by = scene.issuer
    no_tokens = [
        scene.creditor,
        Address(b"\x99" * 20),
        deploy(scene.node, "NftEmitter", by=by),
        deploy(scene.node, "Bytes32Token", by=by),
        deploy(scene.node, "BrokenMetadataToken", by=by),
        deploy(scene.node, "RawEmitter", by=by),
        deploy_token(scene.node, symbol="").address,
        deploy_token(scene.node, symbol="\u202e\u200b").address,
    ]
    scene.bury(3)
    before = count(scene.engine, asset)
    for address in no_tokens:
        with pytest.raises(InvalidInput) as caught:
            register(scene, address)
        assert [fault.pointer for fault in caught.value.faults] == ["/asset"]
    assert count(scene.engine, asset) == before


def test_decimals_at_their_limits(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    nothing, most, beyond = (deploy_token(scene.node, decimals=each).address for each in (0, 77, 78))
    scene.bury(3)
    assert register(scene, nothing).asset.decimals == 0
    assert register(scene, most).asset.decimals == 77
    with pytest.raises(InvalidInput, match="/asset"):
        register(scene, beyond)


def test_a_chain_that_is_not_configured(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    foreign = AssetId(ChainId(scene.node.chain_id + 1), scene.token.address)
    with pytest.raises(InvalidInput, match="is not configured") as caught:
        register_asset(engine=scene.engine, asset_id=foreign, outside=scene.outside, now=scene.clock())
    assert [fault.pointer for fault in caught.value.faults] == ["/asset"]


def test_a_node_that_fails_is_not_the_tokens_fault(sqlite_scene: Scene) -> None:
    """Down, wrong or in disorder: ChainNotReadable, and nothing is pinned."""
    scene = sqlite_scene
    new = deploy_token(scene.node)
    scene.bury(3)
    before = count(scene.engine, asset)
    with faulty_proxy(scene.node) as proxy:
        through = scene.through(proxy.url)
        for fault in (
            faults.drop,
            faults.wrong_chain_id,
            faults.status(429),
            faults.rpc_error(-32000, "missing trie node"),
            lies.on_method("eth_call", faults.rpc_error(-32000, "missing trie node")),
            lies.on_method("eth_call", faults.half_json),
            lies.on_method("eth_getCode", faults.altered_result("eth_getCode", lambda _: None)),
            lies.on_method("eth_getStorageAt", faults.status(500)),
        ):
            proxy.fail(fault)
            with pytest.raises(ChainNotReadable, match="can't be read: node http"):
                register(through, new.address)
        proxy.go_down()
        with pytest.raises(ChainNotReadable):
            register(through, new.address)
        assert count(scene.engine, asset) == before
        # Another node may still tell.
        both = scene.through(proxy.url, scene.node.url)
        assert register(both, new.address).asset.decimals == 6


# -- chains


def new_chain(scene: Scene, *urls: str, confirmations: int | None = None) -> NewChain:
    chain = replace(scene.chain, finality=Finality(confirmations=confirmations))
    return NewChain(chain=chain, rpc_urls=urls)


def pointers(scene: Scene, new: NewChain, *, allowed: tuple[str, ...] = ()) -> list[str]:
    outside = Outside(egress=egress([scene.node.url, *allowed]), limits=LIMITS)
    try:
        check_chain(new=new, outside=outside)
    except InvalidInput as error:
        return [fault.pointer for fault in error.faults]
    return []


def test_a_chain_is_taken_from_nodes_that_serve_it(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    url = scene.node.url
    assert pointers(scene, new_chain(scene, url)) == []
    assert pointers(scene, new_chain(scene, url, url + "/")) == []
    assert pointers(scene, new_chain(scene, url, url)) == ["/rpc_urls"]
    other: Chain = replace(scene.chain, id=ChainId(scene.node.chain_id + 1))
    assert pointers(scene, NewChain(chain=other, rpc_urls=(url,))) == ["/rpc_urls/0"]
    with faulty_proxy(scene.node) as proxy:
        proxy.go_down()
        assert pointers(scene, new_chain(scene, url, proxy.url), allowed=(proxy.url,)) == ["/rpc_urls/1"]
    assert pointers(scene, new_chain(scene, "http://127.0.0.1:9", url)) == ["/rpc_urls/0"]
    assert pointers(scene, new_chain(scene, "ftp://127.0.0.1/", "http://[::1]:1")) == [
        "/rpc_urls/0",
        "/rpc_urls/1",
    ]


@pytest.mark.parametrize(
    ("reference", "least"), [(1, 64), (56, 15), (137, 256), (None, CONFIRMATIONS_MIN_DEFAULT)]
)
def test_a_depth_below_the_floor_is_refused(sqlite_scene: Scene, reference: int | None, least: int) -> None:
    scene = sqlite_scene
    chain = scene.chain if reference is None else replace(scene.chain, id=ChainId(reference))
    at_floor, below = (
        NewChain(chain=replace(chain, finality=Finality(confirmations=depth)), rpc_urls=(scene.node.url,))
        for depth in (least, least - 1)
    )
    assert pointers(scene, below) == ["/finality/confirmations"]
    # Enough of them; then only the chain id of this node does not fit where another chain is meant.
    assert pointers(scene, at_floor) == ([] if reference is None else ["/rpc_urls/0"])


def without_tag(exchange: faults.Exchange) -> None:
    fault = faults.rpc_error(-39001, "unknown block")
    (fault if b"finalized" in exchange.request else faults.pass_on)(exchange)


def test_a_node_without_the_finalized_tag(sqlite_engine: Engine, sqlite_scene: Scene) -> None:
    """The tag is asked for at once: where the node does not know it, a depth has to be given."""
    scene = sqlite_scene
    with faulty_proxy(scene.node) as proxy:
        proxy.fail(without_tag)
        assert pointers(scene, new_chain(scene, proxy.url), allowed=(proxy.url,)) == ["/rpc_urls/0"]
        tolerant = new_chain(scene, proxy.url, confirmations=12)
        assert pointers(scene, tolerant, allowed=(proxy.url,)) == []
