"""An unpacked bundle, to be altered and sealed again as consistently as our own software would seal it.

A forger has our code: whatever follows from the rest, he makes follow. What he can't make is the case that
was handed over by another way, and the hash of a block that others know too.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from app import canonical
from app.assessment.assess import assess
from app.assessment.document import LOWER_CASE, assessment_document
from app.assessment.values import Reading
from app.clock import parse_rfc3339
from app.evidence.builder import BagBuilder
from app.evidence.case import parse_case
from app.evidence.chainfile import blocks_document, transfers_document
from app.evidence.instructions import verify_text
from app.evidence.reader import open_bag
from chains import jsonrpc
from chains.evm.blocks import parse_block
from chains.evm.transfers import RawTransferLog, decode_log, to_transfer
from chains.types import BlockRef, Transfer

CASE, LEDGER, REQUESTS = "data/case.json", "data/ledger.json", "data/providers/requests.json"
VERIFY, REPORT = "VERIFY.md", "data/report.en.pdf"
_MADE_BY_THE_BUILDER = {
    "bagit.txt",
    "bag-info.txt",
    "manifest-sha256.txt",
    "tagmanifest-sha256.txt",
    "data/manifest.json",
}
_AFTER_THE_ROOT = (VERIFY, REPORT)


class Forger:
    """`files` holds every file that the builder doesn't make by itself, by its path in the bag."""

    def __init__(self, bundle: Path) -> None:
        with open_bag(bundle) as bag:
            self.evidence_id = bag.evidence_id
            self.bagged_on = date.fromisoformat(
                bag.read_bytes("bag-info.txt", bytes_max=1024).decode()[14:24]
            )
            self.files = {
                name: bag.read_bytes(name, bytes_max=2**26)
                for name in bag.names
                if name not in _MADE_BY_THE_BUILDER
            }
        (row,) = self.case["scope"]
        self.folder = f"data/chain/{row['chain'].replace(':', '-')}"
        self.transfers_path, self.blocks_path = f"{self.folder}/transfers.json", f"{self.folder}/blocks.json"

    def copy(self) -> Forger:
        return copy.deepcopy(self)

    # -- JSON files

    def json(self, path: str) -> Any:
        return json.loads(self.files[path])

    def put(self, path: str, value: Any) -> None:
        self.files[path] = canonical.dumps(value)

    def edit(self, path: str, change: Callable[[Any], Any]) -> None:
        """`change` alters the value in place, or answers another one."""
        value = self.json(path)
        changed = change(value)
        self.put(path, value if changed is None else changed)

    @property
    def case(self) -> Any:
        return self.json(CASE)

    @property
    def row(self) -> Any:
        return self.case["scope"][0]

    def set(self, path: str, pointer: str, value: Any) -> None:
        """One value of a JSON file, by its place such as `debt/installments/0/due_at`."""
        *way, last = [int(step) if step.isdecimal() else step for step in pointer.split("/")]
        whole = self.json(path)
        place = whole
        for step in way:
            place = place[step]
        place[last] = value
        self.put(path, whole)

    def remove(self, path: str, pointer: str) -> None:
        *way, last = [int(step) if step.isdecimal() else step for step in pointer.split("/")]
        whole = self.json(path)
        place = whole
        for step in way:
            place = place[step]
        del place[last]
        self.put(path, whole)

    # -- requests and answers

    def request_path(self, number: int) -> str:
        return f"data/providers/{number:06d}.request.json"

    def answer_path(self, number: int) -> str:
        return f"data/providers/{number:06d}.answer.json"

    def numbers(self, method: str) -> list[int]:
        return [each["number"] for each in self.json(REQUESTS) if each["method"] == method]

    @property
    def logs_from(self) -> int:
        return self.numbers("eth_getLogs")[0]

    @property
    def logs_to(self) -> int:
        return self.numbers("eth_getLogs")[1]

    def block_number(self, number: int) -> int:
        """The exchange in which this block was asked for."""
        (found,) = [
            each
            for each in self.numbers("eth_getBlockByNumber")
            if int(self.json(self.request_path(each))["params"][0], 16) == number
        ]
        return found

    def edit_result(self, number: int, change: Callable[[Any], Any]) -> None:
        answer = self.json(self.answer_path(number))
        changed = change(answer["result"])
        if changed is not None:
            answer["result"] = changed
        self.files[self.answer_path(number)] = json.dumps(answer, separators=(",", ":")).encode()

    def put_result(self, number: int, result: Any) -> None:
        self.edit_result(number, lambda _: result)

    def edit_logs(self, change: Callable[[dict[str, Any]], Any], *, block: int) -> None:
        """Each log of that block, in both answers."""

        def alter(logs: list[dict[str, Any]]) -> None:
            for log in logs:
                if int(log["blockNumber"], 16) == block:
                    change(log)

        for number in (self.logs_from, self.logs_to):
            self.edit_result(number, alter)

    def edit_request(self, number: int, change: Callable[[list[Any]], Any]) -> None:
        """The parameters of a request, in the form in which our software writes it."""
        request = self.json(self.request_path(number))
        change(request["params"])
        self.files[self.request_path(number)] = jsonrpc.encode_call(
            call_id=request["id"], method=request["method"], params=request["params"]
        )

    def edit_filter(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Both eth_getLogs filters."""
        for number in (self.logs_from, self.logs_to):
            self.edit_request(number, lambda params: change(params[0]))

    def drop_logs(self, *, block: int, numbers: tuple[int, ...] | None = None) -> None:
        for number in numbers or (self.logs_from, self.logs_to):
            self.edit_result(
                number, lambda logs: [log for log in logs if int(log["blockNumber"], 16) != block]
            )

    def add_exchange(
        self, method: str, params: list[Any], result: Any, *, position: int = 0, endpoint: str | None = None
    ) -> int:
        entries = self.json(REQUESTS)
        number = len(entries) + 1
        entry = {**entries[0], "number": number, "method": method, "position": position}
        self.put(REQUESTS, [*entries, {**entry, "endpoint": endpoint or entry["endpoint"]}])
        self.files[self.request_path(number)] = jsonrpc.encode_call(
            call_id=number, method=method, params=params
        )
        answer = {"jsonrpc": "2.0", "id": number, "result": result}
        self.files[self.answer_path(number)] = json.dumps(answer, separators=(",", ":")).encode()
        return number

    def add_block(self, number: int, fields: dict[str, str]) -> None:
        """A made-up answer for a block that was not asked for."""
        template = self.json(self.answer_path(self.numbers("eth_getBlockByNumber")[0]))["result"]
        block = {**template, "number": hex(number), **fields}
        self.add_exchange("eth_getBlockByNumber", [hex(number), False], block)

    def add_failure(self, *, position: int = 1, endpoint: str = "http://other.example") -> None:
        entries = self.json(REQUESTS)
        failed = {**entries[0], "number": len(entries) + 1, "method": "unanswered", "error": "no connection"}
        self.put(REQUESTS, [*entries, {**failed, "position": position, "endpoint": endpoint}])

    def add_endpoint(self, *, position: int = 1, endpoint: str | None = None) -> dict[int, int]:
        """Every exchange once more, as if a second endpoint had said the same; old number to new."""
        made = {}
        for each in [entry for entry in self.json(REQUESTS) if entry["position"] == 0]:
            number = each["number"]
            made[number] = self.add_exchange(
                each["method"],
                self.json(self.request_path(number))["params"],
                self.json(self.answer_path(number))["result"],
                position=position,
                endpoint=endpoint or each["endpoint"],
            )
        return made

    def drop_exchange(self, number: int) -> None:
        """Out of the index and the files; those behind it move up."""
        entries = self.json(REQUESTS)
        for path in (self.request_path, self.answer_path):
            del self.files[path(number)]
            for following in range(number + 1, len(entries) + 1):
                if path(following) in self.files:
                    self.files[path(following - 1)] = self.files.pop(path(following))
        kept = [entry for entry in entries if entry["number"] != number]
        self.put(REQUESTS, [{**entry, "number": at} for at, entry in enumerate(kept, start=1)])

    # -- making the rest follow

    def follow_answers(self) -> None:
        """Blocks and transfers as the first endpoint's raw answers say."""
        blocks, transfers = self._said()
        self.put(self.transfers_path, transfers_document(transfers))
        self.put(self.blocks_path, blocks_document(blocks))

    def follow(self) -> None:
        """All that follows from the case and the raw answers, as our own software would write it."""
        self.follow_answers()
        case = parse_case(self.case)
        facts = case.facts(transfers=self._said()[1], reading=self._reading())
        assessment = assess(facts=facts, as_of=case.as_of, known_at=case.known_at)
        document = assessment_document(assessment, forms=LOWER_CASE, inline_max=None)
        self.put(LEDGER, {"format": 1, "assessment": document})
        self.files[VERIFY] = verify_text(case)

    def _said(self) -> tuple[list[BlockRef], list[Transfer]]:
        """Of the first endpoint, believing it everything: a forger doesn't check himself."""
        blocks: dict[int, BlockRef] = {}
        logs: dict[tuple[int, int], RawTransferLog] = {}
        for each in self.json(REQUESTS):
            if each["position"] > 0 or each["error"] is not None:
                continue
            result = self.json(self.answer_path(each["number"]))["result"]
            if each["method"] == "eth_getBlockByNumber":
                block = parse_block(result)
                blocks[block.number] = block
            elif each["method"] == "eth_getLogs":
                for log in map(decode_log, result):
                    assert isinstance(log, RawTransferLog)
                    logs[log.block_number, log.log_index] = log
        chain = parse_case(self.case).scope[0].chain
        transfers = [to_transfer(logs[at], chain=chain, block=blocks[at[0]]) for at in sorted(logs)]
        return list(blocks.values()), transfers

    def _reading(self) -> Reading:
        entries = self.json(REQUESTS)
        times = [parse_rfc3339(each["asked_at"]) for each in entries]
        endpoints = {each["position"] for each in entries}
        failed = {each["position"] for each in entries if each["error"] is not None}
        return Reading(
            started_at=min(times),
            finished_at=max(times),
            requests=len(entries),
            agreed=len(endpoints - failed),
            differed=0,
            failed=len(failed),
            operator=self.case["operator"]["name"],
            relation=self.case["operator"]["relation"],
            chosen_by="the operator",
        )

    # -- sealing again

    def sealed(self, folder: Path, *, bagged_on: date | None = None) -> Path:
        """A whole bundle: container, manifests and R fit what is in it."""
        builder = BagBuilder(folder=folder / "staging", evidence_id=self.evidence_id)
        for path, data in self._under_the_root():
            builder.add_bytes(path, data)
        builder.seal_manifest()
        for path in _AFTER_THE_ROOT:
            builder.add_bytes(path, self.files[path])
        target = folder / f"quittance-{self.evidence_id}.zip"
        builder.finish(created_on=bagged_on or self.bagged_on, target=target)
        return target

    def case_file(self, folder: Path) -> Path:
        """The forger's own case, handed over as if it were the question."""
        path = folder / "forged-case.json"
        path.write_bytes(self.files[CASE])
        return path

    def _under_the_root(self) -> Iterator[tuple[str, bytes]]:
        return ((path, data) for path, data in self.files.items() if path not in _AFTER_THE_ROOT)
