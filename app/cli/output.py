"""How the terminal is written to: answers on stdout, everything else on stderr, JSON where asked for."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console

from app.errors import EnvironmentProblem, InvalidInput, QuittanceError
from chains.errors import ChainError

OK, NEGATIVE, USAGE, ENVIRONMENT, CONDITIONAL = 0, 1, 2, 3, 4

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(document: object) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def configure_logs(log_format: str) -> None:
    """To stderr, so that an answer on stdout stays parseable."""
    renderer: Any = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Asked for with each line: what stderr was at the start may be closed by then.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


@contextmanager
def plain_errors() -> Iterator[None]:
    """Failures as sentences and exit codes: 2 for what was handed in, 3 for node, database, disk, port."""
    try:
        yield
    except InvalidInput as error:
        for fault in error.faults:
            err.print(str(fault), style="red", markup=False)
        raise typer.Exit(USAGE) from error
    except (EnvironmentProblem, ChainError, OSError) as error:
        err.print(str(error), style="red", markup=False)
        raise typer.Exit(ENVIRONMENT) from error
    except QuittanceError as error:
        err.print(str(error), style="red", markup=False)
        raise typer.Exit(USAGE) from error
