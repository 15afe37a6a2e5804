"""The real app for each test, or for each file where every request is refused; a chain for each file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chains.devnode import DevNode
from tests.api.door import Door, Scene
from tests.api.opening import deploy_final_token, open_door, open_resources
from tests.support.clone import clone_sqlite
from tests.support.token import Token


@pytest.fixture(scope="module")
def token(module_node: DevNode) -> Token:
    """The file's tests share its chain."""
    return deploy_final_token(module_node)


@pytest.fixture
def door(sqlite_template: str, tmp_path: Path, token: Token) -> Iterator[Door]:
    """The app over an empty SQLite database."""
    url = clone_sqlite(sqlite_template, folder=tmp_path)
    with (
        open_resources(url, folder=tmp_path, token=token) as resources,
        open_door(resources, token=token) as opened,
    ):
        yield opened


@pytest.fixture
def both(migrated_url: str, tmp_path: Path, token: Token) -> Iterator[Door]:
    """The app over an empty database, once of each kind."""
    with (
        open_resources(migrated_url, folder=tmp_path, token=token) as resources,
        open_door(resources, token=token) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def scene(sqlite_template: str, tmp_path_factory: pytest.TempPathFactory, token: Token) -> Iterator[Scene]:
    """One app for a whole file, with chain, asset and parties: for tests whose requests change nothing."""
    folder = tmp_path_factory.mktemp("scene")
    url = clone_sqlite(sqlite_template, folder=folder)
    with (
        open_resources(url, folder=folder, token=token) as resources,
        open_door(resources, token=token) as opened,
    ):
        yield Scene(door=opened, parties=opened.set_up())
