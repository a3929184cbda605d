"""Whatever is sent, the answer is one that the OpenAPI document has: no 5xx but a declared 503."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from tests.serving_project import LAUNCH, Served, open_events

pytestmark = pytest.mark.full

QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example]
COUNTS = [pytest.param(250, id="250"), pytest.param(6000, id="6000", marks=pytest.mark.soak)]
OPERATIONS = 10

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=60),
    st.sampled_from([
        "", " ", "0", "-1", "null", "\u0000", "é", "\ud7ff", "２０１８-01-01", "2018-13-45", "9999-12-31T23:59:59.999999+14:00",
        "0001-01-01T00:00:00-14:00", "2018-02-29", "2018-W01-1", "20180103", "2018-01-03T24:00:00Z", 10**400, -(2**63), 2**63,
        1e308, 5e-324, -0.0, [], {}, [[]], {"a": 1},
    ]),
)  # fmt: skip
FIELDS = st.fixed_dictionaries({}, optional={name: st.one_of(st.just(value), ODD) for name, value in LAUNCH.items()})
EVENTS = st.one_of(st.fixed_dictionaries({"fields": FIELDS}), st.fixed_dictionaries({"id": ODD}), ODD)
BODIES = st.one_of(
    EVENTS,
    st.fixed_dictionaries({"events": st.lists(EVENTS, max_size=4)}, optional={"explain": ODD}),
    st.fixed_dictionaries({"fields": FIELDS}, optional={"explain": st.one_of(st.booleans(), ODD), "odd": ODD}),
    st.recursive(
        ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=12
    ),
)
RAW = st.one_of(
    st.binary(max_size=300),
    BODIES.map(lambda body: json.dumps(body).encode()),
    st.tuples(BODIES.map(lambda body: json.dumps(body).encode()), st.integers(0, 300), st.binary(max_size=3)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
    ),
)


@pytest.mark.parametrize("count", COUNTS)
def test_any_body_gets_a_declared_answer(endpoint: Served, count: int) -> None:
    """Bytes, JSON of odd shapes, odd values in each field: 200 with a probability, or a problem that says what is wrong."""

    @settings(max_examples=count, deadline=None, suppress_health_check=QUIET, database=None, derandomize=True)
    @given(RAW)
    def sent(body: bytes) -> None:
        answer = endpoint.client.post("/predict", content=body)
        assert answer.status_code in {200, 400, 404, 409, 413, 422}, (body, answer.text)
        content = answer.json()
        if answer.status_code == 200:
            for found in content.get("predictions", [content]):
                assert 0 <= found["probability"] <= 1, body
        else:
            assert content["status"] == answer.status_code
            assert content["detail"], body

    sent()


@pytest.mark.parametrize("count", COUNTS)
def test_every_operation_answers_as_documented(endpoint: Served, served_once: Path, count: int) -> None:
    """Schemathesis' cases, as the schema has them and otherwise: status, content type and content are documented ones."""
    import schemathesis
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    document = endpoint.client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == OPERATIONS
    [key] = open_events(served_once, 1)
    tried = 0
    for operation in operations:
        # the others have a path at most, and git's history takes long to search
        most = count // 4 if operation.method == "post" else 5 if "/lineage" in operation.path else count // 25
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

            @settings(max_examples=most, deadline=None, suppress_health_check=QUIET, database=None, derandomize=True)
            @given(operation.as_strategy(generation_mode=mode))
            def sent(case: Any) -> None:
                nonlocal tried
                tried += 1
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    answer = case.call(base_url=endpoint.url)
                    assert answer.status_code < 500 or answer.status_code == 503, (case, answer.text)
                    case.validate_response(
                        answer, checks=[status_code_conformance, content_type_conformance, response_schema_conformance]
                    )

            try:
                sent()
            except (Unsatisfiable, schemathesis.errors.InvalidSchema):
                assert mode == schemathesis.GenerationMode.NEGATIVE  # nothing that is not as the schema has it can be sent
    assert tried >= count
    assert endpoint.predict(id=key).status_code == 200
