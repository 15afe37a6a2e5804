"""`quittance serve` and `quittance worker`."""

from __future__ import annotations

import json
import signal
import socket
import threading
from typing import Annotated

import typer
import uvicorn

from app.cli.local import open_resources
from app.cli.output import AsJson, configure_logs, err, plain_errors, print_json
from app.cli.reading import report_document
from app.db import reading
from app.errors import EnvironmentProblem
from app.main import create_app, sealing_tools
from app.resources import Resources
from app.roles import standing
from app.tenants.service import first_start
from app.worker.loop import running, work_once


class PortInUse(EnvironmentProblem):
    """Something else listens where the service should."""


def serve(
    host: Annotated[str | None, typer.Option(help="Default: loopback, or QUITTANCE_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Default 8000, or QUITTANCE_PORT.")
    ] = None,
    with_worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Read chains and work in this process, too.")
    ] = True,
) -> None:
    """Serve the HTTP API, and read chains and seal evidence beside it.

    The first start prints the operator's key, once. Example: quittance serve --port 8000
    """
    with plain_errors(), open_resources() as resources:
        configure_logs(resources.settings.log_format)
        address = (host or resources.settings.host, resources.settings.port if port is None else port)
        with _listener(address) as listener:
            works = _may_work(resources, wanted=with_worker)
            _print_first_key(resources)
            where = listener.getsockname()
            err.print(f"Serving on http://{where[0]}:{where[1]} (OpenAPI at /docs)", markup=False)
            app = create_app(resources, with_worker=works)
            config = uvicorn.Config(app, log_level="warning", access_log=False)
            for number in (signal.SIGINT, signal.SIGTERM):
                # The server ends in order and then raises the signal again: what is left is ours to close.
                signal.signal(number, lambda *_: None)
            uvicorn.Server(config).run(sockets=[listener])


def _may_work(resources: Resources, *, wanted: bool) -> bool:
    """Whether this process reads and seals too. Says where the database does not let it, or is off guard."""
    with reading(resources.engine) as connection:
        user = standing(connection)
    if user is None:
        return wanted
    if not user.bound:
        err.print(
            f"The database user {user.user} sees the rows of all tenants: only the queries keep them apart. "
            "docs/settings.md tells how the database does so too.",
            markup=False,
        )
    elif wanted and not user.works:
        err.print(
            f"The database user {user.user} may not read chains or seal: run `quittance worker` for that.",
            markup=False,
        )
    return wanted and user.works


def _listener(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        # At once, so that whoever is told the address can connect, and nobody else takes it meanwhile.
        listener.listen()
    except OSError as error:
        listener.close()
        msg = (
            f"Port {address[1]} on {address[0]} can't be used ({error.strerror}). "
            "Choose another with --port, or stop what uses it."
        )
        raise PortInUse(msg) from error
    return listener


def _print_first_key(resources: Resources) -> None:
    with resources.engine.begin() as connection:
        key = first_start(connection, now=resources.clock())
    if key is not None:
        err.print("The operator's API key, shown this once; keep it:", style="bold", markup=False)
        # On stdout and alone, so that a script can take it.
        typer.echo(key.plain)


def worker(
    once: Annotated[bool, typer.Option("--once", help="One pass, then end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read chains and seal evidence without serving. Any number of workers may share a PostgreSQL database.

    A stop (Ctrl-C, SIGTERM) waits for the range that is being read. Example: quittance worker
    """
    with plain_errors(), open_resources() as resources:
        configure_logs(resources.settings.log_format)
        tools = sealing_tools(resources)
        if once:
            _work_once(resources, as_json=as_json)
            return
        stopped = stop_asked_for()
        with running(resources=resources, tools=tools) as at_work:
            err.print("Working; stop with Ctrl-C.", markup=False)
            if as_json:
                typer.echo(json.dumps({"worker": at_work.holder}))
            while not stopped.wait(3600):
                pass


def _work_once(resources: Resources, *, as_json: bool) -> None:
    reports = work_once(resources=resources, tools=sealing_tools(resources))
    if as_json:
        print_json({"chains": [report_document(report) for report in reports]})


def wait_until_stopped() -> None:
    """Until Ctrl-C or a request to end, so that what was started here is stopped in order."""
    stopped = stop_asked_for()
    while not stopped.wait(3600):
        pass


def stop_asked_for() -> threading.Event:
    """Set by Ctrl-C or a request to end."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    return stopped
