"""`quittance demo`: the main job, shown step by step."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.demo.run import Keep, Watcher, run_demo
from app.cli.output import NEGATIVE, AsJson, configure_logs, err, out, plain_errors, print_json
from app.cli.reading import bar
from app.cli.serving import wait_until_stopped
from app.cli.table import assessment_lines

# Below the folder the command is started in; ignored by git.
FOLDER = Path("data") / "demo"


def demo(
    as_json: AsJson = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the demo's service running; stop it with Ctrl-C.")
    ] = False,
) -> None:
    """Play a loan on a local chain; record, read, assess, seal and verify it. Example: quittance demo"""
    configure_logs("console")
    with plain_errors():
        with bar("reading") as advance:
            watcher = Watcher(
                step=lambda text: err.print(text, style="bold cyan", markup=False),
                told=lambda text: err.print(f"  {text}", markup=False),
                progress=advance,
            )
            show = _show_json if as_json else _print
            document = run_demo(
                folder=FOLDER.absolute(),
                watcher=watcher,
                keep=_keeper(show) if keep else None,
            )
        if not keep:
            show(document)
        if not document["verify"]["ok"] or document["tampered"]["ok"]:
            raise typer.Exit(NEGATIVE)


def _keeper(show: Callable[[dict[str, Any]], None]) -> Keep:
    """Say where the service is, in a file that only its owner reads, and wait to be stopped."""

    def keep(url: str, key: str, document: dict[str, Any], asked: dict[str, str]) -> None:
        show(document)
        path = FOLDER.absolute() / "keep.json"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            kept = {"url": url, "key": key, "debt_id": document["debt_id"], "asked": asked}
            json.dump(kept, stream)
        err.print(
            f"The service stays at {url} (its key is in {path}) until Ctrl-C. It has no worker: "
            "what is asked of it from now on stays queued.",
            markup=False,
        )
        try:
            wait_until_stopped()
        finally:
            path.unlink(missing_ok=True)

    return keep


def _show_json(document: dict[str, Any]) -> None:
    print_json(document)
    sys.stdout.flush()


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
