"""What the server of new processes has loaded before any test asks for one."""

from __future__ import annotations

import app.cli.commands
import app.migrations.models
import app.worker.loop

__all__ = ["app"]
