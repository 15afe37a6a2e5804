"""Faults made by hand, each in one place of the escrow's sources: the tests must notice every one.

contracts/mutants.json lists them. A mutant whose text is not found exactly once fails the run, so that
the list can't fall behind the sources. The sources themselves are never touched: a copy is.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.contracts.tests import INVARIANTS, Amount, passed_and_failed
from tools.contracts.workshop import CONTRACTS, WorkshopFailed, forge

LIST = CONTRACTS / "mutants.json"
MUTANT_SECONDS_MAX = 600
# Few runs: a fault that only luck finds is one that no test names.
AMOUNT = Amount(fuzz_runs=64, invariant_runs=16, invariant_depth=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """What is replaced by what in a file under contracts/, and the fault in words."""

    name: str
    file: str
    find: str
    replace: str

    def applied(self, text: str) -> str:
        """Raises WorkshopFailed when the list is behind the sources."""
        if text.count(self.find) != 1 or self.find == self.replace:
            msg = f"mutant '{self.name}': its text is {text.count(self.find)} times in {self.file}, not once"
            raise WorkshopFailed(msg)
        return text.replace(self.find, self.replace)


def listed() -> list[Mutant]:
    found = json.loads(LIST.read_text("utf-8"))
    return [Mutant(name=it["name"], file=it["file"], find=it["find"], replace=it["replace"]) for it in found]


def all_killed() -> str:
    """Raises WorkshopFailed when one survives; else says how many were killed."""
    mutants = listed()
    originals = {file: (CONTRACTS / file).read_text("utf-8") for file in {it.file for it in mutants}}
    for mutant in mutants:  # The list as a whole first: it takes no time.
        mutant.applied(originals[mutant.file])
    with tempfile.TemporaryDirectory(prefix="quittance-mutants-") as folder:
        copy = _copy(Path(folder))
        if not _passes(copy):
            msg = "the tests fail without any mutant; run ./run contracts first"
            raise WorkshopFailed(msg)
        survivors = [mutant.name for mutant in mutants if not _killed(mutant, copy=copy, originals=originals)]
    if survivors or not mutants:
        msg = f"{len(survivors)} of {len(mutants)} mutants survive: {'; '.join(survivors)}"
        raise WorkshopFailed(msg)
    return f"{len(mutants)} of {len(mutants)} mutants killed"


def _copy(folder: Path) -> Path:
    for name in ("src", "test", "node_modules"):
        shutil.copytree(CONTRACTS / name, folder / name, symlinks=True)
    for path in CONTRACTS.glob("*.t*"):
        shutil.copy2(path, folder)  # foundry.toml, remappings.txt
    return folder


def _killed(mutant: Mutant, *, copy: Path, originals: Mapping[str, str]) -> bool:
    target = copy / mutant.file
    target.write_text(mutant.applied(originals[mutant.file]), "utf-8")
    try:
        killed = not _passes(copy)
    finally:
        target.write_text(originals[mutant.file], "utf-8")
    print(f"   {'killed' if killed else 'SURVIVED'}: {mutant.name}", flush=True)
    return killed


def _passes(copy: Path) -> bool:
    """Unit tests first, since they notice most in least time; the invariants if those notice nothing."""
    return _phase(copy, "--no-match-path", INVARIANTS) and _phase(copy, "--match-path", INVARIANTS)


def _phase(copy: Path, *words: str) -> bool:
    settings = {
        "FOUNDRY_OUT": f"{copy}/out",
        "FOUNDRY_CACHE_PATH": f"{copy}/cache",
        # The tests deploy by name, so that a mutant compiles itself anew and not every test with it.
        "FOUNDRY_DYNAMIC_TEST_LINKING": "true",
    }
    done = forge(
        "test",
        "--fail-fast",
        *words,
        seconds_max=MUTANT_SECONDS_MAX,
        settings=AMOUNT.settings() | settings,
        folder=copy,
    )
    passed, failed = passed_and_failed(done)
    if passed + failed == 0:  # It does not compile, which says nothing of the tests.
        msg = f"forge ran no test\n{done.tail()}"
        raise WorkshopFailed(msg)
    return done.code == 0 and failed == 0
