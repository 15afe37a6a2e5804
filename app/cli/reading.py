"""`quittance chains …` and `quittance index`: configuring chains, and reading them with a progress bar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import quote

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app.api.limits import BODY_BYTES_MAX
from app.cli import jobs
from app.cli.local import open_local_api, open_resources
from app.cli.output import ENVIRONMENT, AsJson, configure_logs, err, out, plain_errors, print_json
from app.db import reading
from app.errors import Fault, InvalidInput
from app.ingest.follow import ReadReport, follow_chain
from app.ingest.lease import lease_asked_for, new_holder
from app.ingest.read import ReadProgress
from app.ingest.store.chains import Chain
from app.ingest.store.chains import chains as configured_chains
from app.resources import Resources

chains = typer.Typer(no_args_is_help=True, help="Chains and the nodes they are read through.")


def read_body(path: Path) -> Any:
    """A request's body from a file; the same JSON as the HTTP API takes."""
    try:
        with path.open("rb") as stream:
            return json.loads(stream.read(BODY_BYTES_MAX))
    except OSError as error:
        raise InvalidInput([Fault(pointer=str(path), detail=f"{error.strerror}")]) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput([Fault(pointer=str(path), detail=f"not JSON: {error}")]) from error


@chains.command("put")
def put(chain: str, file: Path, as_json: AsJson = False) -> None:
    """Configure a chain from a JSON file. Example: quittance chains put eip155:1 ethereum.json"""
    with plain_errors(), open_local_api() as api:
        document = api.request("PUT", f"/v1/chains/{quote(chain)}", read_body(file))
        print_json(document) if as_json else out.print(f"{document['chain']} {document['name']}: configured")


@chains.command("list")
def show(as_json: AsJson = False) -> None:
    """What is configured, and how far it is read. Example: quittance chains list"""
    with plain_errors(), open_local_api() as api:
        document = api.request("GET", "/v1/chains")
        if as_json:
            print_json(document)
            return
        for item in document["items"]:
            out.print(
                f"{item['chain']}  {item['name']}  final block {item['finalized']}, "
                f"read through {item['read_through']}",
                markup=False,
            )


def index(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="As a recorded job, done by a worker if one is alive."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read what is missing of every configured chain up to its final block. Example: quittance index"""
    if repair:
        _repair(as_json=as_json)
        return
    with plain_errors(), open_resources() as resources:
        configure_logs(resources.settings.log_format)
        with reading(resources.engine) as connection:
            configured = configured_chains(connection)
        reports = [_read(chain, resources=resources) for chain in configured]
    if as_json:
        print_json({"chains": [report_document(report) for report in reports]})
    for report in reports:
        if report.failure is not None:
            err.print(f"{report.chain}: {report.failure}", style="red", markup=False)
        elif not as_json:
            out.print(f"{report.chain}: read to block {report.final_block}, {report.transfers} new transfers")
        if report.native_failure is not None:
            said = f"{report.chain}: the native coin was not read: {report.native_failure}"
            err.print(said, style="red", markup=False)
    if any(report.failure or report.native_failure for report in reports):
        raise typer.Exit(ENVIRONMENT)


def _repair(*, as_json: bool) -> None:
    with plain_errors(), open_local_api() as api:
        configure_logs(api.resources.settings.log_format)
        items = api.request("GET", "/v1/chains")["items"]
        done = [jobs.repair(item["chain"], api=api) for item in items]
    if as_json:
        print_json({"jobs": done})
    for job in done:
        if job["state"] != "done":
            err.print(f"{job['object']}: {job['failure'] or job['state']}", style="red", markup=False)
        elif not as_json:
            out.print(f"{job['object']}: nothing is missing", markup=False)
    if any(job["state"] != "done" for job in done):
        raise typer.Exit(ENVIRONMENT)


def _read(chain: Chain, *, resources: Resources) -> ReadReport:
    """A worker that follows the chain gives it up for as long as this takes."""
    with (
        bar(str(chain.id)) as advance,
        lease_asked_for(
            engine=resources.engine,
            chain_id=chain.id,
            holder=new_holder(),
            seconds=resources.settings.lease_seconds,
        ) as held,
    ):
        return follow_chain(
            engine=held.engine,
            chain=chain,
            outside=resources.outside,
            clock=resources.clock,
            progress=advance,
        )


def report_document(report: ReadReport) -> dict[str, Any]:
    return {
        "chain": str(report.chain),
        "head": report.head_block,
        "finalized": report.final_block,
        "transfers": report.transfers,
        "failure": report.failure,
        "native_failure": report.native_failure,
    }


class bar:  # noqa: N801 - used like a function.
    """A progress bar for one chain, on stderr."""

    def __init__(self, label: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[found]}"),
            TimeElapsedColumn(), console=err,
        )  # fmt: skip
        self._task: TaskID | None = None
        self._label = label

    def __enter__(self) -> Self:
        self._progress.start()
        self._task = self._progress.add_task(self._label, total=None, found="")
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, read: ReadProgress) -> None:
        assert self._task is not None  # noqa: S101 - entered.
        self._progress.update(
            self._task,
            total=read.total,
            completed=read.done,
            found=f"block {read.last_block}, {read.transfers} transfers",
        )
