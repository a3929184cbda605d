"""Point-in-time joins: label rows a second and peak memory, ours against Feast's own stores and DuckDB's bare ASOF JOIN.

Each contender joins the same Parquet in a process of its own; the time is that of the join, start-up excluded, and the
memory that of the process and its children. Writes a table and a plot to `--folder`:

    python benchmarks/point_in_time.py [--rows 378661] [--folder docs/benchmarks]
"""

from __future__ import annotations

import argparse
import atexit
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
KEYS = (50_000, 5_000, 159, 23)
FEATURES = 4
PATIENCE = 90  # seconds that a contender may take
REPEATS = 3
CONTENDERS = {
    "bare": "DuckDB's bare ASOF JOIN",
    "duckdb": "our DuckDB store",
    "spark": "our Spark store",
    "feast_duckdb": "Feast's duckdb store",
    "feast_file": "Feast's file store",
}
COLOURS = {"bare": "#8a8f98", "duckdb": "#0b6e4f", "spark": "#d97706", "feast_duckdb": "#b3261e", "feast_file": "#7c3aed"}


@dataclass(frozen=True)
class Measured:
    """Seconds of the join (None: stopped, or failed for the reason given), peak megabytes, rows that came back."""

    contender: str
    keys: tuple[int, ...]
    rows: int
    seconds: float | None
    megabytes: float
    returned: int
    reason: str = ""

    @property
    def rate(self) -> float:
        return self.rows / self.seconds if self.seconds else math.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=378_661)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "benchmarks")
    parser.add_argument("--join", nargs=2, metavar=("CONTENDER", "KEYS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.join:
        join(options.join[0], [int(keys) for keys in options.join[1].split(",")])
        return
    with tempfile.TemporaryDirectory(prefix="knownat-benchmark-") as scratch:
        one_view = list(each_alone(Path(scratch) / "once", options.rows))
        growth = list(grown(Path(scratch), options.rows))
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "point_in_time.md").write_text(report(one_view, growth), encoding="utf-8")
    (options.folder / "point_in_time.svg").write_text(plot(one_view), encoding="utf-8")


def each_alone(folder: Path, rows: int) -> Iterator[Measured]:
    """One view at a time, by how many keys it has."""
    generate(folder, rows)
    for keys in KEYS:
        for contender in CONTENDERS:
            yield measured(folder, contender, (keys,), rows)


def grown(scratch: Path, rows: int) -> Iterator[Measured]:
    """All four views at once, at a tenth of the rows, the rows, and ten times as many."""
    for size in (rows // 10, rows, rows * 10):
        folder = scratch / str(size)
        generate(folder, size)
        for contender in ("bare", "duckdb", "spark"):
            yield measured(folder, contender, KEYS, size)


def generate(folder: Path, rows: int) -> None:
    """Label rows, and for each number of keys a view of as many rows, one an entity and moment."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(rows)

    def moments() -> Any:
        return pa.array(draw.integers(1_300_000_000_000_000, 1_510_000_000_000_000, rows), pa.timestamp("us", tz="UTC"))

    def names(keys: int) -> Any:
        return pa.array([f"key-{n:06d}" for n in range(keys)]).take(pa.array(draw.integers(0, keys, rows)))

    spine = {"event_timestamp": moments(), **{f"e{keys}_id": names(keys) for keys in KEYS}}
    folder.mkdir(parents=True)
    pq.write_table(pa.table(spine | {"label": pa.array(draw.random(rows) < 0.5)}), folder / "spine.parquet")
    for keys in KEYS:
        values = {f"f{n}": draw.random(rows) for n in range(FEATURES)}
        table = pa.table({f"e{keys}_id": names(keys), "known_at": moments(), **values})
        (folder / f"v{keys}").mkdir()
        pq.write_table(
            table.sort_by([(f"e{keys}_id", "ascending"), ("known_at", "ascending")]), folder / f"v{keys}/part-00000.parquet"
        )


def measured(folder: Path, contender: str, keys: tuple[int, ...], rows: int) -> Measured:
    """Run one contender in a process of its own, and watch its memory."""
    import psutil

    command = [sys.executable, str(Path(__file__).resolve()), "--join", contender, ",".join(map(str, keys))]
    environment = os.environ | {"TZ": "UTC", "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    peak, stopped, started = 0, False, time.monotonic()
    while process.poll() is None:
        try:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            peak = max(peak, sum(member.memory_info().rss for member in family))
        except psutil.NoSuchProcess:
            continue
        if time.monotonic() - started > PATIENCE * (REPEATS if contender in {"bare", "duckdb", "spark"} else 1):
            stopped = True
            for member in family:
                member.kill()
        time.sleep(0.05)
    out, error = process.communicate()
    reason = (
        f"stopped after {PATIENCE} s" if stopped else (error.strip().splitlines() or [f"ended by signal {-process.returncode}"])[-1]
    )
    found: dict[str, Any] = (
        json.loads(out.splitlines()[-1]) if process.returncode == 0 and not stopped else {"seconds": None, "returned": 0}
    )
    result = Measured(contender, keys, rows, found["seconds"], peak / 1e6, found["returned"], "" if found["seconds"] else reason)
    sys.stderr.write(f"{result}\n")
    return result


def join(contender: str, keys: list[int]) -> None:
    """What each process does: prepare, then join and count, several times where that takes seconds."""
    once = bare(keys) if contender == "bare" else stored(contender, keys)
    times: list[float] = []
    returned = 0
    while len(times) < REPEATS and sum(times) < PATIENCE / 3:
        started = time.monotonic()
        returned = once()
        times.append(time.monotonic() - started)
    sys.stdout.write(json.dumps({"seconds": statistics.median(times), "returned": returned}) + "\n")


def bare(keys: list[int]) -> Callable[[], int]:
    """The same join as plain SQL: no order kept, nothing checked."""
    import duckdb

    columns = ", ".join(f"v{k}.f{n} AS v{k}_f{n}" for k in keys for n in range(FEATURES))
    on = " ".join(
        f"ASOF LEFT JOIN read_parquet('v{k}/*.parquet') v{k} ON spine.e{k}_id = v{k}.e{k}_id "
        f"AND spine.event_timestamp >= v{k}.known_at"
        for k in keys
    )

    def once() -> int:
        with duckdb.connect() as connection:
            query = f"SELECT spine.*, {columns} FROM read_parquet('spine.parquet') spine {on}"
            return int(connection.sql(query).to_arrow_table().num_rows)

    return once


def stored(contender: str, keys: list[int]) -> Callable[[], int]:
    """A Feast store over the same Parquet; the spine as each takes it best."""
    import pyarrow.parquet as pq

    store, views = repository(contender, keys)
    store.apply([*map(entity, keys), *views])
    refs = [f"v{k}:f{n}" for k in keys for n in range(FEATURES)]
    spine = pq.read_table("spine.parquet", columns=["event_timestamp", *(f"e{k}_id" for k in keys), "label"])
    if contender == "spark":
        return in_spark(store, refs, spine.column_names)
    entities: Any = spine if contender == "duckdb" else spine.to_pandas()

    def once() -> int:
        copy = entities if contender == "duckdb" else entities.copy()
        return int(store.get_historical_features(copy, refs, full_feature_names=True).to_arrow().num_rows)

    return once


def in_spark(store: Any, refs: list[str], columns: list[str]) -> Callable[[], int]:
    """From Parquet to Parquet, on the executors; the session is started beforehand."""
    from knownat.params import SparkSettings
    from knownat.spark_session import spark_session

    stack = ExitStack()
    session = stack.enter_context(spark_session(SparkSettings(conf={"spark.driver.memory": "2g"})))
    atexit.register(stack.close)
    session.range(10).count()

    def once() -> int:
        spine = session.read.parquet(str(Path("spine.parquet").resolve())).select(*columns)
        job = store.get_historical_features(spine, refs, full_feature_names=True)
        job.to_spark_df().write.mode("overwrite").parquet(str(Path("spark_out").resolve()))
        return int(session.read.parquet(str(Path("spark_out").resolve())).count())

    return once


def repository(contender: str, keys: list[int]) -> tuple[Any, list[Any]]:
    from feast import FeatureStore, FeatureView, Field, FileSource
    from feast.data_format import ParquetFormat
    from feast.repo_config import RepoConfig
    from feast.types import Float64, String

    types = {
        "duckdb": {"type": "knownat.offline_store.duckdb.AsOfDuckDBOfflineStore", "memory_limit": "2GB"},
        "spark": {"type": "knownat.offline_store.spark.AsOfSparkOfflineStore"},
        "feast_duckdb": {"type": "duckdb"},
        "feast_file": {"type": "dask"},
    }
    here = Path.cwd()
    config = RepoConfig(
        project="benchmark", provider="local", registry=str(Path(tempfile.mkdtemp()) / "registry.db"), repo_path=here,
        online_store={"type": "sqlite", "path": str(Path(tempfile.mkdtemp()) / "online.db")}, offline_store=types[contender],
        entity_key_serialization_version=3, coerce_tz_aware=False,
    )  # fmt: skip
    views = []
    for k in keys:
        path = here / f"v{k}" / ("part-00000.parquet" if contender.startswith("feast") else "")
        source = FileSource(name=f"v{k}", path=str(path), file_format=ParquetFormat(), timestamp_field="known_at")
        schema = [Field(name=f"e{k}_id", dtype=String), *(Field(name=f"f{n}", dtype=Float64) for n in range(FEATURES))]
        views.append(FeatureView(name=f"v{k}", entities=[entity(k)], ttl=timedelta(0), source=source, schema=schema))
    return FeatureStore(config=config), views


def entity(keys: int) -> Any:
    from feast import Entity
    from feast.value_type import ValueType

    return Entity(name=f"e{keys}", join_keys=[f"e{keys}_id"], value_type=ValueType.STRING)


def report(one_view: list[Measured], growth: list[Measured]) -> str:
    """The figures as Markdown: by keys, and by rows."""
    rows = one_view[0].rows
    lines = [
        "# Point-in-time joins, measured", "",
        f"By `python benchmarks/point_in_time.py`, in one run on {machine()}. Start-up excluded; the median of {REPEATS} where one "
        f"took seconds; stopped after {PATIENCE} s. Memory is the peak of the whole process, its imports and its JVM.", "",
        f"## {rows:,} label rows, one view of {rows:,} rows and {FEATURES} features, by the entity's keys", "",
        "| store | keys | seconds | label rows/s | peak MB | rows lost |", "|---|--:|--:|--:|--:|--:|",
        *(line(m, f"{m.keys[0]:,}") for m in one_view), "",
        "![label rows a second by number of keys](point_in_time.svg)", "",
        f"## Four views at once ({', '.join(f'{k:,}' for k in KEYS)} keys), by the number of label rows", "",
        "| store | label rows | seconds | label rows/s | peak MB | rows lost |", "|---|--:|--:|--:|--:|--:|",
        *(line(m, f"{m.rows:,}") for m in growth), "",
        "## In ratios", "",
        *ratios(one_view, growth), "",
    ]  # fmt: skip
    return "\n".join(lines)


def line(m: Measured, what: str) -> str:
    if m.seconds is None:
        return f"| {CONTENDERS[m.contender]} | {what} | – | – | {m.megabytes:,.0f} | {m.reason} |"
    return (
        f"| {CONTENDERS[m.contender]} | {what} | {m.seconds:.2f} | {m.rate:,.0f} | {m.megabytes:,.0f} | {m.rows - m.returned:,} |"
    )


def ratios(one_view: list[Measured], growth: list[Measured]) -> Iterator[str]:
    alone = {(m.contender, m.keys[0]): m.seconds for m in one_view}
    sizes = sorted({m.rows for m in growth})
    by_size = {(m.contender, m.rows): m.seconds for m in growth}
    ours, bare_seconds = by_size["duckdb", sizes[1]], by_size["bare", sizes[1]]
    if ours and bare_seconds:
        yield f"- Our DuckDB store takes {ours / bare_seconds:.2f} × the bare ASOF JOIN's time, four views, {sizes[1]:,} rows."
    ours, theirs = alone["duckdb", 159], alone["feast_duckdb", 159]
    if ours:
        times = f"{theirs / ours:.0f} ×" if theirs else f"more than {PATIENCE / ours:.0f} ×"
        yield f"- It is {times} as fast as Feast's own duckdb store at 159 keys."
    for contender in ("bare", "duckdb", "spark"):
        small, large = by_size[contender, sizes[1]], by_size[contender, sizes[2]]
        if small and large:
            yield f"- Ten times the rows take {CONTENDERS[contender]} {large / small:.1f} × the time."


def machine() -> str:
    model = next((row.split(":")[1].strip() for row in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in row), "")
    return f"{os.cpu_count()} cores ({model})" if model else f"{os.cpu_count()} cores"


def plot(measurements: list[Measured]) -> str:
    """Label rows a second against keys, both logarithmic; what was stopped has no point."""
    left, right, top, bottom = 90, 620, 20, 300
    rates = [m.rate for m in measurements if m.seconds]
    low, high = math.floor(math.log10(min(rates))), math.ceil(math.log10(max(rates)))
    columns = sorted({m.keys[0] for m in measurements})

    def x(keys: int) -> float:
        return left + (right - left) * math.log(keys / columns[0]) / math.log(columns[-1] / columns[0])

    def y(rate: float) -> float:
        return bottom - (bottom - top) * (math.log10(rate) - low) / (high - low)

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 350" font-family="system-ui, sans-serif" font-size="13">',
        "<title>Label rows a second by number of keys</title>", '<rect width="820" height="350" fill="white"/>',
    ]  # fmt: skip
    for power in range(low, high + 1):
        parts.append(f'<path d="M{left} {y(10**power):.1f}H{right}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y(10**power) + 4:.1f}" text-anchor="end">{10**power:,}</text>')
    for keys in columns:
        parts.append(f'<text x="{x(keys):.1f}" y="{bottom + 20}" text-anchor="middle">{keys:,}</text>')
    parts.append(
        f'<text x="{(left + right) / 2}" y="{bottom + 42}" text-anchor="middle">keys of the entity (label rows/s upwards)</text>'
    )
    for place, (contender, name) in enumerate(CONTENDERS.items()):
        points = sorted((m.keys[0], m.rate) for m in measurements if m.contender == contender and m.seconds)
        path = " ".join(f"{x(k):.1f},{y(r):.1f}" for k, r in points)
        colour = COLOURS[contender]
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x(k):.1f}" cy="{y(r):.1f}" r="3.5" fill="{colour}"/>' for k, r in points]
        parts.append(f'<text x="{right + 18}" y="{top + 14 + 20 * place}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    main()
