"""forge's tests of the contracts: unit, fuzz and invariants, and whether as many ran as were asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tools.contracts.workshop import Done, WorkshopFailed, forge

INVARIANTS = "test/invariant/**"
TEST_SECONDS_MAX = 1_800

_SUMMARY = re.compile(r"(\d+) tests? passed, (\d+) failed, (\d+) skipped \((\d+) total tests?\)")
_FUZZED = re.compile(r"^\[PASS\] (\w+)\([^\n]*\) \(runs: (\d+), μ", re.MULTILINE)
_INVARIANT = re.compile(
    r"^\[PASS\] (\w+)\([^\n]*\) \(runs: (\d+), calls: (\d+), reverts: (\d+)\)", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How often a fuzz test is run, how many sequences an invariant is tried on, and how long each is."""

    fuzz_runs: int
    invariant_runs: int
    invariant_depth: int

    def settings(self) -> dict[str, str]:
        return {
            "FOUNDRY_FUZZ_RUNS": str(self.fuzz_runs),
            "FOUNDRY_INVARIANT_RUNS": str(self.invariant_runs),
            "FOUNDRY_INVARIANT_DEPTH": str(self.invariant_depth),
        }


FULL = Amount(fuzz_runs=1_000, invariant_runs=64, invariant_depth=64)
SHORT = Amount(fuzz_runs=64, invariant_runs=16, invariant_depth=64)


def unit_and_fuzz(amount: Amount) -> str:
    """Every test but the invariants. Raises WorkshopFailed; else says what was run."""
    done = forge(
        "test",
        "--no-match-path",
        INVARIANTS,
        seconds_max=TEST_SECONDS_MAX,
        settings=amount.settings(),
    )
    passed = _passed(done)
    fuzzed = [(name, int(runs) >= amount.fuzz_runs) for name, runs in _FUZZED.findall(done.said)]
    _enough(fuzzed, done=done)
    return f"{passed} tests passed, {len(fuzzed)} of them fuzzed, {amount.fuzz_runs} runs each"


def invariants(amount: Amount) -> str:
    """The invariants on random sequences of calls. Raises WorkshopFailed; else says what was run."""
    done = forge("test", "--match-path", INVARIANTS, seconds_max=TEST_SECONDS_MAX, settings=amount.settings())
    _passed(done)
    calls_min = amount.invariant_runs * amount.invariant_depth
    # The same names come again for another kind of money.
    held = [
        (name, int(runs) >= amount.invariant_runs and int(calls) >= calls_min)
        for name, runs, calls, _ in _INVARIANT.findall(done.said)
    ]
    _enough(held, done=done)
    size = f"{amount.invariant_runs} sequences of {amount.invariant_depth} calls each"
    return f"{len(held)} invariants held on {size}"


def passed_and_failed(done: Done) -> tuple[int, int]:
    """How many tests forge ran, by its closing line; none is (0, 0)."""
    found = _SUMMARY.findall(done.said)
    return (int(found[-1][0]), int(found[-1][1])) if found else (0, 0)


def _passed(done: Done) -> int:
    passed, failed = passed_and_failed(done)
    # A skipped test, and a pattern that finds none, are not passed over.
    skipped = sum(int(found[2]) for found in _SUMMARY.findall(done.said))
    if done.code != 0 or failed or skipped or not passed:
        msg = f"forge test: {passed} passed, {failed} failed, {skipped} skipped\n{done.tail()}"
        raise WorkshopFailed(msg)
    return passed


def _enough(ran: list[tuple[str, bool]], *, done: Done) -> None:
    """A test's own settings in a comment go before ours, so that what was run is looked at."""
    short = sorted(name for name, enough in ran if not enough)
    if not ran or short:
        msg = f"run too little: {', '.join(short) or 'everything'}\n{done.tail()}"
        raise WorkshopFailed(msg)
