"""The verifier's command line: `quittance verify …`, or `python -I -m app.verifier …` with nothing else.

Standard library only. Exit code 0: all holds; 4: consistent, but the question or the anchor came only with
the bundle; 1: rejected; 2: usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.verifier.anchor import Anchor
from app.verifier.verdict import Verdict
from app.verifier.verify import verify
from chains.errors import BadIdentifier

_EXAMPLE = "Example: quittance verify quittance-evi_….zip --case case.json --anchor 23456789:0xabc…"


def main(arguments: Sequence[str], *, program: str = "quittance verify") -> int:
    """Print the verdict and return the exit code."""
    given = _parser(program).parse_args(list(arguments))
    verdict = verify(bundle=given.bundle, case=given.case, anchors=tuple(given.anchor))
    if given.as_json:
        text = json.dumps(verdict.document(), indent=2)
    else:
        text = "\n".join(map(_printable, _lines(verdict)))
    # What a terminal can't show must not end in a traceback.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    return verdict.exit_code


def _printable(line: str) -> str:
    """Names in a bundle are anybody's text: they must not move the cursor or forge a line of the verdict."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in line
    )


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Check a bundle offline: no network, no database. "
        "Exit codes: 0 all holds, 4 consistent but not all was checked, 1 rejected.",
        epilog=_EXAMPLE,
    )
    parser.add_argument("bundle", type=Path, help="the bundle's zip file")
    parser.add_argument("--case", type=Path, help="the question, handed over apart from the bundle")
    parser.add_argument(
        "--anchor",
        type=_anchor,
        action="append",
        default=[],
        help="N:0x…, typed by hand: number and hash of block b+1 (for several chains, repeat it)",
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="one JSON object on stdout")
    return parser


def _anchor(text: str) -> Anchor:
    try:
        return Anchor.parse(text)
    except BadIdentifier as error:
        raise argparse.ArgumentTypeError(error.detail) from error


def _lines(verdict: Verdict) -> Iterator[str]:
    if not verdict.ok:
        yield f"REJECTED: {verdict.file}: {verdict.reason}"
        return
    yield from verdict.conditions
    head = "Consistent" if verdict.conditions else "All holds"
    facts = verdict.facts
    yield f"{head}: evidence {facts['evidence_id']}, root R {facts['root']}"
    yield f"Result {facts['result']}, grade {facts['grade'] or 'none'}, tie {facts['tie'] or 'none'}"
    yield from (facts["scope_sentence"], *facts["claims"])
    yield from (f"checked: {line}" for line in verdict.checked)
    yield from (f"not covered: {line}" for line in verdict.not_covered)
