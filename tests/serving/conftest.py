"""One running endpoint for the tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving_project import Served, served_copy, serving


@pytest.fixture(scope="session")
def served_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The worked case's workspace; nobody may change it."""
    return served_copy(tmp_path_factory.mktemp("served") / "project")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A test's own copy of it."""
    return served_copy(tmp_path / "project")


@pytest.fixture(scope="session")
def endpoint(served_once: Path) -> Iterator[Served]:
    """`knownat serve` on SQLite."""
    with serving(served_once) as served:
        yield served
