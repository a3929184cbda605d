"""Another data set, of two tables, runs through the same stages from its own folder of YAML and SQL."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from knownat import parquet
from tests.deliveries import DECLARATION, write_tables
from tests.projects import project, renamed, reproduced, run

NAMES = [
    "parcel", "ordered_at", "depot", "distance_km", "weight_g", "is_express", "promised_on", "delivered_at",
    "minutes_late", "deliveries", "weather", "rain", "measured_at", "rain_mm", "shipment", "is_late", "order", "record", "usual",
    "weight_kg", "days_allowed", "depot_name", "arrived", "late_rate", "late_minutes", "grams", "median_km", "heavy_only",
]  # fmt: skip


def scores(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "metrics" / "scores.json").read_text())
    return found


def test_a_second_data_set_runs_without_python_of_its_own(deliveries: Path) -> None:
    """Two tables, a window view, a SQL view, a ttl and a local time zone make a training set and a scored model."""
    training_set = pq.read_table(deliveries / "data" / "training_set.parquet")
    assert next(name for name in training_set.column_names if "__" in name) == "order__distance_km"
    assert training_set["rain__rain_mm"].null_count < len(training_set)
    assert training_set["usual__median_km"].null_count < len(training_set)
    assert "test" in scores(deliveries)
    assert (deliveries / "report" / "index.html").stat().st_size > 1000


def test_each_service_is_compared_by_the_same_peer(deliveries: Path) -> None:
    """On what it may read as of its own moment; for the model's own service that is the peer beside the model."""
    with (deliveries / "plots" / "services.csv").open(newline="") as file:
        found = {row["service"]: row for row in csv.DictReader(file)}
    evaluation = json.loads((deliveries / "metrics" / "evaluation.json").read_text())
    assert set(found) == set(yaml.safe_load((deliveries / "feature_repo" / "services.yaml").read_text()))
    assert float(found["order"]["auc"]) == evaluation["test"]["peer"]["auc"]


def test_every_row_of_a_second_data_set_is_accounted_for(deliveries: Path) -> None:
    """A copy counts as a duplicate, a depot that is not declared as quarantined, the rest as kept."""
    rows = json.loads((deliveries / "metrics" / "rows.json").read_text())["tables"]["deliveries"]
    assert (rows["read"], rows["duplicates"], sum(rows["quarantined"].values()), rows["kept"]) == (602, 1, 1, 600)


def test_times_without_a_zone_are_read_in_the_declared_one(deliveries: Path) -> None:
    """Midday in Oslo's winter is eleven o'clock UTC."""
    table = parquet.read(deliveries / "data" / "tables" / "deliveries")
    first = (deliveries / "deliveries.csv").read_text().splitlines()[1].split(",")
    row = table.filter(pa.compute.equal(table["parcel"], first[0])).to_pylist()[0]
    assert row["ordered_at"] == datetime.fromisoformat(first[1]).replace(tzinfo=UTC) - timedelta(hours=1)


def test_a_second_repro_runs_nothing(deliveries: Path) -> None:
    """Nothing has changed, so no stage runs."""
    assert "Running stage" not in reproduced(deliveries)


@pytest.mark.full
def test_a_forced_repro_writes_the_same_bytes(deliveries: Path) -> None:
    """`dvc repro --force` leaves dvc.lock as it was, all stages."""
    before = (deliveries / "dvc.lock").read_text()
    reproduced(deliveries, "--force")
    assert (deliveries / "dvc.lock").read_text() == before


def test_a_failing_stage_leaves_the_outputs_as_they_were(deliveries: Path) -> None:
    """A source with a renamed column ends in one sentence, exit 1, and the raw rows of before are still there."""
    source, raw = deliveries / "deliveries.csv", deliveries / "data" / "raw" / "deliveries.parquet"
    good, before = source.read_text(), raw.read_bytes()
    try:
        source.write_text(good.replace("distance_km", "Distance", 1))
        done = run(deliveries, "dvc", "repro")
        assert done.returncode != 0
        assert "error: " in done.stderr
        assert "Distance" in done.stderr
        assert "Traceback" not in done.stderr
        assert raw.read_bytes() == before
    finally:
        source.write_text(good)


@pytest.mark.full
def test_other_names_give_the_same_scores(deliveries: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A copy in which every column, feature, view, entity and table is renamed scores the same: no name is known to src."""
    source = tmp_path_factory.mktemp("renamed-declaration") / "declared"
    shutil.copytree(DECLARATION, source)
    write_tables(source)
    new = renamed(source, NAMES)
    weather = source / f"{new['weather']}.parquet"
    table = pq.read_table(weather)
    pq.write_table(table.rename_columns([new[name] for name in table.column_names]), weather)
    folder = project(tmp_path_factory.mktemp("renamed"), source)
    reproduced(folder)
    assert scores(folder) == scores(deliveries)


ORDER = {
    "ordered_at": "2021-12-31T09:00:00Z", "depot": "north", "distance_km": 80.5, "weight_g": 900,
    "is_express": True, "promised_on": "2022-01-05",
}  # fmt: skip


def test_an_order_that_nobody_has_stored_is_predicted(deliveries: Path) -> None:
    """`knownat predict` fills the embedded online store, looks histories up and gives a probability."""
    done = run(deliveries, "knownat", "predict", "--json", json.dumps(ORDER))
    assert done.returncode == 0, done.stderr
    assert 0 <= float(done.stdout.split()[1]) <= 1
    lineage = done.stdout.split("lineage: ")[1].split()[0]
    assert lineage in (deliveries / "models" / "model_card.md").read_text()
    assert "Traceback" not in done.stderr


def test_online_features_are_printed_with_their_ages(deliveries: Path) -> None:
    """`knownat features` names each feature of an entity, its value and its age."""
    done = run(deliveries, "knownat", "features", "depot", "north")
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("depot_record__arrived_90d"))
    assert int(line.split()[1]) > 0
    assert line.endswith("old")


def test_the_id_on_the_card_leads_back_to_the_sources(deliveries: Path) -> None:
    """`knownat lineage` gives the card's id; by it the commit, both sources and the way to the model are found again."""
    card = (deliveries / "models" / "model_card.md").read_text()
    here = json.loads(run(deliveries, "knownat", "lineage", "--json").stdout)
    assert f"Lineage: `{here['lineage']}`" in card
    found = json.loads(run(deliveries, "knownat", "lineage", here["lineage"][:8], "--json").stdout)
    assert found["stages"] == here["stages"]
    assert found["commits"]["last"][-1]["subject"] == "test"
    assert {"deliveries.csv", "weather.parquet"} <= {file["path"] for file in found["sources"]}
    assert [stage["stage"] for stage in found["stages"]][-2:] == ["encode", "train"]


def test_an_input_of_a_second_data_set_leads_back_to_its_file(deliveries: Path) -> None:
    """By the name that the column has in the file."""
    done = run(deliveries, "knownat", "lineage", "usual__median_km")
    assert done.returncode == 0, done.stderr
    assert "'ordered' of deliveries, known at ordered_at" in done.stdout


def test_a_second_data_set_is_told_to_openlineage(deliveries: Path, tmp_path: Path) -> None:
    """A run a stage on the way to the model, with its feature views by Feast's names."""
    done = run(deliveries, "knownat", "lineage", "--openlineage", str(tmp_path / "events"))
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    runs = {event["job"]["name"]: {part["name"] for part in event["outputs"]} for event in events}
    assert {"ingest@deliveries", "ingest@weather", "retrieve", "train"} <= set(runs)
    assert {"order", "rain", "usual", "depot_record", "data/tables/weather"} <= runs["preprocess"]


@pytest.mark.full
def test_no_feature_of_a_second_data_set_saw_the_future(deliveries: Path) -> None:
    """`knownat audit` computes every view of both tables in two worlds, SQL included, and says what it compared."""
    done = run(deliveries, "knownat", "audit")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(";")[0] for line in lines[:2]] == ["deliveries: 600 of 600 rows", "weather: 1,440 of 1,440 rows"]
    counted = {line.split()[0]: line.split()[1:] for line in lines[3:-1]}
    assert {"order__depot_name", "rain__rain_mm", "depot_record__late_rate_7d", "usual__median_km"} <= set(counted)
    assert all(int(rows.replace(",", "")) > 0 and changed == "0" for rows, changed in counted.values())
    assert lines[-1].startswith("4 views are compared: no feature saw what came after ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["features", "depot", "atlantis"], "No depot 'atlantis'"),
        (["features", "ship", "x"], "no entity 'ship'"),
        (["predict", "--json", "{"], "not valid JSON"),
        (["predict", "--json", json.dumps(ORDER | {"weight_g": 0})], "weight_g: 0 is below 1"),
        (["predict", "--json", json.dumps(ORDER), "--service", "none"], "no service 'none'"),
        (["audit", "--cut-off", "tomorrow"], "'tomorrow' is no moment"),
        (["audit", "--cut-off", "2022-01-01"], "choose an earlier --cut-off"),
    ],
)
def test_a_bad_question_gets_one_sentence(deliveries: Path, arguments: list[str], said: str) -> None:
    """Exit 1, one sentence on standard error, no frames."""
    done = run(deliveries, "knownat", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def changed(folder: Path, file: str, old: str, new: str) -> Iterator[None]:
    """One text in a file is another for the block; afterwards all is as it was."""
    path, lock = folder / file, folder / "dvc.lock"
    text, locked = path.read_text(), lock.read_text()
    assert old in text
    try:
        path.write_text(text.replace(old, new, 1))
        yield
    finally:
        path.write_text(text)
        lock.write_text(locked)
        run(folder, "dvc", "checkout", "--force")


def test_a_leak_by_ancestry_turns_the_pipeline_red(deliveries: Path) -> None:
    """A feature made of what the label is made of ends `dvc repro`, naming itself and the column."""
    leak = "features:\n  was_slow: {dtype: int64, expr: minutes_late}\n"
    with changed(deliveries, "feature_repo/views/order.yaml", "features:\n", leak):
        done = run(deliveries, "dvc", "repro")
    assert done.returncode != 0
    assert "features.was_slow reads 'minutes_late', which is known at delivered_at" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.full
def test_a_feature_that_is_too_good_turns_the_pipeline_red(deliveries: Path) -> None:
    """One feature that tells more than the limit ends `dvc repro`, naming itself and its AUC."""
    with changed(deliveries, "params.yaml", "max_single_auc: 0.95", "max_single_auc: 0.6"):
        done = run(deliveries, "dvc", "repro")
    assert done.returncode != 0
    assert "training_set.order__distance_km: alone it separates the label with AUC 0." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.full
def test_both_offline_stores_give_the_same_bytes(deliveries: Path) -> None:
    """`offline_store.type: spark` gives the training set that DuckDB gives, to the byte."""
    training_set = deliveries / "data" / "training_set.parquet"
    before = training_set.read_bytes()
    with changed(deliveries, "params.yaml", "type: duckdb", "type: spark"):
        assert "Running stage 'retrieve'" in reproduced(deliveries, "retrieve")
        assert training_set.read_bytes() == before


@pytest.mark.full
def test_a_gate_that_is_skipped_by_hand_stops_what_follows(deliveries: Path) -> None:
    """Frozen, the gate does not judge the new rows; its old verdict is of other data, and `preprocess` says so."""
    row = (deliveries / "deliveries.csv").read_text().splitlines()[3] + "\n"
    frozen = changed(deliveries, "dvc.yaml", "  validate_raw:\n", "  validate_raw:\n    frozen: true\n")
    with frozen, changed(deliveries, "deliveries.csv", row, ""):
        done = run(deliveries, "dvc", "repro")
    assert done.returncode != 0
    assert "The gate 'raw' passed other data than data/raw/deliveries.parquet holds now" in done.stderr
    assert "Traceback" not in done.stderr
