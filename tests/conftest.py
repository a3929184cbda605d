"""What all tests share: one Spark session, one reproduced project."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from knownat.params import SparkSettings
from knownat.spark_session import spark_session
from tests.deliveries import reproduced_deliveries
from tests.projects import copied

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:  # noqa: ARG001
    """Where nothing may be skipped (KNOWNAT_NO_SKIP), a skip is a failure that says what is missing."""
    report = yield
    if report.skipped and os.environ.get("KNOWNAT_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"skipped, though nothing may be here: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The one session of a test run, on two cores."""
    with spark_session(SparkSettings(master="local[2]")) as session:
        yield session


@pytest.fixture(scope="session")
def deliveries_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The second data set's project, reproduced once for all workers of a test run; nobody may change it."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "deliveries_once"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            shutil.rmtree(folder / "made", ignore_errors=True)  # of a worker that failed
            (folder / "made").mkdir()
            reproduced_deliveries(folder / "made")
            (folder / "done").touch()
    return folder / "made" / "project"


@pytest.fixture(scope="module")
def deliveries(deliveries_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module's own copy of it."""
    return copied(deliveries_once, tmp_path_factory.mktemp("own") / "project")
