"""A share of the requests is captured: none lost, none doubled, and in the columns that Feast reads."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast.feature_logging import FeatureServiceLoggingSource
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

from knownat import paths
from knownat.console import log
from knownat.declaration import Declaration
from knownat.feature_store import apply_afresh, dump
from knownat.serving import captured, journal
from knownat.serving.capture import Capture, is_kept
from knownat.serving.captured import Captured, Columns
from tests.captures import COLUMNS, NOON, files, found, ids, record
from tests.declarations import CAMPAIGNS, DELIVERIES, ROOT, copied, loaded
from tests.projects import run


def child(call: str, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """A process that calls one of the functions in `tests.captures`."""
    command = [sys.executable, "-c", f"import sys; from tests.captures import {call}; {call}(*sys.argv[1:])", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    return subprocess.Popen(command, env=environment, **options)


def until(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def abandoned(folder: Path, *records: Captured, columns: Columns = COLUMNS, torn: bytes = b"") -> Path:
    """The journal that a killed process has left."""
    descriptor = journal.opened(folder, "day", columns)
    features = captured.features_of(columns)
    os.write(descriptor, b"".join(captured.line(one, features) for one in records) + torn)
    os.close(descriptor)
    return next((folder / journal.FOLDER).glob("*.jsonl"))


def test_a_tenth_of_the_keys_is_kept() -> None:
    """About a tenth of 10,000 keys, and more at a larger share, the same among them."""
    keys = [f"key {n}" for n in range(10_000)]
    kept = {share: {key for key in keys if is_kept(key, share)} for share in (0, 0.1, 0.2, 1)}
    assert 900 < len(kept[0.1]) < 1100
    assert kept[0.1] == {key for key in keys if is_kept(key, 0.1)}
    assert kept[0] == set()
    assert kept[0.1] < kept[0.2] < kept[1] == set(keys)
    assert is_kept("\ud800", 1)


def test_a_record_is_a_row(tmp_path: Path) -> None:
    """Every value comes back as it was given, times to the microsecond."""
    with Capture(tmp_path, "day", COLUMNS) as capture:
        capture.keep(record(7))
    [row] = found(tmp_path).to_pylist()
    known_at = NOON - timedelta(hours=1)
    assert row == {
        "shop_id": "shop_id 7", "town_id": "town_id 7",
        "day__sold": 2**63 - 1, "day__sold__timestamp": known_at, "day__sold__status": 1,
        "day__rate": 0.1, "day__rate__timestamp": known_at, "day__rate__status": 1,
        "town__size": 'a "text"\n', "town__size__timestamp": known_at, "town__size__status": 1,
        "town__is_open": True, "town__is_open__timestamp": known_at, "town__is_open__status": 1,
        "__log_timestamp": NOON + timedelta(seconds=7), "__log_date": NOON.date(), "__request_id": "00000007",
        "asked_at": NOON, "probability": 0.25, "model": "m1", "lineage": "l1", "request": '{"number":7}',
        "statuses": '{"day__sold":"fresh","day__rate":"fresh","town__size":"fresh","town__is_open":"fresh"}',
    }  # fmt: skip


def test_a_status_is_feasts_own_beside_our_word(tmp_path: Path) -> None:
    """What is missing is null where the entity is known, and not found where it is not."""
    given = [
        ("fresh", NOON, "PRESENT"), ("unseen", NOON, "PRESENT"), ("missing", NOON, "NULL_VALUE"),
        ("missing", None, "NOT_FOUND"), ("stale", NOON, "OUTSIDE_MAX_AGE"), ("late", NOON, "OUTSIDE_MAX_AGE"),
    ]  # fmt: skip
    with Capture(tmp_path, "day", {"day__sold": "int64"}) as capture:
        for number, (word, known_at, _) in enumerate(given):
            capture.keep(replace(record(number), keys={}, features={"day__sold": (None, known_at, word)}))
    rows = found(tmp_path)
    assert [FieldStatus.Name(code) for code in rows["day__sold__status"].to_pylist()] == [name for *_, name in given]
    assert [orjson.loads(text) for text in rows["statuses"].to_pylist()] == [{"day__sold": word} for word, *_ in given]


def test_other_tools_read_what_is_captured(tmp_path: Path) -> None:
    """DuckDB and pandas find the same rows and moments as pyarrow."""
    with Capture(tmp_path, "day", COLUMNS) as capture:
        for number in range(5):
            capture.keep(record(number))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = f"SELECT __request_id, asked_at FROM '{tmp_path}/day/*.parquet' ORDER BY 1"
        assert connection.execute(query).fetchall() == [(f"{n:08d}", NOON) for n in range(5)]
    read = pd.read_parquet(tmp_path / "day")
    assert sorted(read["__request_id"]) == ids(tmp_path)
    assert str(read["day__sold__timestamp"].dt.tz) == "UTC"


@pytest.fixture(params=[CAMPAIGNS, DELIVERIES], ids=["campaigns", "deliveries"])
def declared(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declaration:
    """A declaration in a project of its own, which is the working directory."""
    folder = copied(request.param, tmp_path)
    shutil.copy(CAMPAIGNS / "feature_store.yaml", folder)
    monkeypatch.chdir(tmp_path)
    return loaded(folder)


def test_the_columns_are_those_of_feasts_log_and_ours(declared: Declaration) -> None:
    """Of the same types, save that each moment keeps its microseconds."""
    store = apply_afresh(declared)
    for name in declared.services:
        theirs = FeatureServiceLoggingSource(store.get_feature_service(name), store.project).get_schema(store.registry)
        ours = captured.schema(captured.columns(declared, name))
        assert ours.names == [*theirs.names, "asked_at", "statuses", "probability", "model", "lineage", "request"]
        finer = {field.name: captured.MOMENT for field in theirs if pa.types.is_timestamp(field.type)}
        assert all(ours.field(field.name).type == finer.get(field.name, field.type) for field in theirs)


def test_feast_is_told_where_and_which_share(declared: Declaration) -> None:
    """The registry says so, and names no folder of this machine."""
    services = {name: service.model_copy(update={"capture": 0.25}) for name, service in declared.services.items()}
    store = apply_afresh(declared.model_copy(update={"services": services}))
    for name in services:
        logging = store.get_feature_service(name).logging_config
        assert (logging.sample_rate, logging.destination.path) == (0.25, f"../{paths.CAPTURED}/{name}")
    assert str(Path.cwd()) not in str(dump(store))


def test_feast_reads_back_what_is_captured(declared: Declaration) -> None:
    """Its retrieval of logs and its monitoring find the rows by what the registry says."""
    store = apply_afresh(declared)
    for name in declared.services:
        columns, service = captured.columns(declared, name), store.get_feature_service(name)
        with Capture(paths.CAPTURED, name, columns) as capture:
            for number in range(4):
                capture.keep(record(number, columns))
        span = (NOON + timedelta(seconds=1), NOON + timedelta(seconds=2.5))
        logs = store._get_provider().retrieve_feature_service_logs(service, *span, store.config, store.registry).to_arrow()
        assert sorted(logs["__request_id"].to_pylist()) == ["00000001", "00000002"]
        for feature in captured.features_of(columns):
            assert logs[feature].to_pylist() == [record(0, columns).features[feature][0]] * 2
    monitored = run(Path(), "feast", "-c", str(paths.FEATURE_REPO), "monitor", "run", "--source-type", "log")
    assert f"Feature services computed: {len(declared.services)}\n" in monitored.stdout, monitored.stderr


def killed_again_and_again(folder: Path, kills: int) -> None:
    """Start, kill and start again; then every record whose `keep` had returned is there once, and at most one more a kill."""
    told, chance = folder / "told", random.Random(0)
    for kill in range(kills):
        before = told.stat().st_size if told.exists() else 0
        with told.open("ab") as out:
            process = child("keep_for_ever", folder / "captured", kill * 10**6, stdout=out)
        until(lambda before=before: told.stat().st_size > before)
        time.sleep(chance.uniform(0, 0.6))
        process.kill()
        process.wait()
    with Capture(folder / "captured", "day", COLUMNS) as capture:
        pass
    text = told.read_text()
    kept = {text[start : start + 8] for start in range(0, len(text), 8)}
    there = ids(folder / "captured")
    assert len(there) == len(set(there))
    assert kept <= set(there)
    assert len(set(there) - kept) <= kills
    assert capture.torn <= kills
    assert list((folder / "captured" / journal.FOLDER).iterdir()) == []


def test_a_killed_process_loses_no_record(tmp_path: Path) -> None:
    """What was kept is in Parquet after the next start, wherever the process was when it was killed."""
    killed_again_and_again(tmp_path, kills=4)


@pytest.mark.soak
def test_many_kills_lose_no_record(tmp_path: Path) -> None:
    """The same, a hundred times on end."""
    killed_again_and_again(tmp_path, kills=100)


@pytest.mark.parametrize("torn", [b'{"request_id":"000', b"\n", b'{"request_id":"00000009"'])
def test_a_torn_last_line_is_dropped_and_counted(tmp_path: Path, torn: bytes) -> None:
    """The lines before it are whole."""
    abandoned(tmp_path, record(0), record(1), torn=torn)
    with Capture(tmp_path, "day", COLUMNS) as capture:
        assert capture.torn == (torn != b"\n")
    assert ids(tmp_path) == ["00000000", "00000001"]


def test_a_torn_line_costs_no_other(tmp_path: Path) -> None:
    """Even where more follow it, and where it is all there is."""
    following = captured.line(record(1), captured.features_of(COLUMNS))
    abandoned(tmp_path, record(0), torn=b'{"values":{"day__so\n' + b"null\n\n" + following)
    assert journal.sweep(tmp_path) == journal.Swept(rows=2, torn=2)
    abandoned(tmp_path, torn=b"{")
    abandoned(tmp_path, torn=b"{\n")
    abandoned(tmp_path, torn=b"null\n")
    assert journal.sweep(tmp_path) == journal.Swept(rows=0, torn=3)
    assert ids(tmp_path) == ["00000000", "00000001"]
    assert list((tmp_path / journal.FOLDER).iterdir()) == []


def test_a_journal_without_a_head_holds_nothing(tmp_path: Path) -> None:
    """A process that was killed before it could write one has kept no record."""
    for content in ("", '{"colu'):
        abandoned(tmp_path).write_text(content)
        assert journal.sweep(tmp_path).rows == 0
        assert list((tmp_path / journal.FOLDER).iterdir()) == []


def test_a_crash_after_the_file_was_made_doubles_no_row(tmp_path: Path) -> None:
    """A journal whose file is there is only deleted."""
    path = abandoned(tmp_path, record(0))
    content = path.read_bytes()
    journal.sweep(tmp_path)
    [file] = files(tmp_path)
    assert file.stem in path.name
    path.write_bytes(content)
    assert journal.sweep(tmp_path).rows == 0
    assert not path.exists()
    assert ids(tmp_path) == ["00000000"]


def test_a_crash_before_the_file_was_named_loses_no_row(tmp_path: Path) -> None:
    """What it had written of the file gives way to the whole one."""
    path = abandoned(tmp_path, record(0))
    path.with_suffix(".parquet").write_bytes(b"PAR1 half of it")
    assert journal.sweep(tmp_path).rows == 1
    assert ids(tmp_path) == ["00000000"]
    assert list((tmp_path / journal.FOLDER).iterdir()) == []


def test_so_many_rows_make_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting for the next look, and without closing; the rest follows when it is closed."""
    monkeypatch.setattr("knownat.serving.capture.SECONDS_BETWEEN_SYNCS", 1000)
    with Capture(tmp_path, "day", COLUMNS, rotate_rows=100, rotate_seconds=1e9) as capture:
        for number in range(100):
            capture.keep(record(number))
        until(lambda: files(tmp_path))
        for number in range(100, 130):
            capture.keep(record(number))
    assert sorted(pq.read_metadata(path).num_rows for path in files(tmp_path)) == [30, 100]
    assert ids(tmp_path) == [f"{n:08d}" for n in range(130)]


def test_rows_become_a_file_once_they_are_old(tmp_path: Path) -> None:
    """A single row, too; where there is none, the journal goes on."""
    with Capture(tmp_path, "day", COLUMNS, rotate_rows=10**9, rotate_seconds=0.1) as capture:
        capture.keep(record(0))
        until(lambda: files(tmp_path))
        before = list((tmp_path / journal.FOLDER).iterdir())
        time.sleep(2.2)
        assert list((tmp_path / journal.FOLDER).iterdir()) == before
    assert len(files(tmp_path)) == 1


def test_a_living_process_keeps_its_journal(tmp_path: Path) -> None:
    """Another one that starts, or ends, beside it takes only what is left over."""
    with Capture(tmp_path, "day", COLUMNS) as first:
        first.keep(record(0))
        abandoned(tmp_path, record(1))
        with Capture(tmp_path, "day", COLUMNS) as second:
            assert ids(tmp_path) == ["00000001"]
            second.keep(record(2))
        first.keep(record(3))
    assert ids(tmp_path) == [f"{n:08d}" for n in range(4)]


def test_a_journal_keeps_the_columns_it_was_written_with(tmp_path: Path) -> None:
    """A declaration that has changed meanwhile changes nothing about it."""
    abandoned(tmp_path, record(0))
    with Capture(tmp_path, "day", {"day__sold": "float64"}):
        [file] = files(tmp_path)
    assert pq.read_schema(file).remove_metadata() == captured.schema(COLUMNS)


def test_a_disk_without_room_drops_and_is_told_of_once(tmp_path: Path) -> None:
    """What fitted before and fits after is kept, each once; what was cut off is no row."""
    process = child("keep_where_files_may_not_grow", tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    counts = orjson.loads(out)
    assert 0 < counts["during"]["kept"] < 100
    assert counts["during"]["kept"] + counts["during"]["dropped"] == 100
    assert counts["after"] == {"kept": counts["during"]["kept"] + 10, "dropped": counts["during"]["dropped"], "torn": 1}
    assert ids(tmp_path)[-10:] == [f"{n:08d}" for n in range(100, 110)]
    assert len(ids(tmp_path)) == counts["after"]["kept"] == len(set(ids(tmp_path)))
    assert said.count(b"is not kept") == 1


def test_a_folder_that_cannot_be_written_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The capture starts, drops, tells of it once, and keeps again as soon as it can."""
    monkeypatch.setattr(log, "propagate", True)  # whatever a test before has prepared
    folder = tmp_path / "captured"
    folder.write_text("in the way")
    with Capture(folder, "day", COLUMNS) as capture:
        capture.keep(record(0))
        capture.keep(record(1))
        assert (capture.kept, capture.dropped) == (0, 2)
        assert len(caplog.records) == 1
        folder.unlink()
        until(lambda: list(folder.glob(".journal/*")))
        capture.keep(record(2))
        until(lambda: capture.kept or capture.keep(record(2)))
    assert ids(folder) == ["00000002"]
    capture.keep(record(3))
    assert ids(folder) == ["00000002"]


def test_what_cannot_be_written_as_json_is_dropped(tmp_path: Path) -> None:
    """Half a character, a number of more than 64 bits, an object, other features than the service's; NaN becomes null."""
    features = record(0).features
    bad: list[dict[str, Any]] = [
        {"request": {"name": "\ud800"}}, {"request": {"n": 2**70}}, {"request": {"o": object()}},
        {"features": {}}, {"features": features | {"day__more": (1, NOON, "fresh")}},
        {"features": {f"{name}_2": given for name, given in features.items()}},
    ]  # fmt: skip
    with Capture(tmp_path, "day", COLUMNS) as capture:
        for changed in bad:
            capture.keep(record(0, **changed))
        capture.keep(record(1, features=features | {"day__rate": (float("nan"), NOON, "fresh")}))
    assert (capture.kept, capture.dropped) == (1, len(bad))
    assert found(tmp_path)["day__rate"].to_pylist() == [None]


def test_a_value_of_another_dtype_costs_no_other_row(tmp_path: Path) -> None:
    """It is told of as torn, and the rest is there."""
    odd = record(0).features | {"day__sold": (2.5, NOON, "fresh")}
    with Capture(tmp_path, "day", COLUMNS) as capture:
        for number in range(3):
            capture.keep(record(number, features=odd) if number == 1 else record(number))
    assert capture.torn == 1
    assert ids(tmp_path) == ["00000000", "00000002"]
