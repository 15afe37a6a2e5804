"""`./run contracts`: the parts that judge, which need neither network nor compiler."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tools import compile_contracts
from tools.contracts import analysis, coverage, mutants, tests, workshop
from tools.contracts.workshop import Done, WorkshopFailed
from tools.npm_package import DownloadFailed, Pin, WrongDigest, unpack


def tarball(files: dict[str, bytes]) -> tuple[bytes, Pin]:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("package/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    data = held.getvalue()
    sha512 = base64.b64encode(hashlib.sha512(data).digest()).decode()
    return data, Pin(name="thing", version="1.0", sha512=sha512)


# -- packages


def test_a_package_is_unpacked_inside_its_folder_only(tmp_path: Path) -> None:
    data, pin = tarball({"package/a/b.sol": b"one", "package/../../escaped": b"two", "other/c": b"three"})
    unpack(data, pin=pin, folder=tmp_path / "in" / "thing")
    found = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if not path.is_dir()]
    assert found == ["in/thing/a/b.sol"]


def test_another_package_than_the_pinned_one_is_not_unpacked(tmp_path: Path) -> None:
    data, _ = tarball({"package/a": b"one"})
    _, pin = tarball({"package/a": b"two"})
    with pytest.raises(WrongDigest):
        unpack(data, pin=pin, folder=tmp_path / "thing")
    empty, pin = tarball({"other/a": b"one"})
    with pytest.raises(DownloadFailed, match="no file"):
        unpack(empty, pin=pin, folder=tmp_path / "thing")
    assert list(tmp_path.iterdir()) == []


def test_every_pin_is_exact() -> None:
    for pin in workshop.pins().values():
        assert len(base64.b64decode(pin.sha512)) == 64
        assert pin.version.count(".") == 2


# -- the compiler's job


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("./Terms.sol", "src/escrow/Terms.sol"),
        ("../TestToken.sol", "src/TestToken.sol"),
        ("@openzeppelin/contracts/proxy/Clones.sol", "node_modules/@openzeppelin/contracts/proxy/Clones.sol"),
    ],
)
def test_an_import_gets_the_name_that_the_compiler_gives_it(target: str, name: str) -> None:
    assert compile_contracts.imported(target, by="src/escrow/DebtEscrow.sol") == name


ARTIFACTS = sorted(compile_contracts.ARTIFACTS.glob("*.json"))


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: path.stem)
def test_an_artifact_belongs_to_the_sources(path: Path) -> None:
    """`./run contracts --check` compiles them anew; this much needs no compiler."""
    artifact = json.loads(path.read_text("utf-8"))
    assert artifact["compiler"].startswith("0.8.37+commit.")
    ours = {key: value for key, value in artifact["sources"].items() if key.startswith("src/")}
    assert artifact["source"] in ours
    for source, sha256 in ours.items():
        content = (workshop.CONTRACTS / source).read_bytes()
        assert hashlib.sha256(content).hexdigest() == sha256, source


def test_the_escrow_is_among_the_artifacts() -> None:
    assert {"DebtEscrow", "DebtEscrowFactory"} <= {path.stem for path in ARTIFACTS}


def test_the_artifacts_and_forge_share_their_settings() -> None:
    artifact = json.loads((compile_contracts.ARTIFACTS / "DebtEscrow.json").read_text("utf-8"))
    assert artifact["settings"] == compile_contracts.escrow_settings()


# -- programs


def test_a_program_ends_within_its_time_or_is_ended(tmp_path: Path) -> None:
    done = workshop.run([sys.executable, "-c", "print(6 * 7)"], seconds_max=30, settings={}, folder=tmp_path)
    assert (done.code, done.said.strip()) == (0, "42")
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(WorkshopFailed, match="more than 1 seconds"):
        workshop.run(sleeper, seconds_max=1, settings={}, folder=tmp_path)


def test_settings_of_another_project_do_not_reach_forge(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FOUNDRY_FUZZ_RUNS", "1")
    show = [sys.executable, "-c", "import os; print(os.environ.get('FOUNDRY_FUZZ_RUNS'))"]
    assert workshop.run(show, seconds_max=30, settings={}, folder=tmp_path).said.strip() == "None"
    asked = workshop.run(show, seconds_max=30, settings={"FOUNDRY_FUZZ_RUNS": "7"}, folder=tmp_path)
    assert asked.said.strip() == "7"


# -- what forge says


def test_forges_closing_line_is_read() -> None:
    closing = "Ran 3 test suites in 1s (2s CPU time): 38 tests passed, 1 failed, 0 skipped (39 total tests)"
    assert tests.passed_and_failed(Done(code=1, said=f"…\n{closing}\n")) == (38, 1)
    assert tests.passed_and_failed(Done(code=0, said="No tests match the provided pattern")) == (0, 0)


LCOV = """\
TN:
SF:src/escrow/DebtEscrow.sol
DA:10,5
DA:11,0
LF:{lines}
LH:{lines_hit}
BRDA:12,0,0,-
BRF:{branches}
BRH:{branches_hit}
end_of_record
SF:test/Base.sol
LF:1000
LH:0
BRF:1000
BRH:0
end_of_record
"""


@pytest.mark.parametrize(
    ("lines_hit", "branches_hit", "enough"),
    [(98, 19, True), (97, 20, False), (100, 18, False), (0, 0, False)],
)
def test_coverage_counts_our_sources_alone(lines_hit: int, branches_hit: int, *, enough: bool) -> None:
    report = LCOV.format(lines=100, lines_hit=lines_hit, branches=20, branches_hit=branches_hit)
    counts = coverage.count(report)
    assert (counts.lines, counts.branches) == (100, 20)
    assert counts.missed == ("DebtEscrow.sol:11", "DebtEscrow.sol:12")
    if enough:
        assert coverage.judge(counts).startswith("98 of 100 lines (98.0 %), 19 of 20 branches (95.0 %)")
    else:
        with pytest.raises(WorkshopFailed, match="less than 98 and 95"):
            coverage.judge(counts)


def test_nothing_measured_is_not_enough() -> None:
    with pytest.raises(WorkshopFailed):
        coverage.judge(coverage.count("SF:test/Base.sol\nLF:1\nLH:1\n"))


# -- slither


def finding(check: str, *, impact: str = "High", file: str = "src/escrow/DebtEscrow.sol") -> dict[str, Any]:
    element = {
        "type": "function",
        "name": "fund",
        "source_mapping": {"filename_relative": file},
        "type_specific_fields": {"parent": {"type": "contract", "name": "DebtEscrow"}},
    }
    return {"check": check, "impact": impact, "elements": [element]}


def test_a_finding_needs_a_reason_and_a_reason_its_finding() -> None:
    report = {
        "results": {
            "detectors": [
                finding("reentrancy-eth"),
                finding("timestamp", impact="Low"),
                finding("incorrect-exp", file="node_modules/@openzeppelin/contracts/utils/math/Math.sol"),
            ]
        }
    }
    found = analysis.findings(report)
    assert found == [analysis.Finding(check="reentrancy-eth", where="DebtEscrow.fund")]
    reason = {
        "check": "reentrancy-eth",
        "where": "DebtEscrow.fund",
        "reason": "The guard is held all the while.",
    }
    assert "1 finding" in analysis.judge(found, [reason])
    with pytest.raises(WorkshopFailed, match="no reason is written for reentrancy-eth"):
        analysis.judge(found, [])
    with pytest.raises(WorkshopFailed, match="says nothing"):
        analysis.judge(found, [{**reason, "reason": "fine"}])
    with pytest.raises(WorkshopFailed, match="no longer finds"):
        analysis.judge([], [reason])


# -- mutants


def test_a_mutant_changes_one_place() -> None:
    mutant = mutants.Mutant(name="off by one", file="src/escrow/DebtEscrow.sol", find="<=", replace="<")
    assert mutant.applied("a <= b") == "a < b"
    for text in ("a < b", "a <= b <= c"):
        with pytest.raises(WorkshopFailed, match="not once"):
            mutant.applied(text)


def test_every_listed_mutant_fits_the_sources() -> None:
    listed = mutants.listed()
    assert len(listed) >= 25
    assert len({mutant.name for mutant in listed}) == len(listed)
    for mutant in listed:
        mutant.applied((workshop.CONTRACTS / mutant.file).read_text("utf-8"))
