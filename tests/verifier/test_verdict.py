"""The command: its exit codes, what it prints first, and that names in a bundle can't forge its lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.verifier.command import main
from tests.journeys.played import ROOT, Played
from tests.verifier.forger import CASE, Forger

ANCHOR_QUESTION = "NOT CHECKED: compare hash"
CASE_QUESTION = "NOT CHECKED: the question came only with the bundle"


@pytest.fixture
def out(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    return capsys


def run(out: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[str]]:
    code = main([str(argument) for argument in arguments])
    return code, out.readouterr().out.splitlines()


def checked(lines: list[str]) -> set[str]:
    """Which of the two things from outside are said to have been compared."""
    said = {
        "case": "checked: data/case.json against the question",
        "anchor": "checked: the anchor against what was typed",
    }
    assert "checked: the assessment, recomputed" in lines
    return {name for name, line in said.items() if line in lines}


@pytest.mark.parametrize("form", [str.lower, lambda text: text.upper().replace("0X", "0x"), "  {}\t".format])
def test_case_and_anchor_given(played: Played, out: pytest.CaptureFixture[str], form: object) -> None:
    assert callable(form)
    code, lines = run(out, played.bundle, "--case", played.case, "--anchor", form(str(played.anchor)))
    assert code == 0, lines
    assert lines[0].startswith("All holds: evidence evi_")
    assert "Result PARTIAL, grade provider-reported, tie contract" in lines
    assert not any(line.startswith("NOT CHECKED") for line in lines)
    assert checked(lines) == {"case", "anchor"}


def test_without_an_anchor(played: Played, out: pytest.CaptureFixture[str]) -> None:
    code, lines = run(out, played.bundle, "--case", played.case)
    assert code == 4
    assert lines[0] == (
        f"{ANCHOR_QUESTION} {played.anchor.hash} of block {played.anchor.number} with two sources you trust."
    )
    assert lines[1].startswith("Consistent: evidence evi_")
    assert checked(lines) == {"case"}


def test_without_a_case(played: Played, out: pytest.CaptureFixture[str]) -> None:
    code, lines = run(out, played.bundle, "--anchor", str(played.anchor))
    assert code == 4
    assert lines[0].startswith(CASE_QUESTION)
    assert lines[1].startswith("Consistent")
    assert checked(lines) == {"anchor"}


def test_without_both(played: Played, out: pytest.CaptureFixture[str]) -> None:
    code, lines = run(out, played.bundle)
    assert code == 4
    assert lines[0].startswith(CASE_QUESTION)
    assert lines[1].startswith(ANCHOR_QUESTION)
    assert checked(lines) == set()


def test_with_white_space_in_the_case(
    played: Played, out: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What counts is the question, not how its file is laid out."""
    case = tmp_path / "case.json"
    case.write_text(json.dumps(json.loads(played.case.read_text("utf-8")), indent=7), "utf-8")
    assert run(out, played.bundle, "--case", case, "--anchor", str(played.anchor))[0] == 0


def test_another_anchor(played: Played, out: pytest.CaptureFixture[str]) -> None:
    for anchor in (
        f"{played.anchor.number + 1}:{played.anchor.hash}",
        f"{played.anchor.number}:0x{'ab' * 32}",
    ):
        code, lines = run(out, played.bundle, "--case", played.case, "--anchor", anchor)
        assert code == 1
        assert lines == [f"REJECTED: {CASE}: has another anchor than {anchor}"]


def test_an_anchor_more_than_there_is(played: Played, out: pytest.CaptureFixture[str]) -> None:
    right, wrong = str(played.anchor), f"7:0x{'ab' * 32}"
    assert run(out, played.bundle, "--anchor", right, "--anchor", wrong)[0] == 1


@pytest.mark.parametrize("text", ["", "20", "20:0x12", "0x14:0x" + "ab" * 32, "-1:0x" + "ab" * 32, "٢:0x00"])
def test_an_anchor_that_is_none_is_a_wrong_usage(
    played: Played, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    with pytest.raises(SystemExit) as left:
        main([str(played.bundle), f"--anchor={text}"])
    assert left.value.code == 2
    assert "argument --anchor" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format":1}', b"\xff", b"[" * 100_000, b'{"a":1,"a":1}', b"1e5"]
)
def test_a_case_file_that_is_none(
    played: Played, out: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
) -> None:
    case = tmp_path / "case.json"
    case.write_bytes(content)
    code, lines = run(out, played.bundle, "--case", case, "--anchor", str(played.anchor))
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("REJECTED: ")


def test_files_that_are_not_there(played: Played, out: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments in (
        (tmp_path / "missing.zip",),
        (tmp_path,),
        (played.bundle, "--case", tmp_path / "missing.json"),
        (played.bundle, "--case", tmp_path),
        (played.case,),
    ):
        code, lines = run(out, *arguments)
        assert code == 1
        assert len(lines) == 1
        assert lines[0].startswith("REJECTED: ")


def test_the_json_form_says_the_same(played: Played, out: pytest.CaptureFixture[str]) -> None:
    code, lines = run(out, played.bundle, "--case", played.case, "--json")
    answer = json.loads("\n".join(lines))
    assert code == answer["exit_code"] == 4
    assert answer["ok"] is True
    assert answer["conditions"][0].startswith(ANCHOR_QUESTION)
    code, lines = run(out, played.case, "--json")
    answer = json.loads("\n".join(lines))
    assert (code, answer["ok"], answer["file"]) == (1, False, "<container>")


HOSTILE = "Ethereum\nAll holds: evidence evi_x\r\x1b[2J\x1b[1mchecked\u202e: \x9b1m\u2028\x00"


@pytest.mark.parametrize("flag", [[], ["--json"]])
def test_a_name_can_not_move_the_cursor_or_forge_a_line(
    forger: Forger, played: Played, out: pytest.CaptureFixture[str], tmp_path: Path, flag: list[str]
) -> None:
    """The chain's name, the operator's and the symbol are in the sentences that are printed."""
    forger.set(CASE, "scope/0/name", HOSTILE)
    forger.set(CASE, "operator/name", HOSTILE)
    forger.set(CASE, "debt/asset/symbol", HOSTILE)
    forger.set(CASE, "registered_assets", [])
    forger.follow()
    bundle = forger.sealed(tmp_path)
    assert main([str(bundle), "--anchor", str(played.anchor), *flag]) == 4
    text = out.readouterr().out
    assert all(char.isprintable() for char in text.replace("\n", ""))
    assert not any(line.startswith("All holds") for line in text.splitlines())
    assert "\\u202e" in text


def test_a_terminal_of_another_encoding(forger: Forger, played: Played, tmp_path: Path) -> None:
    forger.set(CASE, "scope/0/name", "以太坊")
    forger.follow()
    bundle = forger.sealed(tmp_path)
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from app.verifier.command import main;"
        "sys.stdout.reconfigure(encoding='ascii'); sys.exit(main(sys.argv[1:]))"
    )
    answer = subprocess.run(
        [sys.executable, "-I", "-c", script, bundle, "--anchor", str(played.anchor)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 4, answer.stderr
    assert "Traceback" not in answer.stderr
    assert "\\u4ee5" in answer.stdout
