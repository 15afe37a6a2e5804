"""The web application: routes, errors, and the worker that reads and seals beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from app.api import problems
from app.api.fields import CHECKSUMMED
from app.api.limits import BodyLimit
from app.api.routes import chains, debts, evidence, health, jobs, parties, transfers
from app.evidence.service import SealingTools
from app.resources import Resources
from app.verifier.verdict import Verdict
from app.verifier.verify import verify
from app.worker.loop import running

VERSION = "0.1.0"
_DESCRIPTION = """Which transfers a chain records between named accounts, what they cover of a recorded debt,
and what was not searched. Nothing here decides whether a debt was paid."""


def check_bundle(bundle: Path, case: Path) -> Verdict:
    """Every bundle is verified before it counts as sealed. The anchor is our own, so none is typed."""
    return verify(bundle=bundle, case=case, anchors=())


def sealing_tools(resources: Resources) -> SealingTools:
    return SealingTools(
        engine=resources.engine,
        outside=resources.outside,
        operator=resources.operator,
        clock=resources.clock,
        folder=resources.evidence_folder,
        forms=CHECKSUMMED,
        check=check_bundle,
    )


def create_app(resources: Resources, *, with_worker: bool = True) -> FastAPI:
    """The app over opened resources, which the caller closes. Without a worker nothing is read or sealed."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if not with_worker:
            yield
            return
        with running(resources=resources, tools=sealing_tools(resources)) as worker:
            app.state.wake = worker.look
            yield

    app = FastAPI(
        title="Quittance",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
    )
    app.state.resources = resources
    app.state.wake = _nobody_to_wake
    app.add_middleware(BodyLimit)
    problems.install(app)
    app.include_router(health.router)
    for module in (chains, parties, debts, transfers, evidence, jobs):
        app.include_router(module.router, prefix="/v1")
    return app


def _nobody_to_wake() -> None:
    """There is no worker in this process; one elsewhere will find the row."""
