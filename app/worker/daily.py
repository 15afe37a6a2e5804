"""Once a day: each debt is assessed, and what was found is kept under its date."""

from __future__ import annotations

from datetime import datetime

import structlog

from app.assessment import store as snapshot_store
from app.assessment.service import Question, assess_debt
from app.db import for_tenant, reading
from app.debts import store as debt_store
from app.errors import QuittanceError
from app.jobs import store as job_store
from app.jobs.work import Work
from app.resources import Resources
from app.tenants.store import tenants

log = structlog.get_logger(__name__)


class SomeNotAssessed(QuittanceError):
    """The others were."""


def plan_assessments(resources: Resources, *, now: datetime) -> None:
    """A job for each tenant and day, from the hour on that is set. Planning again changes nothing."""
    if now.hour < resources.settings.assess_hour:
        return
    day = f"{now:%Y%m%d}"
    with reading(resources.engine) as connection:
        found = tenants(connection)
    for tenant in found:
        with for_tenant(resources.engine, tenant_id=tenant.id).begin() as connection:
            job_store.open_job(
                connection,
                tenant_id=tenant.id,
                id_=f"asm_{day}_{tenant.id}",
                kind="assessment",
                object_id=f"{day} {tenant.id}",
                now=now,
            )


def assess_all(work: Work, *, resources: Resources) -> None:
    """Every debt of the job's tenant. One that fails keeps up no other, and is named at the end."""
    tenant_id = work.job.tenant_id
    with reading(work.engine) as connection:
        debt_ids = debt_store.debt_ids(connection, tenant_id=tenant_id)
        done = job_store.steps_done(connection, claim=work.claim)
    failures = []
    for number, debt_id in enumerate(debt_ids):
        if debt_id in done:
            continue
        work.progress(debt_id, number, len(debt_ids))
        try:
            found = assess_debt(
                engine=for_tenant(resources.engine, tenant_id=tenant_id),
                question=Question(tenant_id=tenant_id, debt_id=debt_id),
                operator=resources.operator,
                outside=resources.outside,
                clock=resources.clock,
            )
        except job_store.JobLost:
            raise
        except QuittanceError as error:
            log.warning("a debt was not assessed", debt=debt_id, reason=str(error))
            failures.append(debt_id)
            continue
        with work.engine.begin() as connection:
            if job_store.do_step_once(connection, claim=work.claim, step=debt_id, now=work.clock()):
                snapshot_store.add_snapshot(connection, tenant_id=tenant_id, assessment=found)
    if failures:
        msg = f"{len(failures)} of {len(debt_ids)} debts could not be assessed: {', '.join(failures[:10])}"
        raise SomeNotAssessed(msg)
