"""`./run contracts`: every step by name, its result and its time; all run, so that one look shows all faults.

`python -m tools.contracts.main [--short | --write | --mutants | --long]`. It compiles, tests and measures the
contracts and changes nothing, but for --write, which writes contracts/artifacts and contracts/gas.md.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Mapping

from tools import compile_contracts
from tools.contracts import analysis, coverage, gas, mutants, tests, workshop
from tools.contracts.workshop import WorkshopFailed
from tools.npm_package import PackageError

Step = Callable[[], str]


def reproduced() -> str:
    """The committed artifacts are, byte for byte, what the sources and the pinned compiler give."""
    fresh = compile_contracts.artifacts()
    wrong = compile_contracts.check(fresh)
    if wrong:
        msg = f"not what the sources give: {', '.join(wrong)} (./run contracts --write makes them anew)"
        raise WorkshopFailed(msg)
    return f"{len(fresh)} artifacts reproduce bit for bit"


def same_code() -> str:
    """What forge's tests ran is what is published."""
    compared = 0
    for path in sorted(compile_contracts.ARTIFACTS.glob("*.json")):
        artifact = json.loads(path.read_text("utf-8"))
        source = artifact["source"]
        if not source.startswith("src/escrow/"):
            continue
        built = workshop.BUILD / "out" / source.rpartition("/")[2] / path.name
        code = json.loads(built.read_text("utf-8"))["bytecode"]["object"] if built.is_file() else None
        if code != artifact["bytecode"]:
            msg = f"forge built other code for {path.stem} than contracts/artifacts holds"
            raise WorkshopFailed(msg)
        compared += 1
    if not compared:
        msg = "there is no artifact of the escrow"
        raise WorkshopFailed(msg)
    return f"{compared} contracts: the tested code is the published code"


SHORT: Mapping[str, Step] = {
    "artifacts": reproduced,
    "unit and fuzz": lambda: tests.unit_and_fuzz(tests.SHORT),
    "invariants": lambda: tests.invariants(tests.SHORT),
    "same code": same_code,
    "gas": gas.check,
}
FULL: Mapping[str, Step] = {
    "artifacts": reproduced,
    "unit and fuzz": lambda: tests.unit_and_fuzz(tests.FULL),
    "invariants": lambda: tests.invariants(tests.FULL),
    "same code": same_code,
    "coverage": coverage.coverage,
    "gas": gas.check,
    "slither": analysis.slither,
    "halmos": analysis.halmos,
}
WORDS: Mapping[str, Mapping[str, Step]] = {
    "": FULL,
    "--short": SHORT,
    "--mutants": {"mutants": mutants.all_killed},
    "--long": {**FULL, "mutants": mutants.all_killed},
    "--write": {"artifacts": compile_contracts.write, "gas": gas.write},
}


def carry_out(steps: Mapping[str, Step]) -> int:
    failed = []
    for name, step in steps.items():
        print(f"-- {name}", flush=True)
        started = time.monotonic()
        try:
            said = step()
        except PackageError as error:
            failed.append(name)
            said = f"FAILED: {error}"
        print(f"   {said} ({time.monotonic() - started:.1f} s)", flush=True)
    passed = len(steps) - len(failed)
    print(f"contracts: {'failed: ' + ', '.join(failed) if failed else f'{passed} of {passed} steps passed'}")
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    # A plain kill gets the same tidy end as Ctrl-C: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    word = " ".join(arguments)
    if word not in WORDS:
        print(f"contracts: {word} is none of {', '.join(filter(None, WORDS))}", file=sys.stderr)
        return 2
    try:
        workshop.prepare()
    except (PackageError, OSError) as error:
        print(f"contracts: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    try:
        return carry_out(WORDS[word])
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
