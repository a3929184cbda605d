"""What the endpoint answers, over real HTTP."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.serving_project import LAUNCH, Served, change_params, closed_event, open_events, serving

pytestmark = pytest.mark.full

HEAD = {"label", "service", "trained_as_of", "model", "lineage", "store_through", "clock"}


def test_an_open_event_is_predicted_by_its_id_as_of_now(endpoint: Served, served_once: Path) -> None:
    """The answer says what it stands on: every input with its age and status, the model, the lineage and the clock."""
    [key] = open_events(served_once, 1)
    answer = endpoint.predict(id=key).json()
    assert answer.keys() == {"id", "probability", "as_of", "features"} | HEAD
    assert 0 < answer["probability"] < 1
    assert answer["as_of"] == answer["clock"] == "2018-01-03T00:00:00Z"
    for feature in answer["features"].values():
        assert feature["status"] in {"fresh", "missing", "unseen"}
        if feature["known_at"]:
            known_at = datetime.fromisoformat(feature["known_at"])
            assert feature["age_seconds"] == (datetime.fromisoformat(answer["as_of"]) - known_at).total_seconds() >= 0


def test_a_closed_event_is_refused(endpoint: Served, served_once: Path) -> None:
    """409, since its outcome is known."""
    answer = endpoint.predict(id=closed_event(served_once))
    assert answer.status_code == 409
    assert "is closed since" in answer.json()["detail"]


def test_an_unknown_event_is_refused(endpoint: Served) -> None:
    answer = endpoint.predict(id="no such one")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_raw_fields_give_the_answer_of_the_stored_event(endpoint: Served, served_once: Path) -> None:
    """A stored campaign's own features are those computed from its raw fields."""
    import pyarrow.parquet as pq

    [key] = open_events(served_once, 1)
    rows = pq.read_table(served_once / "data" / "tables" / "campaigns", filters=[("project_id", "=", key)]).to_pylist()
    fields = {name: rows[0][name] for name in LAUNCH}
    sent = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in fields.items()}
    by_fields, by_id = endpoint.predict(fields=sent).json(), endpoint.predict(id=key).json()
    assert datetime.fromisoformat(by_fields["as_of"]) == rows[0]["launched_at"]
    own = [name for name, feature in by_fields["features"].items() if feature["age_seconds"] == 0]
    assert len(own) >= 12
    assert [by_fields["features"][name]["value"] for name in own] == [by_id["features"][name]["value"] for name in own]


def test_a_value_known_after_the_moment_is_reported_and_not_used(endpoint: Served) -> None:
    """Of a launch in 2015, today's histories are `late`: told of, and another value stands in."""
    fields = LAUNCH | {"launched_at": "2015-03-01T10:00:00Z", "deadline": "2015-03-20"}
    features = endpoint.predict(fields=fields).json()["features"]
    late = [feature for feature in features.values() if feature["status"] == "late"]
    assert late
    assert all("stand_in" in feature and feature["age_seconds"] < 0 for feature in late)


def test_a_word_that_the_model_has_not_learned_is_unseen(endpoint: Served) -> None:
    features = endpoint.predict(fields=LAUNCH | {"category": "Never Heard"}).json()["features"]
    assert features["campaign__category"]["status"] == "unseen"
    assert features["category_history__ended_365d"]["status"] == "missing"
    assert features["category_history__ended_365d"]["stand_in"] > 0


def test_a_batch_is_answered_in_order_and_like_each_alone(endpoint: Served, served_once: Path) -> None:
    keys = open_events(served_once, 3)
    events: list[dict[str, Any]] = [{"id": keys[0]}, {"fields": LAUNCH}, {"id": keys[1]}, {"id": keys[2]}]
    batch = endpoint.predict(events=events).json()
    alone = [endpoint.predict(**event).json() for event in events]
    assert [found["id"] for found in batch["predictions"]] == [keys[0], None, keys[1], keys[2]]
    for found, one in zip(batch["predictions"], alone, strict=True):
        assert found["probability"] == pytest.approx(one["probability"], abs=1e-6)
        assert found["features"] == one["features"]


def test_an_error_in_a_batch_names_its_event(endpoint: Served) -> None:
    answer = endpoint.predict(events=[{"fields": LAUNCH}, {"fields": LAUNCH | {"usd_goal_real": 0}}])
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("events[1]: usd_goal_real: ")


def test_contributions_tell_how_each_input_moves_the_logit(endpoint: Served) -> None:
    answer = endpoint.predict(fields=LAUNCH, explain=True).json()
    assert answer["contributions"].keys() == answer["features"].keys()
    assert any(value != 0 for value in answer["contributions"].values())


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("{", 400, "not valid JSON"), ("", 400, "not valid JSON"), ("[]", 422, "no object"), ("{}", 422, "id or fields"),
        ('{"id": NaN}', 400, "NaN"), ('{"id": 1e999}', 400, "beyond float64"), ('{"id": "a", "id": "b"}', 400, "twice"),
        ('{"id": "\\ud800"}', 400, "surrogate"), ('{"id": ' + "[" * 60 + "]" * 60 + "}", 400, "levels deep"),
        ('{"id": ' + "[" * 30_000 + "]" * 30_000 + "}", 400, "levels deep"), ('{"id": 5}', 422, "quote the id"),
        ('{"id": "a", "fields": {}}', 422, "either an id or fields"), ('{"events": []}', 422, "1 to 100"),
        ('{"events": [{"id": "a"}], "x": 1}', 422, "x"), ('{"id": "x' + "y" * 70_000 + '"}', 413, "64 KiB"),
        ('{"fields": {"goal": 1}}', 422, "goal"), ('{"id": "a", "explain": 1}', 422, "explain"), (b"\xff", 400, "UTF-8"),
    ],
)  # fmt: skip
def test_bad_bodies_get_one_sentence(endpoint: Served, body: str | bytes, status: int, words: str) -> None:
    answer = endpoint.client.post("/predict", content=body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"usd_goal_real": 0}, "usd_goal_real"), ({"usd_goal_real": "8"}, "usd_goal_real"), ({"country": "XX"}, "country"),
        ({"launched_at": "soon"}, "launched_at"), ({"launched_at": None}, "launched_at"), ({"deadline": "2019-02-02"}, "duration_days"),
        ({"launched_at": "0001-01-01T00:00:00+14:00"}, "launched_at"), ({"odd": 1}, "odd"),
    ],
)  # fmt: skip
def test_a_value_outside_what_is_declared_is_named(endpoint: Served, change: dict[str, Any], field: str) -> None:
    answer = endpoint.predict(fields=LAUNCH | change)
    assert answer.status_code == 422
    assert answer.json()["field"] == field


def test_keys_may_hold_slashes(endpoint: Served) -> None:
    """An entity's features with their ages; of the event, those of its other entities too."""
    plain = endpoint.client.get("/features/category/Games/Video Games").json()
    escaped = endpoint.client.get("/features/category/Games%2FVideo%20Games").json()
    assert plain == escaped
    assert plain["features"]["category_history__ended_365d"]["status"] == "fresh"


def test_the_features_of_an_event_hold_those_of_its_entities(endpoint: Served, served_once: Path) -> None:
    [key] = open_events(served_once, 1)
    found, predicted = (
        endpoint.client.get(f"/features/project/{key}").json()["features"],
        endpoint.predict(id=key).json()["features"],
    )
    assert predicted.keys() <= found.keys()
    assert all(found[name]["value"] == feature["value"] for name, feature in predicted.items())


@pytest.mark.parametrize("path", ["/features/none/x", "/features/category/none", "/features/category/", "/nothing", "/predict/"])
def test_what_is_not_there_is_a_404(endpoint: Served, path: str) -> None:
    answer = endpoint.client.get(path)
    assert answer.status_code == 404
    assert answer.json()["detail"]


def test_the_inference_protocol_gives_the_same_probabilities(endpoint: Served, served_once: Path) -> None:
    """Metadata tells the tensors; raw fields and ids give what `/predict` gives."""
    about = endpoint.client.get("/v2/models/launch").json()
    assert [tensor["name"] for tensor in about["inputs"]] == endpoint_fields(endpoint)
    assert endpoint.client.get("/v2/health/live").json() == {"live": True}
    assert endpoint.client.get("/v2/models/launch/ready").status_code == 200
    assert endpoint.client.get("/v2/models/other").status_code == 404
    types = {tensor["name"]: tensor["datatype"] for tensor in about["inputs"]}
    tensors = [{"name": n, "shape": [1], "datatype": types[n], "data": [value]} for n, value in LAUNCH.items()]
    answer = endpoint.client.post("/v2/models/launch/infer", json={"id": "7", "inputs": tensors}).json()
    assert answer["id"] == "7"
    one = endpoint.predict(fields=LAUNCH).json()
    assert answer["outputs"][0]["data"] == [one["probability"]]
    assert json.loads(answer["outputs"][1]["data"][0]) == one["features"]
    keys = open_events(served_once, 2)
    ids = {"name": "id", "shape": [2], "datatype": "BYTES", "data": keys}
    by_id = endpoint.client.post("/v2/models/launch/infer", json={"inputs": [ids]}).json()
    assert by_id["outputs"][0]["data"] == pytest.approx([endpoint.predict(id=key).json()["probability"] for key in keys], abs=1e-6)


def endpoint_fields(endpoint: Served) -> list[str]:
    return list(endpoint.client.get("/openapi.json").json()["components"]["schemas"]["Fields"]["properties"])


@pytest.mark.parametrize(
    "tensor",
    [
        {}, {"name": "id"}, {"name": "id", "shape": [2], "datatype": "BYTES", "data": ["a"]}, {"name": "x", "shape": [1], "datatype": "BYTES", "data": ["a"]},
        {"name": "id", "shape": [1], "datatype": "FP64", "data": ["a"]}, {"name": "id", "shape": [-1], "datatype": "BYTES", "data": ["a"]},
        {"name": "id", "shape": [0], "datatype": "BYTES", "data": []}, {"name": "id", "shape": [1], "datatype": "BYTES", "data": [[1]]},
    ],
)  # fmt: skip
def test_odd_tensors_are_refused(endpoint: Served, tensor: dict[str, Any]) -> None:
    assert endpoint.client.post("/v2/models/launch/infer", json={"inputs": [tensor]}).status_code == 422


def test_openapi_has_the_declared_bounds_and_examples_that_can_be_sent(endpoint: Served) -> None:
    found = endpoint.client.get("/openapi.json").json()
    fields = found["components"]["schemas"]["Fields"]
    assert fields["properties"]["usd_goal_real"]["minimum"] == 0.01
    assert "US" in fields["properties"]["country"]["enum"]
    examples = found["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for name, example in examples.items():
        status = endpoint.client.post("/predict", json=example["value"]).status_code
        assert status == (404 if "stored and open" in name else 200)


def test_metrics_are_what_prometheus_reads(endpoint: Served) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    endpoint.predict(fields=LAUNCH)
    found = {family.name: family for family in text_string_to_metric_families(endpoint.client.get("/metrics").text)}
    assert found["knownat_ready"].samples[0].value == 1
    assert sum(s.value for s in found["knownat_requests"].samples if s.labels.get("route") == "/predict") >= 1
    assert found["knownat_store_lag_seconds"].samples[0].value == 0


def test_lineage_is_traced_or_refused(endpoint: Served) -> None:
    """An id that no dvc.lock gives is a 404; the copy's own model is found."""
    lineage = endpoint.predict(fields=LAUNCH).json()["lineage"]
    assert endpoint.client.get("/lineage/" + "0" * 64).status_code == 404
    assert endpoint.client.get("/lineage/nonsense").status_code == 404
    found = endpoint.client.get(f"/lineage/{lineage}")
    assert found.status_code == 200
    assert found.json()["lineage"] == lineage


def test_a_store_that_lags_is_not_believed(project: Path) -> None:
    """A clock three days past what the store was filled with: its values are told of as stale, and others stand in."""
    change_params(project, clock="2018-01-06")
    with serving(project) as served:
        features = served.predict(fields=LAUNCH | {"launched_at": "2018-01-06T09:00:00Z"}).json()["features"]
    stale = {name for name, feature in features.items() if feature["status"] == "stale"}
    assert stale
    assert not any(name.startswith("campaign__") for name in stale)
    assert all("stand_in" in features[name] for name in stale)


def test_a_bind_that_is_not_loopback_needs_a_key(project: Path) -> None:
    from tests.projects import run

    done = run(project, "knownat", "serve", "--host", "0.0.0.0", "--model", "checkout")
    assert done.returncode == 1
    assert "an API key is required" in done.stderr


def test_without_the_key_nothing_is_told(project: Path) -> None:
    """401 without the key, also with a wrong one; liveness and readiness answer all the same."""
    key = "a-key-of-some-length"
    with serving(project, env={"KNOWNAT_API_KEY": key}, key=key) as served:
        assert served.predict(fields=LAUNCH).status_code == 200
        for headers in ({"authorization": ""}, {"authorization": "Bearer wrong"}, {"authorization": key}):
            assert served.client.post("/predict", json={"fields": LAUNCH}, headers=headers).status_code == 401
            assert served.client.get("/metrics", headers=headers).status_code == 401
            assert served.client.get("/v2/health/ready", headers=headers).status_code == 200


def test_the_declared_share_of_requests_is_captured(project: Path) -> None:
    """With a share of 1, each event's row holds what its answer said; after SIGTERM all of it is Parquet."""
    import pyarrow.parquet as pq

    compiled = project / "compiled" / "report.json"
    content = json.loads(compiled.read_text())
    content["services"]["launch"]["capture"] = 1
    compiled.write_text(json.dumps(content))
    keys = open_events(project, 3)
    with serving(project) as served:
        answers = [served.predict(id=key).json() for key in keys] + [served.predict(fields=LAUNCH).json()]
        metrics = served.client.get("/metrics").text
    assert "knownat_captured_requests 4.0" in metrics
    rows = pq.read_table(project / "captured" / "launch").sort_by("__log_timestamp").to_pylist()
    assert [row["probability"] for row in rows] == [answer["probability"] for answer in answers]
    assert [row["project_id"] for row in rows] == [*keys, None]
    for row, answer in zip(rows, answers, strict=True):
        assert row["lineage"] == answer["lineage"]
        assert json.loads(row["statuses"]) == {name: feature["status"] for name, feature in answer["features"].items()}
        for name, feature in answer["features"].items():
            assert row[name] == feature["value"]
    assert json.loads(rows[-1]["request"]) == LAUNCH
