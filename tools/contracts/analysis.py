"""slither and halmos: what a reader of the sources suspects, and what a prover can show within bounds.

Both live in a venv of their own, since they ask for other versions of what Quittance runs on.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.contracts.workshop import CONTRACTS, PROGRAMS, ROOT, WorkshopFailed, run

CHECKERS = ROOT / ".cache" / "checkers" / "bin"
ACCEPTED = CONTRACTS / "slither.json"
OURS = "src/escrow/"
SLITHER_SECONDS_MAX = 600
HALMOS_SECONDS_MAX = 1_800
REASON_LENGTH_MIN = 20

_PROVED = re.compile(r"Symbolic test result: (\d+) passed; (\d+) failed")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One of slither's suspicions: its detector, and the contract, function or variable that it is about."""

    check: str
    where: str


def slither() -> str:
    """Nothing high or medium without a written reason in contracts/slither.json. Raises WorkshopFailed."""
    with tempfile.TemporaryDirectory(prefix="quittance-slither-") as folder:
        report = Path(folder) / "report.json"
        command = [str(CHECKERS / "slither"), ".", "--json", str(report), "--fail-none"]
        # Built apart, since slither wants the compiler's own record of the build.
        done = run(
            [*command, "--foundry-out-directory", f"{folder}/out"],
            seconds_max=SLITHER_SECONDS_MAX,
            settings=_settings(folder),
            folder=CONTRACTS,
        )
        if not report.is_file():
            msg = f"slither did not report (exit code {done.code})\n{done.tail()}"
            raise WorkshopFailed(msg)
        found = json.loads(report.read_text("utf-8"))
    if found.get("success") is not True:
        msg = f"slither failed: {found.get('error')}\n{done.tail()}"
        raise WorkshopFailed(msg)
    return judge(findings(found), json.loads(ACCEPTED.read_text("utf-8")))


def findings(report: dict[str, Any]) -> list[Finding]:
    """What is high or medium and about our own sources."""
    return sorted(
        {
            Finding(check=result["check"], where=_where(result["elements"][0]))
            for result in report["results"].get("detectors", [])
            if result["impact"] in ("High", "Medium")
            and result["elements"]
            and _is_ours(result["elements"][0])
        }
    )


def judge(found: Sequence[Finding], accepted: Sequence[dict[str, str]]) -> str:
    reasons = {Finding(check=it["check"], where=it["where"]): it["reason"] for it in accepted}
    thin = [name for name, reason in reasons.items() if len(reason.strip()) < REASON_LENGTH_MIN]
    complaints = [f"no reason is written for {it.check} in {it.where}" for it in found if it not in reasons]
    complaints += [f"the reason for {it.check} in {it.where} says nothing" for it in thin]
    # A reason that outlived its finding would cover the next one unread.
    complaints += [f"slither no longer finds {it.check} in {it.where}" for it in reasons if it not in found]
    if complaints:
        msg = "slither: " + "\nslither: ".join(complaints)
        raise WorkshopFailed(msg)
    return f"nothing high or medium but {len(found)} findings with a written reason"


def halmos() -> str:
    """The bounded properties, on all inputs at once. Raises WorkshopFailed; else says how many hold."""
    with tempfile.TemporaryDirectory(prefix="quittance-halmos-") as folder:
        command = [str(CHECKERS / "halmos"), "--function", "check_", "--no-status"]
        done = run(
            [*command, "--forge-build-out", f"{folder}/out"],
            seconds_max=HALMOS_SECONDS_MAX,
            settings=_settings(folder),
            folder=CONTRACTS,
        )
    results = [(int(passed), int(failed)) for passed, failed in _PROVED.findall(done.said)]
    passed, failed = sum(it[0] for it in results), sum(it[1] for it in results)
    if done.code != 0 or failed or not passed:
        msg = f"halmos: {passed} proved, {failed} not\n{done.tail()}"
        raise WorkshopFailed(msg)
    return f"{passed} properties proved"


def _settings(folder: str) -> dict[str, str]:
    """A build of its own, our forge and compiler before all others, and halmos's solver from its own venv."""
    return {
        "FOUNDRY_OUT": f"{folder}/out",
        "FOUNDRY_CACHE_PATH": f"{folder}/cache",
        "PATH": f"{PROGRAMS}:{CHECKERS}:{os.environ.get('PATH', '')}",
    }


def _where(element: dict[str, Any]) -> str:
    """`Contract.function.variable`, as far as it goes; a line number would change with every edit."""
    names = [element["name"]]
    for _ in range(3):
        element = element.get("type_specific_fields", {}).get("parent", {})
        if element.get("type") in ("contract", "function"):
            names.insert(0, element["name"])
    return ".".join(names)


def _is_ours(element: dict[str, Any]) -> bool:
    return bool(element["source_mapping"]["filename_relative"].startswith(OURS))
