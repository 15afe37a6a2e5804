"""`quittance jobs`, and the repair behind `quittance index --repair`: work in the background, shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.progress import BarColumn, Progress, TextColumn

from app.cli.local import LocalApi, open_local_api
from app.cli.output import AsJson, err, out, plain_errors, print_json
from app.db import reading
from app.ingest.lease import new_holder
from app.jobs.store import alive_executors, find_job
from app.main import sealing_tools
from app.roles import demand_work
from app.worker.handlers import bench_of

PAUSE_SECONDS = 0.2
IS_OVER = frozenset({"done", "failed", "cancelled"})


def jobs(
    job_id: Annotated[str | None, typer.Argument(help="Show this one only.")] = None,
    as_json: AsJson = False,
) -> None:
    """What is done in the background, newest first. Example: quittance jobs"""
    with plain_errors(), open_local_api() as api:
        document = api.request("GET", "/v1/jobs" if job_id is None else f"/v1/jobs/{quote(job_id)}")
    if as_json:
        print_json(document)
        return
    for item in document["items"] if job_id is None else [document]:
        progress = item["progress"]
        said = item["failure"] or f"{progress['step']} ({progress['done']} of {progress['total']})"
        out.print(f"{item['id']}  {item['kind']:10} {item['object']}  {item['state']}: {said}", markup=False)


def repair(chain: str, *, api: LocalApi) -> dict[str, Any]:
    """Ask for a repair and stay until it is over. Where no worker is alive, it is done here."""
    job = api.request("POST", f"/v1/chains/{quote(chain)}/repairs", {})
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[step]}"), console=err
    ) as shown:
        task = shown.add_task(chain, total=None, step="")

        def look() -> dict[str, Any]:
            found = api.request("GET", f"/v1/jobs/{job['id']}")
            at = found["progress"]
            shown.update(task, total=at["total"] or None, completed=at["done"], step=at["step"])
            return found

        while job["state"] not in IS_OVER:
            if not _has_workers(api):
                _work_here(job["id"], api=api, look=look)
            time.sleep(PAUSE_SECONDS)
            job = look()
    return job


def _has_workers(api: LocalApi) -> bool:
    life = timedelta(seconds=api.resources.settings.lease_seconds)
    with reading(api.resources.engine) as connection:
        return bool(alive_executors(connection, within=life))


def _work_here(job_id: str, *, api: LocalApi, look: Callable[[], object]) -> None:
    """In a thread, so that its row is watched meanwhile as a worker's would be."""
    resources = api.resources
    with reading(resources.engine) as connection:
        demand_work(connection)
    bench = bench_of(
        resources=resources, tools=sealing_tools(resources), holder=new_holder(), stop=threading.Event()
    )
    with reading(resources.engine) as connection:
        job = find_job(connection, tenant_id=None, job_id=job_id)
    if job is None:
        return
    thread = threading.Thread(target=bench.run, kwargs={"tenant_id": job.tenant_id, "job_id": job.id})
    thread.start()
    while thread.is_alive():
        thread.join(PAUSE_SECONDS)
        look()
