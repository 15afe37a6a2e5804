"""One real bundle for all tests here: what the demo sealed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.played import Played, played_demo
from tests.verifier.forger import Forger


@pytest.fixture(scope="session")
def played(anvil_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return played_demo(anvil=anvil_path, base=tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def original(played: Played) -> Forger:
    """The demo's bundle, unpacked. Take a copy before you alter it."""
    return Forger(played.bundle)


@pytest.fixture
def forger(original: Forger) -> Forger:
    return original.copy()
