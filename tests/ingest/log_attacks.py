"""Directed lies of nodes about logs, of one node and of two; see `tests.ingest.attacks`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from app.ingest import belief
from app.ingest.agree import Count, Vote, said_by
from app.ingest.store import transfers as transfer_store
from app.ingest.store.transfers import TransfersDisagree
from chains.errors import BadAnswer, NodeError
from chains.evm.client import EvmClient, LogBatch
from chains.evm.rows import LogRow
from chains.evm.transfers import transfer_filters
from chains.rpc import RpcAnswer, RpcClient
from chains.types import Address, Hash32
from tests.ingest import lies
from tests.ingest.attacks import Attack, Patch, SwitchOff, nothing, paid_in
from tests.ingest.scene import LIMITS, covered, first_of_window, stored, truth
from tests.support import faulty_proxy as faults
from tests.support.faulty_proxy import Exchange

OTHER_HASH = "0x" + "cd" * 32
FOREIGN = "0x" + "77" * 20


# -- what it says of logs


def logs_of_another_block(attack: Attack) -> bool:
    """A log whose block was replaced, at the number of one that was not."""
    scene = attack.through_one()
    attack.play()
    empty = paid_in(attack)[1] + 1

    def orphaned(logs: list[Any]) -> list[Any]:
        place = {"blockNumber": hex(empty), "blockHash": OTHER_HASH, "logIndex": "0x0"}
        return [*logs, *({**log, **place} for log in logs[:1])]

    attack.proxies[0].fail(faults.altered_result("eth_getLogs", orphaned))
    scene.follow()
    return attack.is_believed()


def without_told(patch: Patch) -> None:
    patch.setattr("app.ingest.answer._demand_told", nothing)


def removed_logs(attack: Attack) -> bool:
    scene = attack.through_one()
    attack.play()

    def removed(logs: list[Any]) -> list[Any]:
        change = {"address": FOREIGN, "logIndex": "0x63", "removed": True}
        return [*logs, *({**log, **change} for log in logs[:1])]

    attack.proxies[0].fail(faults.altered_result("eth_getLogs", removed))
    scene.follow()
    return attack.is_believed()


def logs_that_are_not_final(attack: Attack) -> bool:
    """A node that minds no range answers the newest log too, in a block that may still be replaced."""
    scene = attack.through_one()
    attack.play()
    attack.scene.pay(8)
    asked = {"fromBlock": "0x0", "toBlock": "latest", "topics": []}
    newest = attack.scene.node.call("eth_getLogs", {**asked})[-1]
    attack.proxies[0].fail(lies.logs_changed(lambda logs: [*logs, newest]))
    scene.follow()
    return attack.is_believed()


def an_error_for_logs(attack: Attack) -> bool:
    scene = attack.through_one()
    attack.play()
    attack.proxies[0].fail(faults.rpc_error(-32000, "missing trie node", method="eth_getLogs"))
    scene.follow()
    return attack.is_believed()


def gullible(without: str) -> SwitchOff:
    """Another reader of logs, which demands all but one thing."""

    def log_ranges(
        self: EvmClient,
        *,
        accounts: Sequence[Address],
        first_block: int,
        last_block: int,
        size: object = None,
        learnt: object = None,
    ) -> Generator[LogBatch]:
        filters = transfer_filters(addresses=accounts, first_block=first_block, last_block=last_block)
        answers = [_ask(self, asked, without=without) for asked in filters]
        logs = [log for answer in answers for log in answer.result]
        for log in logs:
            if without != "range" and not first_block <= int(log["blockNumber"], 16) <= last_block:
                raise BadAnswer(node=self.rpc.node, detail="out of range")
            if without != "removed" and log.get("removed"):
                raise BadAnswer(node=self.rpc.node, detail="removed")
        yield LogBatch(
            first_block=first_block,
            last_block=last_block,
            rows=sorted({_row(log) for log in logs}),
            others=(),
            block_hashes={int(log["blockNumber"], 16): Hash32.parse(log["blockHash"]) for log in logs},
            block_times={},
            answers=tuple(answers),
            digests=tuple(bytes(32) for _ in answers),
        )

    return lambda patch: patch.setattr(EvmClient, "log_ranges", log_ranges)


def _ask(client: EvmClient, asked: dict[str, Any], *, without: str) -> RpcAnswer:
    try:
        return client.rpc.call("eth_getLogs", [asked])
    except NodeError:
        if without != "errors":
            raise
    return RpcAnswer(call_id=0, method="eth_getLogs", params=(), request=b"", body=b"[]", result=[])


def _row(log: dict[str, Any]) -> LogRow:
    texts = [log["transactionHash"], log["address"], *("0x" + one[26:] for one in log["topics"][1:])]
    tx_hash, contract, sender, recipient, amount = (bytes.fromhex(each[2:]) for each in [*texts, log["data"]])
    number, index = int(log["blockNumber"], 16), int(log["logIndex"], 16)
    return (number, index, tx_hash, contract, sender, recipient, amount)


def logs_that_the_record_knows(attack: Attack) -> bool:
    """A wallet declared late: of its transfers one is known from the other party, and none is answered."""
    scene = attack.through_one()
    attack.play()
    wallet = attack.scene.stranger
    attack.scene.token.transfer(sender=wallet, to=scene.creditor, units=8)
    attack.scene.token.transfer(sender=attack.scene.issuer, to=wallet, units=16)
    attack.scene.bury(4)
    scene.follow()
    scene.bind(wallet)
    attack.proxies[0].fail(lies.logs_changed(lambda _: []))
    scene.follow()
    first = first_of_window(scene.node)
    missing = truth(scene.node, [wallet], first=first) - stored(scene.engine)
    return bool(missing) and covered(scene.engine, wallet) != []


def without_contradiction(patch: Patch) -> None:
    real = transfer_store.add_rows

    def forgiving(*values: Any, **named: Any) -> int:
        try:
            return real(*values, **named)
        except TransfersDisagree:
            return 0

    patch.setattr("app.ingest.answer.transfer_store.add_rows", forgiving)


# -- several nodes, and a node against itself

HIDING = lies.logs_changed(lambda logs: logs[:-1])


def one_of_two_hides(attack: Attack) -> bool:
    scene = attack.through_both()
    attack.play()
    attack.proxies[0].fail(HIDING)
    scene.follow()
    return attack.is_believed()


def without_votes(patch: Patch) -> None:
    def first_wins(votes: Sequence[Vote[int]], *, needed: int) -> Count[int]:
        return Count(agreed=(votes[0].voter,), others=())

    patch.setattr(belief, "count_votes", first_wins)


def silence_of_one_that_fell_behind(attack: Attack) -> bool:
    """The first leaves the newest logs out; the second does not have their blocks any more."""
    scene = attack.through_both()
    attack.play()
    behind = attack.scene.node.block("finalized").number - 5
    old = [number for number in paid_in(attack) if number <= behind]
    attack.proxies[0].fail(
        lies.logs_changed(lambda logs: [log for log in logs if int(log["blockNumber"], 16) in old])
    )
    state = {"begun": False}

    def falling(exchange: Exchange) -> None:
        state["begun"] |= b"eth_getLogs" in exchange.request
        (lies.lagging(behind) if state["begun"] else faults.pass_on)(exchange)

    attack.proxies[1].fail(falling)
    scene.follow()
    return attack.is_believed()


def without_witness(patch: Patch) -> None:
    patch.setattr(belief, "_witnessed", lambda *_: ())
    patch.setattr(belief._Answer, "says", property(lambda self: said_by(self.batch)))


def one_node_hides(attack: Attack) -> bool:
    scene = attack.through_one(permille=1000)
    attack.play()
    attack.proxies[0].fail(HIDING)
    scene.follow()
    return attack.is_believed()


def without_receipts(patch: Patch) -> None:
    patch.setattr(belief, "check_receipts", lambda *_, **__: 0)


def receipts_of_another_chain(attack: Attack) -> bool:
    """The headers that the logs are held against are another chain's, and give their own hashes."""
    scene = attack.through_one(permille=1000)
    attack.play()
    elsewhere, silent = lies.answered_by(attack.other), lies.logs_changed(lambda _: [])

    def two_faced(exchange: Exchange) -> None:
        calls = lies.calls_of(exchange)
        many = len(calls) > 5 and calls[0]["method"] == "eth_getBlockByNumber"
        (elsewhere if many else silent)(exchange)

    attack.proxies[0].fail(two_faced)
    scene.follow()
    return attack.is_believed()


def without_linked_headers(patch: Patch) -> None:
    patch.setattr("app.ingest.receipts.demand_one_chain", nothing)


def one_that_was_caught_before(attack: Attack) -> bool:
    """In the next pass chance draws none of its blocks."""
    scene = attack.through_one(permille=1000)
    attack.play()
    attack.proxies[0].fail(HIDING)
    scene.follow()
    attack.through_one(permille=0).follow()
    return attack.is_believed()


def without_memory(patch: Patch) -> None:
    patch.setattr("app.ingest.follow.contradicted_nodes", lambda *_, **__: frozenset())


# -- how much it sends

FLOOD = 24 * 2**20


def too_much(attack: Attack) -> bool:
    """Valid JSON behind more blanks than anybody asked for: whether all of it was taken in."""
    scene = attack.scene.through(attack.proxies[0].url, limits=replace(LIMITS, answer_bytes_max=2**20))
    attack.play()
    sent = [0]

    def flooding(exchange: Exchange) -> None:
        if b"eth_getLogs" not in exchange.request:
            return faults.pass_on(exchange)
        exchange.send_raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b" " * 2**16
        while sent[0] < FLOOD:
            exchange.send_raw(b"%x\r\n%b\r\n" % (len(piece), piece))
            sent[0] += len(piece)
        return exchange.hang_up()

    attack.proxies[0].fail(flooding, times=30)
    scene.follow()
    return sent[0] >= FLOOD


def without_limit(patch: Patch) -> None:
    patch.setattr(RpcClient, "_receive", lambda _, response: b"".join(response.iter_raw()))
