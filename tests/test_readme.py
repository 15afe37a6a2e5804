"""What the README says, done literally."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLE_SECONDS_MAX = 180


def test_the_two_commands_are_named() -> None:
    assert "./run demo" in README
    assert "./run test" in README


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def paste(heading: str, anvil_path: Path) -> tuple[str, str]:
    """What the block under this heading says on stdout and stderr."""
    block = re.search(r"```sh\n(.*?)```", README.partition(f"## {heading}\n")[2], re.DOTALL)
    assert block is not None
    shell = subprocess.Popen(
        ["bash", "-c", block[1]],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"QUITTANCE_ANVIL": str(anvil_path)},
        start_new_session=True,
    )
    try:
        out, err = shell.communicate(timeout=EXAMPLE_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        # The demo it started in the background is of the same group.
        os.killpg(shell.pid, signal.SIGTERM)
        raise
    assert not (ROOT / "data" / "demo" / "keep.json").exists()
    return out, err


def test_the_first_answer_without_any_record(anvil_path: Path) -> None:
    out, err = paste("First answer without any record", anvil_path)
    assert "5 transfers to the account 0x" in out, err
    assert "This does not say whether anything was paid." in out
    assert "contracts bear the symbol USDX" in out
    assert "zero-value" in out


def test_the_pasted_example_works(anvil_path: Path) -> None:
    out, err = paste("The API in a few lines", anvil_path)
    assert "recorded pty_" in out, err
    assert "LOAN-2026-7 PARTIAL not covered: 3000 to 5000" in out
    assert "undecided: 2000 ['unknown-payer']" in out
