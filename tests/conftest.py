"""What all tests share: one Spark session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from knownat.params import SparkSettings
from knownat.spark_session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The one session of a test run, on two cores."""
    with spark_session(SparkSettings(master="local[2]")) as session:
        yield session
