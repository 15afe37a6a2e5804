"""The metadata with every slice's tables in it. A slice with tables is named here, or they are not made."""

from __future__ import annotations

import app.assessment.model
import app.audit.model
import app.debts.model
import app.evidence.model
import app.ingest.ledger_model
import app.ingest.model
import app.ingest.native_model
import app.jobs.model
import app.tenants.model
from app import tables

metadata = tables.metadata

SLICES = (
    app.audit.model,
    app.jobs.model,
    app.tenants.model,
    app.ingest.model,
    app.ingest.ledger_model,
    app.ingest.native_model,
    app.debts.model,
    app.assessment.model,
    app.evidence.model,
)
