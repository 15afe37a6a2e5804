"""Starting `quittance …` as processes of this test's own, which it may kill or stop, and only these.

They are forked from a server that has loaded the code already, so that a new one works within a moment.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

SECONDS_MAX = 30.0
LEASE_SECONDS = 1.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.worker.loaded"])


def say(words: list[str], environment: dict[str, str], log: str) -> None:
    """In the new process: what the terminal would do."""
    os.environ.clear()
    os.environ.update(environment)
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    sys.argv = ["quittance", *words]
    from app.cli.main import main  # noqa: PLC0415 - as the command does.

    main()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One process."""

    process: BaseProcess
    log: Path

    def kill(self) -> None:
        self.process.kill()
        self.process.join(SECONDS_MAX)

    def stop(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def end(self) -> int | None:
        """As an operator ends it; its exit code."""
        self.process.terminate()
        self.process.join(SECONDS_MAX)
        return self.process.exitcode

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    @property
    def _pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """All processes that share one database."""

    database_url: str
    folder: Path
    allow: tuple[str, ...]
    settings: dict[str, str] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)

    def start(self, *words: str) -> Member:
        log = self.folder / f"member-{len(self.members)}.log"
        process = _context.Process(
            target=say, args=(list(words or ("worker",)), self._environment(), str(log)), daemon=True
        )
        process.start()
        member = Member(process=process, log=log)
        self.members.append(member)
        return member

    def said(self) -> str:
        """What all of them printed, for a test that fails."""
        return "\n".join(f"{member.log.name}:\n{member.said()[-1500:]}" for member in self.members)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "QUITTANCE_DATABASE_URL": self.database_url,
            "QUITTANCE_DATA_DIR": str(self.folder / "data"),
            "QUITTANCE_EGRESS_ALLOW": ",".join(self.allow),
            "QUITTANCE_FOLLOW_SECONDS": "0.05",
            "QUITTANCE_LEASE_SECONDS": str(LEASE_SECONDS),
            **self.settings,
        }


@contextlib.contextmanager
def crew_of(*, database_url: str, folder: Path, allow: tuple[str, ...], **settings: str) -> Iterator[Crew]:
    crew = Crew(database_url=database_url, folder=folder, allow=allow, settings=settings)
    try:
        yield crew
    finally:
        for member in crew.members:
            if member.process.is_alive():
                # A stopped process is killed as well.
                member.kill()
            member.process.close()


def wait_until(happened: Callable[[], bool], *, crew: Crew, seconds: float = SECONDS_MAX) -> float:
    """The seconds it took. What the crew printed is shown where it takes too long."""
    started = time.monotonic()
    while not happened():
        assert time.monotonic() - started < seconds, crew.said()
        time.sleep(0.02)
    return time.monotonic() - started
