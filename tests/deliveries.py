"""The second data set: deliveries and the weather at their depots, written anew, and its project."""

from __future__ import annotations

import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.projects import commit, project, reproduced

DECLARATION = Path(__file__).parent / "pipeline" / "deliveries"


def write_tables(folder: Path) -> None:
    """Some hundred deliveries as CSV, in local time, and the weather at their depots as Parquet."""
    draw, start = random.Random(11), datetime(2020, 1, 1)
    lines = ["Parcel no.,ordered,depot,distance_km,weight_g,is_express,promised_on,delivered_at,minutes_late"]
    for number in range(600):
        ordered = start + timedelta(hours=29 * number * 0.98, minutes=draw.randrange(600))
        depot, distance = draw.choice(["north", "south", "east", "NO"]), round(draw.uniform(1, 300), 1)
        late = int(draw.gauss(distance - 140, 60)) + (60 if depot == "NO" else 0)
        promised = (ordered + timedelta(days=draw.randrange(2, 9))).date()
        delivered = datetime.combine(promised, datetime.min.time()) + timedelta(hours=12, minutes=max(late, -300))
        lines.append(
            f"P{number:04d},{ordered:%Y-%m-%dT%H:%M:%S},{depot},{distance if number % 37 else ''},"
            f"{draw.randrange(50, 9000)},{draw.choice(['true', 'false'])},{promised},{delivered:%Y-%m-%d %H:%M},{late}"
        )
    number, ordered, _, *rest = lines[9].split(",")
    lines += [lines[5], ",".join([f"{number}x", ordered, "nowhere", *rest])]  # a copy, a depot that is not declared
    (folder / "deliveries.csv").write_text("\n".join(lines) + "\n")
    moments = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=36 * n) for n in range(480)]
    rows = [(depot, moment, round(draw.expovariate(1), 2)) for depot in ("north", "south", "east") for moment in moments]
    columns = {name: [row[i] for row in rows] for i, name in enumerate(("depot", "measured_at", "rain_mm"))}
    pq.write_table(pa.table(columns), folder / "weather.parquet")


def reproduced_deliveries(folder: Path) -> Path:
    """The second data set's project in a folder, reproduced and committed."""
    source = folder / "declared"
    shutil.copytree(DECLARATION, source)
    write_tables(source)
    made = project(folder / "project", source)
    reproduced(made)
    commit(made)
    return made
