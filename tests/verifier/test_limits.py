"""What a stranger's bundle may cost: memory that does not grow with its answers, and no list without end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app import canonical
from app.evidence import replay
from app.verifier import answers, verify
from app.verifier.verdict import ACCEPTED
from tests.journeys.played import ROOT, Played
from tests.verifier.forger import CASE, REQUESTS, Forger
from tests.verifier.judging import ANSWER, demand_rejection, judged

MEBI = 2**20
ANSWER_MEBI = 6
PEAK_MEBI_MAX = 150
SECONDS_MAX = 30

# The verifier in a process of its own, and the kernel's count of its memory; getrusage would count what the
# process that started it held.
MEASURED = """
import re, sys
sys.path.insert(0, sys.argv[1])
from app.verifier.command import main
code = main(sys.argv[2:])
print(re.search(r"VmHWM:\\s+([0-9]+) kB", open("/proc/self/status").read())[1])
sys.exit(code)
"""


def peak_mebi(bundle: Path) -> float:
    answer = subprocess.run(
        [sys.executable, "-I", "-c", MEASURED, str(ROOT), bundle],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX * 2,
        check=False,
    )
    assert answer.returncode == 4, answer
    return int(answer.stdout.splitlines()[-1]) / 1024


def pad(forger: Forger, *, blocks: int) -> None:
    """That many block answers as large as those of the fullest blocks are."""
    transactions = ["0x" + f"{at:064x}" for at in range(ANSWER_MEBI * MEBI // 69)]
    for number in forger.numbers("eth_getBlockByNumber")[:blocks]:
        forger.edit_result(number, lambda block: {**block, "transactions": transactions})


def test_memory_does_not_grow_with_the_number_of_answers(original: Forger, tmp_path: Path) -> None:
    peaks = []
    for blocks in (2, 9):
        forger = original.copy()
        pad(forger, blocks=blocks)
        bundle = forger.sealed(tmp_path / str(blocks))
        assert bundle.stat().st_size > blocks * ANSWER_MEBI * MEBI
        peaks.append(peak_mebi(bundle))
    assert peaks[1] < PEAK_MEBI_MAX
    assert peaks[1] - peaks[0] < ANSWER_MEBI * 2, f"{peaks} MiB: more than a few answers are held at once"


def test_five_thousand_transfers_in_a_bounded_time(forger: Forger, played: Played, tmp_path: Path) -> None:
    """All to the creditor, from a wallet that nobody declared."""
    (log,) = [
        each
        for each in forger.json(forger.answer_path(forger.logs_to))["result"]
        if int(each["blockNumber"], 16) == 13
    ]
    more = [{**log, "logIndex": hex(index)} for index in range(1, 5_001)]
    forger.edit_result(forger.logs_to, lambda logs: [*logs, *more])
    forger.follow()
    began = time.monotonic()
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=played.case)
    assert time.monotonic() - began < SECONDS_MAX
    assert verdict.exit_code == ACCEPTED, verdict.reason
    assert "5004 transfers of USDX" in verdict.facts["scope_sentence"]


def test_an_index_without_end(forger: Forger, played: Played, tmp_path: Path) -> None:
    entry = forger.json(REQUESTS)[0]
    forger.put(REQUESTS, [{**entry, "number": number} for number in range(1, 100_002)])
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=played.case)
    demand_rejection(verdict, file=REQUESTS, reason="an array of at most 100000 items")


def test_a_million_installments(forger: Forger, played: Played, tmp_path: Path) -> None:
    """Refused by size, before anything of it is decoded."""
    one = canonical.dumps({**forger.case["debt"]["installments"][0], "amount_units": "1"})
    written = canonical.dumps(forger.case["debt"]["installments"])
    million = b"[" + b",".join([one] * 10**6) + b"]"
    forger.files[CASE] = forger.files[CASE].replace(written, million)
    began = time.monotonic()
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=played.case)
    assert time.monotonic() - began < SECONDS_MAX
    demand_rejection(verdict, file=CASE, reason="is larger than")


def test_a_case_file_without_end(played: Played, tmp_path: Path) -> None:
    case = tmp_path / "case.json"
    with case.open("wb") as out:
        out.truncate(verify.CASE_BYTES_MAX + 1)
    verdict = verify.verify(bundle=played.bundle, case=case, anchors=())
    demand_rejection(verdict, file=str(case), reason="is too large for a case")


def test_an_answer_without_end(
    forger: Forger, played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is lowered, since nobody wants to write 64 MiB; what is refused is the same."""
    monkeypatch.setattr(answers, "ANSWER_BYTES_MAX", 3_000)
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=played.case)
    demand_rejection(verdict, file=ANSWER, reason="is larger than 3000 bytes")


def test_logs_without_end(
    forger: Forger, played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two answers of the demo list nine."""
    monkeypatch.setattr(replay, "LOGS_MAX", 8)
    verdict = judged(forger, tmp_path, anchor=played.anchor, case=played.case)
    demand_rejection(verdict, file=ANSWER, reason="more than 8 logs")
    monkeypatch.setattr(replay, "LOGS_MAX", 9)
    again = judged(forger, tmp_path / "again", anchor=played.anchor, case=played.case)
    assert again.exit_code == ACCEPTED


def test_the_honest_largest_answer_is_within_the_limits(forger: Forger) -> None:
    """64 MiB of real logs stay below the number of values that is refused."""
    logs = forger.json(forger.answer_path(forger.logs_to))["result"]
    text = json.dumps(logs[0], separators=(",", ":")).encode()
    marks = sum(text.count(mark) for mark in (b",", b":", b"[", b"{"))
    assert answers.ANSWER_BYTES_MAX // len(text) * marks < answers.ANSWER_VALUES_MAX
