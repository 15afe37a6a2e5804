"""`quittance serve` and `quittance worker`."""

from __future__ import annotations

import signal
import socket
import threading
from typing import Annotated

import typer
import uvicorn

from app.cli.local import open_resources
from app.cli.output import configure_logs, err, plain_errors
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
) -> None:
    """Serve the HTTP API, and read chains and seal evidence beside it.

    The first start prints the operator's key, once. Example: quittance serve --port 8000
    """
    with plain_errors(), open_resources() as resources:
        configure_logs(resources.settings.log_format)
        address = (host or resources.settings.host, resources.settings.port if port is None else port)
        with _listener(address) as listener:
            works = _may_work(resources)
            _print_first_key(resources)
            where = listener.getsockname()
            err.print(f"Serving on http://{where[0]}:{where[1]} (OpenAPI at /docs)", markup=False)
            served = create_app(resources, with_worker=works)
            config = uvicorn.Config(served, log_level="warning", access_log=False)
            for number in (signal.SIGINT, signal.SIGTERM):
                # The server ends in order and then raises the signal again: what is left is ours to close.
                signal.signal(number, lambda *_: None)
            uvicorn.Server(config).run(sockets=[listener])


def _may_work(resources: Resources) -> bool:
    """Whether the database lets this process read and seal too. Says so where that or its guard is off."""
    with reading(resources.engine) as connection:
        user = standing(connection)
    if user is None:
        return True
    if not user.bound:
        err.print(
            f"The database user {user.user} sees the rows of all tenants: only the queries keep them apart. "
            "docs/settings.md tells how the database does so too.",
            markup=False,
        )
    elif not user.works:
        err.print(
            f"The database user {user.user} may not read chains or seal: run `quittance worker` for that.",
            markup=False,
        )
    return user.works


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
) -> None:
    """Read chains and seal evidence without serving. Example: quittance worker"""
    with plain_errors(), open_resources() as resources:
        configure_logs(resources.settings.log_format)
        tools = sealing_tools(resources)
        if once:
            work_once(resources=resources, tools=tools)
            return
        with running(resources=resources, tools=tools):
            err.print("Working; stop with Ctrl-C.", markup=False)
            wait_until_stopped()


def wait_until_stopped() -> None:
    """Until Ctrl-C or a request to end, so that what was started here is stopped in order."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    while not stopped.wait(3600):
        pass
