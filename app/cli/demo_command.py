"""`quittance demo`: the main job, shown step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from app.cli.demo.run import Watcher, run_demo
from app.cli.output import NEGATIVE, configure_logs, err, out, plain_errors, print_json
from app.cli.reading import AsJson, bar
from app.cli.table import assessment_lines

# Below the folder the command is started in; ignored by git.
FOLDER = Path("data") / "demo"


def demo(as_json: AsJson = False) -> None:
    """Play a loan on a local chain; record, read, assess, seal and verify it. Example: quittance demo"""
    configure_logs("console")
    with plain_errors():
        with bar("reading") as advance:
            watcher = Watcher(
                step=lambda text: err.print(text, style="bold cyan", markup=False),
                told=lambda text: err.print(f"  {text}", markup=False),
                progress=advance,
            )
            document = run_demo(folder=FOLDER.absolute(), watcher=watcher)
        if as_json:
            print_json(document)
        else:
            _print(document)
        if not document["verify"]["ok"] or document["tampered"]["ok"]:
            raise typer.Exit(NEGATIVE)


def _print(document: dict[str, Any]) -> None:
    for line in assessment_lines(document["assessment"]):
        out.print(line)
    evidence, verify, tampered = document["evidence"], document["verify"], document["tampered"]
    out.print(
        f"Verified offline: {'all holds' if verify['exit_code'] == 0 else 'not accepted'}", markup=False
    )
    out.print(f"One byte flipped: rejected, {tampered['file']}: {tampered['reason']}", markup=False)
    for name in ("bundle", "report", "case", "anchor"):
        out.print(f"{name:7}{evidence[name]}", markup=False)
