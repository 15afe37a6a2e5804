"""The demo, played once for the journeys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.played import Played, played_demo


@pytest.fixture(scope="session")
def played(anvil_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return played_demo(anvil=anvil_path, base=tmp_path_factory.getbasetemp())
