"""A terminal for each test, and one for a whole file whose tests go on where the others stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from chains.devnode import DevNode
from tests.api.opening import deploy_final_token
from tests.cli.terminal import Terminal
from tests.support.token import Token


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(data_dir=tmp_path / "data")


@pytest.fixture(scope="module")
def token(module_node: DevNode) -> Token:
    return deploy_final_token(module_node)
