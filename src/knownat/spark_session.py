"""The one Spark session: quiet, in UTC, leaving nothing behind in the project folder."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import psutil

from knownat.errors import KnownatError
from knownat.full_disk import told
from knownat.java import java_home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from knownat.params import SparkSettings

# Errors only, on standard error: what a person can act on comes as an exception. Spark resets the root level, and says
# so, unless the class that PySpark starts has a level of its own.
LOGGING = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex{short}
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = error
"""
SECONDS_TO_STOP = 10

FIXED = {
    "spark.app.name": "knownat",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # an explicit number, never one that follows the cores: the order of rows within a partition depends on it
    "spark.sql.shuffle.partitions": "4",
    # re-planning after each shuffle may move rows between partitions by their size
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}


@contextmanager
def spark_session(settings: SparkSettings | None = None) -> Iterator[SparkSession]:
    """A session that ends, JVM included, with the block; inside another such block, the one already running."""
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running is not None:
        yield running
        return
    with (
        tempfile.TemporaryDirectory(prefix="knownat-spark-", ignore_cleanup_errors=True) as scratch,
        _environment(_variables()),
        _sigterm_as_exit(),
    ):
        try:
            (Path(scratch) / "log4j2.properties").write_text(LOGGING, encoding="utf-8")
            session = _start(_conf(settings, Path(scratch)))
            try:
                yield session
            except (KnownatError, PySparkException) as error:
                # while the JVM is there, which a Spark error asks for its words
                sentence = None if isinstance(error, KnownatError) else told(error)
                # between two calls; where the JVM alone ends, PySpark's own threads print their frames
                session.stop()
                if sentence:
                    raise KnownatError(sentence) from error
                raise
            session.stop()
        finally:
            # not by session.stop() alone: after an interrupt the connection still holds the last call's answer
            _end_jvm()


def _start(conf: Mapping[str, str]) -> SparkSession:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for name, value in conf.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _conf(settings: SparkSettings | None, scratch: Path) -> dict[str, str]:
    """The whole configuration; what a person sets wins, save that Java options are added to ours."""
    master = settings.master if settings else "local[*]"
    own = dict(settings.conf) if settings else {}
    logging = scratch / "log4j2.properties"
    options = {
        "-XX:+UseSerialGC": master.startswith("local"),
        "-Duser.timezone=UTC": True,
        f"-Dlog4j2.configurationFile={logging.as_uri()}": True,
        f"-Dderby.system.home={scratch}": True,
    }
    java_options = [shlex.quote(option) for option, is_wanted in options.items() if is_wanted]
    conf = FIXED | {
        "spark.master": master,
        "spark.sql.warehouse.dir": (scratch / "warehouse").as_uri(),
    }
    if master.startswith("local"):
        conf |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.local.dir": str(scratch),
        }
    name = "spark.driver.extraJavaOptions"
    extra = {name: " ".join([*java_options, own.get(name, "")]).strip()}
    name = "spark.executor.extraJavaOptions"
    extra[name] = f"-Duser.timezone=UTC {own.get(name, '')}".strip()
    return conf | own | extra


def _variables() -> dict[str, str]:
    import pyspark

    return {
        "JAVA_HOME": str(java_home()),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        # Python's own conversion of collected times goes by TZ
        "TZ": "UTC",
        # otherwise found by starting one more Python
        "SPARK_HOME": os.environ.get("SPARK_HOME") or str(Path(pyspark.__file__).parent),
        # for the small JVM that only prints the command line of the real one
        "SPARK_LAUNCHER_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    }


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the block and put back what was there."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    time.tzset()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        time.tzset()


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Let SIGTERM unwind the block, so that the JVM and scratch folders go; a handler of somebody else's stays."""
    is_ours = threading.current_thread() is threading.main_thread() and (signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
    told: list[int] = []

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        told.append(number)
        # first of all: whoever unwinds may still ask the JVM something, and would wait for its busy connection
        if SparkContext._gateway is not None:
            SparkContext._gateway.proc.kill()
        raise SystemExit(128 + number)

    from pyspark import SparkContext

    if is_ours:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    except BaseException:
        if told:
            raise SystemExit(128 + told[0]) from None
        raise
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end_starting_jvm() -> None:
    """End a JVM that PySpark does not know yet: it would find nobody to tell its port, and stay."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "pyspark-shell" in child.cmdline():
                child.kill()


def _end_jvm() -> None:
    """End the JVM and forget it in PySpark, which would otherwise keep it until Python exits."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    gateway = SparkContext._gateway
    if gateway is None:
        _end_starting_jvm()
        return
    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # it reports that the JVM it talked to is gone, which is the point
    process: subprocess.Popen[bytes] = gateway.proc
    process.terminate()
    try:
        process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with suppress(OSError):
        gateway.close()
    SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
    SparkSession._instantiatedSession = SparkSession._activeSession = None
