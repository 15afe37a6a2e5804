"""The list of commands, as `quittance --help` shows it."""

from __future__ import annotations

import typer

from app.cli import debts, demo_command, inquiry, jobs, keys, reading, serving
from app.verifier import command as verifier

app = typer.Typer(
    name="quittance",
    no_args_is_help=True,
    add_completion=False,
    help="Which transfers a chain records, what they cover of a recorded debt, and what was not searched.",
)
app.command("demo")(demo_command.demo)
app.command("check")(inquiry.check)
app.command("explain")(inquiry.explain)
app.command("serve")(serving.serve)
app.command("worker")(serving.worker)
app.command("index")(reading.index)
app.command("jobs")(jobs.jobs)
app.add_typer(reading.chains, name="chains")
app.add_typer(debts.assets, name="asset")
app.add_typer(debts.parties, name="party")
app.add_typer(debts.debts, name="debt")
app.command("assess")(debts.assess)
app.command("evidence")(debts.evidence)
app.add_typer(keys.keys, name="keys")
app.add_typer(keys.database, name="db")


@app.command(
    "verify",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def verify(context: typer.Context) -> None:
    """Check a bundle offline. Exit code 0: all holds; 4: not all was checked; 1: rejected."""
    raise typer.Exit(verifier.main(context.args))
