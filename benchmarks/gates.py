"""Seconds that each gate takes, judged by pandas and by Spark, on a table of generated campaigns.

Runs the pipeline up to the training set in a folder of its own, then each gate with each engine in a process of its own, which
also says how much of its time was spent on imports and on Java's start. Writes a table:

    python benchmarks/gates.py [--rows 378661] [--folder docs/benchmarks]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from knownat.parquet import row_count

ROOT = Path(__file__).parent.parent
GATES = ("raw", "features", "training_set")
ENGINES = ("pandas", "spark")
JUDGED = {
    "raw": ["data/raw/*.parquet"],
    "features": ["data/tables/*", "data/views/*"],
    "training_set": ["data/training_set.parquet"],
}
BEFORE = {
    "raw": ["compile", "ingest campaigns"],
    "features": ["preprocess"],
    "training_set": ["register", "retrieve"],
}
START = """\
import time
from knownat.console import prepare
prepare()
start = time.monotonic()
import knownat.expectation_engine, knownat.data_docs, pandas
print(time.monotonic() - start)
from knownat.params import Params
from knownat.spark_session import spark_session
start = time.monotonic()
with spark_session(Params.load().spark) as spark:
    spark.range(1).count()
print(time.monotonic() - start)
"""


@dataclass(frozen=True)
class Measured:
    """One run of a gate: wall seconds of the process and its peak resident memory, children included."""

    gate: str
    engine: str
    seconds: float
    megabytes: float
    assets: int
    expectations: int
    rows: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=378_661)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "benchmarks")
    options, load = parser.parse_args(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="knownat-benchmark-") as scratch:
        folder = project(Path(scratch) / "project", options.rows)
        found = list(measured(folder))
        imports, java = (float(line) for line in stage(folder, "-c", START)[0].split())
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "gates.md").write_text(report(found, options.rows, imports, java, load), encoding="utf-8")


def project(folder: Path, rows: int) -> Path:
    """The worked case with so many rows."""
    folder.mkdir(parents=True)
    for name in ("feature_repo", "expectations", "synthetic"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("data", "registry.json", "__pycache__"))
    text = (ROOT / "params.yaml").read_text()
    (folder / "params.yaml").write_text(re.sub(r"rows: \d+", f"rows: {rows}", text, count=1))
    return folder


def measured(folder: Path) -> Iterator[Measured]:
    for gate in GATES:
        for command in BEFORE[gate]:
            name, *arguments = command.split()
            stage(folder, "-m", f"knownat.stages.{name}", *arguments)
        for engine in ENGINES:
            path = folder / "params.yaml"
            path.write_text(re.sub(r"engine: \w+", f"engine: {engine}", path.read_text(), count=1))
            started = time.monotonic()
            said, megabytes = stage(folder, "-m", "knownat.stages.validate", gate)
            seconds = time.monotonic() - started
            counts = json.loads(said[said.index("{") :])
            rows = sum(row_count(path) for pattern in JUDGED[gate] for path in folder.glob(pattern))
            yield Measured(gate, engine, seconds, megabytes, counts["assets"], counts["expectations"], rows)


def stage(folder: Path, *arguments: str) -> tuple[str, float]:
    """What one process says (both streams), and its peak memory."""
    import psutil

    environment = os.environ | {"TZ": "UTC"}
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )
    peak = 0
    while process.poll() is None:
        try:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            peak = max(peak, sum(member.memory_info().rss for member in family))
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.1)
    said = process.communicate()[0]
    if process.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{said}")
    return said, peak / 1e6


def report(found: list[Measured], rows: int, imports: float, java: float, load: float) -> str:
    """The table, in one run on one machine."""
    lines = [
        "# What a gate costs",
        "",
        f"{rows:,} generated rows, `python benchmarks/gates.py`, one run on {os.cpu_count()} cores, load average {load:.1f} when "
        f"it began. Seconds are those of the whole process: imports ({imports:.1f} s) and, with Spark, Java's start ({java:.1f} s) "
        "included. Rows are those of all data sets that a gate judges.",
        "",
        "| gate | data sets | rows | expectations | pandas | Spark | pandas, peak | Spark, peak |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for gate in GATES:
        by = {m.engine: m for m in found if m.gate == gate}
        one, other = by["pandas"], by["spark"]
        lines.append(
            f"| {gate} | {one.assets} | {one.rows:,} | {one.expectations} | {one.seconds:.1f} s | {other.seconds:.1f} s "
            f"| {one.megabytes:,.0f} MB | {other.megabytes:,.0f} MB |"
        )
    lines += [
        "",
        "`validate.engine: auto` takes pandas, and Spark where `spark.master` is a cluster: both give the same verdicts.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
