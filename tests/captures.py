"""Records of requests for tests of the capture, and the processes that keep them."""

from __future__ import annotations

import os
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from knownat.serving.capture import Capture
from knownat.serving.captured import KEY, Captured, Columns

COLUMNS: Columns = {
    "shop_id": "key", "day__sold": "int64", "day__rate": "float64", "town_id": "key", "town__size": "string", "town__is_open": "bool",
}  # fmt: skip
NOON = datetime(2020, 1, 10, 12, 0, 0, 123456, tzinfo=UTC)
VALUES: dict[str, Any] = {"string": 'a "text"\n', "int64": 2**63 - 1, "float64": 0.1, "bool": True}


def record(number: int, columns: Columns = COLUMNS, **changed: Any) -> Captured:
    """The number-th record with a value for each column; a test names only what it is about."""
    given: dict[str, Any] = {
        "request_id": f"{number:08d}",
        "logged_at": NOON + timedelta(seconds=number),
        "asked_at": NOON,
        "keys": {name: f"{name} {number}" for name, kind in columns.items() if kind == KEY},
        "features": {name: (VALUES[kind], NOON - timedelta(hours=1), "fresh") for name, kind in columns.items() if kind != KEY},
        "probability": 0.25,
        "model": "m1",
        "lineage": "l1",
        "request": {"number": number},
    }
    return Captured(**given | changed)


def files(folder: Path) -> list[Path]:
    """Every file that holds rows, each read whole by pyarrow."""
    found = sorted(folder.glob("[!.]*/*"))
    assert all(pq.read_table(path).num_rows for path in found)
    return found


def found(folder: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(path) for path in files(folder)])


def ids(folder: Path) -> list[str]:
    return sorted(request for path in files(folder) for request in pq.read_table(path)["__request_id"].to_pylist())


def keep_for_ever(folder: str, first: str) -> None:
    """Keep records until killed, telling of each on standard output once it is kept; files are made all along."""
    capture = Capture(Path(folder), "day", COLUMNS, rotate_rows=40, rotate_seconds=0.05)
    for number in range(int(first), int(first) + 10**7):
        capture.keep(record(number))
        os.write(sys.stdout.fileno(), b"%08d" % number)
        time.sleep(0.0002)


def keep_where_files_may_not_grow(folder: str) -> None:
    """Keep records before, while and after no file may grow beyond 10 kB, and tell of the counts."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Capture(Path(folder), "day", COLUMNS) as capture:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, most))
        for number in range(100):
            capture.keep(record(number))
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        during = {"kept": capture.kept, "dropped": capture.dropped}
        for number in range(100, 110):
            capture.keep(record(number))
    after = {"kept": capture.kept, "dropped": capture.dropped, "torn": capture.torn}
    os.write(sys.stdout.fileno(), orjson.dumps({"during": during, "after": after}))
