"""The events are what OpenLineage's specification asks for, and join what Feast itself emits into one graph."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from feast import FeatureStore
from feast.openlineage.processor import OpenLineageProcessor
from feast.openlineage.store import OpenLineageStore
from jsonschema import Draft202012Validator, FormatChecker
from openlineage.client import facet_v2
from openlineage.client.event_v2 import RunEvent
from openlineage.client.generated import base
from openlineage.client.serde import Serde

from knownat.declaration import Declaration
from knownat.derive.feast import feast_objects
from knownat.derive.openlineage import events, namespace
from knownat.loading import load_declaration, read_yaml
from knownat.lock import parse
from knownat.tracing import MODEL, Trace
from tests.declarations import CAMPAIGNS, DELIVERIES
from tests.projects import ROOT
from tests.receivers import Receiver, receiving

AT = "2026-01-02T03:04:05+00:00"
STORE = read_yaml(ROOT / "feature_repo" / "feature_store.yaml")
NAMESPACE = namespace(ROOT / "feature_repo")
LOCK = (ROOT / "dvc.lock").read_text()

# What the specification's core, https://openlineage.io/spec/2-0-2/OpenLineage.json, asks of a run event, in our own words.
URI = {"type": "string", "format": "uri", "pattern": "^[a-z][a-z0-9+.-]*:"}
FACETS = {
    "type": "object",
    "additionalProperties": {"type": "object", "properties": {"_producer": URI, "_schemaURL": URI}, "required": ["_producer", "_schemaURL"]},
}  # fmt: skip
PLACE = {"namespace": {"type": "string", "minLength": 1}, "name": {"type": "string", "minLength": 1}, "facets": FACETS}
DATA_SETS = {"type": "array", "items": {"type": "object", "properties": PLACE, "required": ["namespace", "name"]}}
RUN_EVENT = {
    "type": "object",
    "properties": {
        "eventTime": {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"},
        "producer": URI,
        "schemaURL": URI | {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "run": {"type": "object", "properties": {"runId": {"type": "string", "format": "uuid"}, "facets": FACETS}, "required": ["runId"]},
        "job": {"type": "object", "properties": PLACE, "required": ["namespace", "name"]},
        "inputs": DATA_SETS,
        "outputs": DATA_SETS,
    },
    "required": ["eventTime", "producer", "schemaURL", "run", "job"],
    "additionalProperties": False,
}  # fmt: skip


def traced(text: str = LOCK) -> Trace:
    lock = parse(text)
    return Trace(lock.outputs[MODEL], lock.lineage(), tuple(lock.way_to(MODEL)), (), is_here=True)


def made(declaration: Declaration, text: str = LOCK, at: str = AT) -> list[dict[str, Any]]:
    return [json.loads(Serde.to_json(event)) for event in events(declaration, traced(text), NAMESPACE, at)]


@pytest.fixture(scope="module")
def declaration() -> Declaration:
    return load_declaration(CAMPAIGNS)


@pytest.fixture(scope="module")
def found(declaration: Declaration) -> dict[str, dict[str, Any]]:
    """Each stage's event by the stage's name."""
    return {event["job"]["name"]: event for event in made(declaration)}


def parts(event: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {part["name"]: part for part in (*event["outputs"], *event["inputs"])}


def test_each_event_is_what_the_specification_asks_for(found: dict[str, dict[str, Any]]) -> None:
    """Its core: required keys, a UUID, times with a zone, URIs, and a producer and a schema in each facet."""
    for event in found.values():
        Draft202012Validator(RUN_EVENT, format_checker=FormatChecker()).validate(event)
        UUID(event["run"]["runId"])


def facets(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in (event["run"], event["job"], *event["inputs"], *event["outputs"]):
        yield from part.get("facets", {}).values()


def test_each_facet_is_the_one_that_it_names(found: dict[str, dict[str, Any]]) -> None:
    """The classes that OpenLineage generates from its schemas take each of them back, and no key is unknown to them."""
    modules = [value for value in vars(facet_v2).values() if hasattr(value, "__file__")]
    known = {value._get_schema(): value for module in modules for value in vars(module).values() if hasattr(value, "_get_schema")}
    seen = set()
    for event in found.values():
        for facet in facets(event):
            kind = known[facet["_schemaURL"]]
            kind(**{key: value for key, value in facet.items() if not key.startswith("_")})
            seen.add(kind.__name__)
    assert seen == {
        "ColumnLineageDatasetFacet", "DatasetVersionDatasetFacet", "ExecutionParametersRunFacet", "JobTypeJobFacet", "SchemaDatasetFacet",
        "TagsDatasetFacet",
    }  # fmt: skip
    assert RunEvent._get_schema() == base.RunEvent._get_schema() == next(iter(found.values()))["schemaURL"]


def test_a_run_is_its_content(declaration: Declaration, found: dict[str, dict[str, Any]]) -> None:
    """Another time gives the same runs; other raw rows give other runs of what read them, and of nothing before."""
    later = {event["job"]["name"]: event for event in made(declaration, at="2027-01-02T03:04:05+00:00")}
    assert {name: event["run"] for name, event in later.items()} == {name: event["run"] for name, event in found.items()}
    raw = next(file for file in traced().stages[1].outputs if file.path.startswith("data/raw/"))
    other = {event["job"]["name"]: event["run"] for event in made(declaration, LOCK.replace(raw.hash, "f" * 32))}
    changed = [name for name, run in other.items() if run != found[name]["run"]]
    assert changed == ["ingest@campaigns"]  # whose output it is; the others read the folder, which has a hash of its own


def test_data_sets_carry_their_hashes_and_columns(declaration: Declaration, found: dict[str, dict[str, Any]]) -> None:
    """A view's features with Feast's types; the model its lineage id."""
    views, model = parts(found["preprocess"]), parts(found["train"])["models/model.keras"]
    assert model["facets"]["version"]["datasetVersion"] == traced().file.hash
    assert model["facets"]["tags"]["tags"] == [{"key": "lineage", "value": traced().lineage, "source": "knownat"}]
    for name, view in declaration.feature_views.items():
        fields = [field["name"] for field in views[name]["facets"]["schema"]["fields"]]
        assert fields[: len(view.features)] == [feature.name for feature in view.features]
    service = traced().stages[-1]
    assert service.name == "train"
    table = parts(found["retrieve"])["data/training_set.parquet"]["facets"]
    names = [field["name"] for field in table["schema"]["fields"]]
    assert names[:4] == ["project_id", "event_timestamp", "split", "is_successful"]
    assert "category_history__success_rate_365d" in names
    assert "outcome" in views
    assert "outcome" not in parts(found["retrieve"])  # which the service does not read


def test_columns_are_followed_from_the_training_set_to_the_raw_file(found: dict[str, dict[str, Any]]) -> None:
    def before(job: str, data_set: str, column: str) -> list[tuple[str, str]]:
        fields = parts(found[job])[data_set]["facets"]["columnLineage"]["fields"][column]["inputFields"]
        return [(field["name"], field["field"]) for field in fields]

    step = before("retrieve", "data/training_set.parquet", "category_history__success_rate_365d")
    assert step == [("category_history", "success_rate_365d")]
    assert before("preprocess", *step[0]) == [("data/raw/campaigns.parquet", "state")]
    assert before("retrieve", "data/training_set.parquet", "is_successful") == [("data/tables/campaigns", "is_successful")]
    assert before("preprocess", "data/tables/campaigns", "is_successful") == [("data/raw/campaigns.parquet", "state")]


def test_a_file_with_columns_is_followed_to_them_by_their_own_names(declaration: Declaration) -> None:
    """From a server too, without what may be secret in its address; a generator has no columns to follow."""
    generated = {event["job"]["name"]: event for event in made(declaration)}["ingest@campaigns"]
    assert "columnLineage" not in parts(generated)["data/raw/campaigns.parquet"]["facets"]
    for uri, place in {
        "shop.csv": ("knownat", "shop.csv"),
        "https://a:b@x.test:8/c/d.csv": ("https://x.test:8", "c/d.csv"),
    }.items():
        event = {event["job"]["name"]: event for event in made(declaration, LOCK.replace("synthetic/campaigns.py", uri))}[
            "ingest@campaigns"
        ]
        [source] = [part for part in event["inputs"] if part["name"] == place[1]]
        assert source["namespace"] == place[0]
        fields = parts(event)["data/raw/campaigns.parquet"]["facets"]["columnLineage"]["fields"]
        assert fields["launched_at"]["inputFields"][0] == {
            "namespace": place[0],
            "name": place[1],
            "field": "launched",
            "transformations": [],
        }
        assert "a:b@" not in json.dumps(event)


def test_another_data_set_has_events_too() -> None:
    """Two tables and a query: the same code, another declaration."""
    text = LOCK.replace("campaigns", "deliveries").replace("service: launch", "service: order")
    found = {event["job"]["name"]: event for event in made(load_declaration(DELIVERIES), text)}
    usual = parts(found["preprocess"])["usual"]["facets"]["columnLineage"]["fields"]["median_km"]["inputFields"]
    assert ("data/raw/deliveries.parquet", "distance_km") in {(field["name"], field["field"]) for field in usual}
    assert {"order", "rain", "usual", "depot_record"} <= set(parts(found["retrieve"]))


def test_a_configured_namespace_is_feasts_own(tmp_path: Path) -> None:
    """What `feature_store.yaml` says under `openlineage` holds for both; by default it is Feast's project."""
    (tmp_path / "feature_store.yaml").write_text(json.dumps(STORE | {"openlineage": {"enabled": True, "namespace": "shop"}}))
    assert (NAMESPACE, namespace(tmp_path)) == (STORE["project"], f"shop/{STORE['project']}")


def test_nothing_is_told_unless_somebody_asks(tmp_path: Path) -> None:
    """The configuration that is shipped makes Feast emit nothing, though its client is installed."""
    (tmp_path / "feature_store.yaml").write_text(json.dumps(STORE))
    assert FeatureStore(repo_path=str(tmp_path)).openlineage_emitter is None


def test_a_receiver_joins_our_events_with_feasts(tmp_path: Path, declaration: Declaration) -> None:
    """`feast apply` emits by itself, we emit: Feast's own consumer draws one graph from the source, through view and service, to the model."""
    store = OpenLineageStore(connection_string=f"sqlite:///{tmp_path / 'lineage.db'}")
    store.initialize()
    with receiving(Receiver()) as receiver:
        (tmp_path / "repo").mkdir()
        settings = STORE | {"openlineage": {"enabled": True, "transport_type": "http", "transport_url": receiver.url}}
        (tmp_path / "repo" / "feature_store.yaml").write_text(json.dumps(settings))
        FeatureStore(repo_path=str(tmp_path / "repo")).apply(list(feast_objects(declaration).values()))
    feasts = list(receiver.events)
    assert {event["job"]["name"] for event in feasts} >= {"feast_feature_views_knownat", "feature_service_launch"}
    processor = OpenLineageProcessor(store)
    for event in [*feasts, *made(declaration)]:
        processor.process_event(event)

    def reached(name: str, direction: str) -> set[tuple[str, str]]:
        graph = store.get_lineage_graph("dataset", NAMESPACE, name, depth=30, direction=direction)
        return {(node["type"], node["name"]) for node in graph["nodes"]}

    before = reached("models/model.keras", "upstream")
    assert {("job", "train"), ("dataset", "launch"), ("job", "feature_service_launch"), ("dataset", "category_history")} <= before
    assert {("job", "preprocess"), ("dataset", "data/raw/campaigns.parquet"), ("dataset", "synthetic/campaigns.py")} <= before
    assert {("job", "feast_feature_views_knownat"), ("dataset", "models/model.keras")} <= reached(
        "synthetic/campaigns.py", "downstream"
    )
    ours, theirs = (
        {n for e in told for p in (*e["inputs"], *e["outputs"]) for n in [(p["namespace"], p["name"])]}
        for told in (made(declaration), feasts)
    )
    assert {name for _, name in ours & theirs} == {*declaration.feature_views, "launch"}
    columns = store.get_column_lineage(NAMESPACE, "category_history", "upstream")
    assert ("success_rate_365d", "data/raw/campaigns.parquet", "state") in {
        (c["output_field"], c["input_name"], c["input_field"]) for c in columns
    }
