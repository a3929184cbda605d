"""What was accepted is kept by source and size, readable in a diff, and never guessed at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownat import acceptance, accepted, gates, paths
from knownat.accepted import Accepted, Column, Version, identity
from knownat.declaration import Declaration
from knownat.errors import KnownatError
from knownat.files import write_json, write_text
from knownat.params import Params
from knownat.parquet import content_hash, write_table

TABLE = {"key": ["no"], "known_at": "at", "columns": {"no": {"dtype": "string"}, "at": {"dtype": "timestamp"}}}
DECLARED = Declaration.model_validate(
    {"tables": {"visits": TABLE, "pages": TABLE}, "event": {"table": "visits", "entity": "visit"}},
)
VERSION = Version(hash="ab", rows=3, columns={"nulls": Column(nulls=0.25, distinct=2, quantiles=[1, 2.5], top={"ä": 0.5})})


def params(visits: dict[str, Any] | None = None, **others: Any) -> Params:
    """A project of two tables; `visits` says where one of them comes from."""
    sources = {"visits": {"uri": "visits.csv"} | (visits or {}), "pages": {"uri": "data/pages.csv"}}
    split = {"validation_from": "2019-01-01", "test_from": "2019-06-01"}
    train = {"batch_size": 1, "learning_rate": 0.1, "epochs": 1, "layers": [1], "embedding": 1}
    train |= {"dropout": 0.0, "l2": 0.0, "patience": 1, "seed": 1}
    known = {name: source | {"observed_at": "2020-01-01"} for name, source in sources.items()}
    return Params.model_validate({"sources": known, "service": "any", "split": split, "train": train} | others)


def identified(gate: str = "raw", **others: Any) -> str:
    return identity(params(**others), DECLARED, gate, "visits" if gate == "raw" else "training_set")


def test_a_missing_file_means_that_nothing_is_accepted(tmp_path: Path) -> None:
    """There is no version and no suite, and no error."""
    found = accepted.read(tmp_path / "accepted.json")
    assert found.version("raw", "visits", identified()) is None
    assert found.suites == {}


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"suites": {"raw/visits.json": "2"}}', '{"version": 2}', '{"suites": {"raw/visits.json": true}}']
)
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, text: str) -> None:
    """What cannot be understood is not taken for nothing."""
    path = tmp_path / "accepted.json"
    path.write_text(text)
    with pytest.raises(KnownatError, match=r"accepted\.json is damaged or of another version; `git checkout .*knownat accept`"):
        accepted.read(path)


@pytest.mark.parametrize(
    "content",
    [
        {"suites": {"raw/visits.json": 0}},
        {"suites": {"raw/visits.json": -5}},
        {"suites": {"rw/visits.json": 2}},
        {"suites": {"raw/visits": 2}},
        {"versions": {"raws/visits": {"a": {"hash": "x", "rows": 3}}}},
        {"versions": {"raw/visits": {"a": {"hash": "x", "rows": 0}}}},
        {"versions": {"raw/visits": {"a": {"hash": "x", "rows": 10**40}}}},
    ],
)
def test_what_would_guard_nothing_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    """No rows to compare with, no expectation to miss, and names that no gate asks for."""
    path = tmp_path / "accepted.json"
    path.write_text(json.dumps(content))
    with pytest.raises(KnownatError, match="is damaged or of another version"):
        accepted.read(path)


def test_what_is_written_is_read_and_a_column_is_a_line(tmp_path: Path) -> None:
    """Nothing is lost on the way, and the same content gives the same text in whatever order it was made."""
    first, second = ("raw", "visits", "a"), ("features", "visits", "a")
    there = Accepted().replaced({"raw/b.json": 2, "raw/a.json": 1}, {first: VERSION, second: VERSION})
    back = Accepted().replaced({"raw/a.json": 1, "raw/b.json": 2}, {second: VERSION, first: VERSION})
    path = tmp_path / "accepted.json"
    path.write_text(there.text())
    assert accepted.read(path) == there
    assert there.text() == back.text()
    assert '"nulls": {"nulls": 0.25, "distinct": 2, "quantiles": [1.0, 2.5], "top": {"ä": 0.5}}\n' in there.text()


BELIEF = {
    "type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}, "meta": {"severity": "warn", "reason": "some visit"}
}  # fmt: skip

names = st.text(max_size=8)
assets = st.from_regex(r"(raw|features|training_set)/[^/\n]{1,8}", fullmatch=True)
columns = st.builds(
    Column,
    nulls=st.floats(0, 1),
    distinct=st.integers(0, 9),
    quantiles=st.lists(st.floats(allow_nan=False, allow_infinity=False)) | st.lists(names, min_size=1),
    top=st.dictionaries(names, st.floats(0, 1)),
)
versions = st.builds(Version, hash=names, rows=st.integers(1, 2**63 - 1), columns=st.dictionaries(names, columns, max_size=3))


@given(
    st.builds(
        Accepted,
        suites=st.dictionaries(assets.map("{}.json".format), st.integers(1)),
        versions=st.dictionaries(assets, st.dictionaries(names, versions, max_size=2), max_size=2),
    )
)
def test_any_content_survives_its_text(content: Accepted) -> None:
    """The text is JSON that says what the model says, whatever the names are."""
    assert Accepted.model_validate_json(content.text()) == content
    json.loads(content.text())


def test_only_the_same_asset_of_the_same_source_is_replaced() -> None:
    """A version of another source, size or gate stays as it was; the suites are those of now."""
    old = Accepted().replaced({"raw/a.json": 1}, {("raw", "visits", "a"): VERSION, ("raw", "visits", "b"): VERSION})
    new = old.replaced({"raw/b.json": 2}, {("raw", "visits", "b"): Version(hash="cd", rows=4)})
    assert new.version("raw", "visits", "a") == VERSION
    assert new.version("raw", "visits", "b") == Version(hash="cd", rows=4)
    assert new.version("features", "visits", "b") is None
    assert new.suites == {"raw/b.json": 2}
    assert old.version("raw", "visits", "b") == VERSION


def test_the_size_of_a_generator_counts_and_its_seed_does_not() -> None:
    """Another seed is another version of the same source; another number of rows is another source."""
    generated = {"uri": "synthetic/visits.py", "rows": 50, "seed": 1}
    assert identified(visits=generated) == "visits: synthetic/visits.py, 50 rows"
    assert identified(visits=generated | {"seed": 2}) == identified(visits=generated)
    assert identified(visits=generated | {"rows": 51}) != identified(visits=generated)


def test_a_local_file_is_known_by_its_name_in_whatever_folder() -> None:
    """No folder of somebody's machine is committed."""
    assert identified(visits={"uri": "/somewhere/visits-2018.csv"}) == "visits: visits-2018.csv"
    assert identified(visits={"uri": "/somewhere/visits.py", "rows": 5}) == "visits: visits.py, 5 rows"


def test_a_remote_source_is_known_without_its_version_and_secrets() -> None:
    """The next version is compared with this one; neither password nor signature is written."""
    assert identified(visits={"uri": "s3://bucket/visits.csv?versionId=7"}) == "visits: s3://bucket/visits.csv"
    assert identified(visits={"uri": "https://me:secret@host/visits.csv?sig=x"}) == "visits: https://host/visits.csv"


def test_what_makes_other_rows_makes_another_identity() -> None:
    """Filters do not change what is raw; the service changes the training set alone."""
    filtered = {"preprocess": {"filters": ["late", "few"]}}
    both = "pages: pages.csv; visits: visits.csv"
    assert identified("features") == both
    assert identified("features", **filtered) == f"{both}; filters: few, late"
    assert identified("training_set", **filtered) == f"{both}; filters: few, late; service: any"
    assert identified("raw", **filtered) == identified("raw")
    assert identified("features", service="other") == both


def test_reading_what_was_accepted_loads_no_engine() -> None:
    """A gate asks for it before it has loaded anything."""
    code = "import sys, knownat.accepted; print(sorted({'pyarrow', 'numpy', 'pandas', 'fsspec'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PROJECT_PARAMS = """
sources: {visits: {uri: visits.csv, observed_at: '2020-01-01'}}
service: any
split: {validation_from: '2019-01-01', test_from: '2019-06-01'}
train: {batch_size: 1, learning_rate: 0.1, epochs: 1, layers: [1], embedding: 1, dropout: 0, l2: 0, patience: 1, seed: 1}
"""
ONE = Declaration.model_validate(
    {
        "tables": {"visits": TABLE},
        "entities": {"visit": "no"},
        "event": {"table": "visits", "entity": "visit"},
        "label": {"name": "is_paid", "expr": "no = '1'"},
        "views": {"basics": {"entity": "visit", "known_at": "at", "features": {"pages": {"dtype": "int64"}}}},
        "services": {"any": {"as_of": "at", "views": ["basics"]}},
    }
)


def pass_gates() -> None:
    """Verdicts on the data as it lies there."""
    for gate in ("raw", "features", "training_set"):
        write_json(paths.verdict(gate), {"gate": gate, "data": gates.hashes(gates.data_of(gate, ONE.tables))})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data that every gate has passed."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PROJECT_PARAMS)
    write_text(paths.compiled("report"), ONE.model_dump_json(by_alias=True))
    write_table(pa.table({"line": [2, 3], "no": ["1", "2"], "at": ["2019", "2019"]}), paths.RAW / "visits.parquet")
    write_table(pa.table({"line": [4]}), paths.REJECTED / "visits.parquet")
    write_table(pa.table({"no": ["1", "2"], "is_paid": [True, False]}), paths.TABLES / "visits" / "part-00000.parquet")
    write_table(pa.table({"visit_id": ["1", "2"], "pages": [3, None]}), paths.VIEWS / "basics" / "part-00000.parquet")
    write_table(pa.table({"no": ["1"], "is_paid": [True], "basics__pages": [3]}), paths.TRAINING_SET)
    write_json(paths.EXPECTATIONS / "raw" / "visits.json", {"expectations": [BELIEF, BELIEF]})
    pass_gates()
    return tmp_path


def accept() -> list[str]:
    return list(acceptance.accept(ONE, Params.load()))


def test_what_the_gates_have_passed_is_accepted(project: Path) -> None:  # noqa: ARG001
    """Each asset of each gate by its rows (raw: unreadable ones too), hash and columns; the suites by their length."""
    lines = accept()
    found = accepted.read()
    version = found.version("features", "basics", "visits: visits.csv")
    assert version is not None
    assert (version.rows, version.hash) == (2, content_hash(paths.VIEWS / "basics"))
    assert version.columns["pages"].nulls == 0.5
    raw, training_set = found.version("raw", "visits", "visits: visits.csv"), "visits: visits.csv; service: any"
    assert raw is not None
    assert (raw.rows, raw.columns) == (3, {})
    assert found.version("training_set", "training_set", training_set) is not None
    assert found.suites == {"raw/visits.json": 2}
    assert lines[0] == "raw/visits: 3 rows, the first accepted version of visits: visits.csv."
    assert lines[-1] == "expectations/raw/visits.json: none before, 2 expectations now."


def test_accepting_twice_changes_nothing(project: Path) -> None:  # noqa: ARG001
    """Neither a byte nor the time of the file."""
    accept()
    before = paths.ACCEPTED.stat().st_mtime_ns, paths.ACCEPTED.read_text()
    assert accept()[0] == "raw/visits: 3 rows, as accepted before."
    assert (paths.ACCEPTED.stat().st_mtime_ns, paths.ACCEPTED.read_text()) == before


def test_the_next_version_replaces_its_own_source_alone(project: Path) -> None:  # noqa: ARG001
    """What has changed is said; the entry of another source stays."""
    accept()
    Path("params.yaml").write_text(PROJECT_PARAMS.replace("visits.csv", "other.csv"))
    accept()
    write_table(pa.table({"visit_id": ["1", "2", "3"], "pages": [3, 4, 9]}), paths.VIEWS / "basics" / "part-00000.parquet")
    pass_gates()
    lines = accept()
    assert "features/basics: 2 → 3 rows; 2 of 2 columns changed, most pages (missing 50.0" in "\n".join(lines)
    old, new = (accepted.read().version("features", "basics", f"visits: {name}") for name in ("visits.csv", "other.csv"))
    assert old is not None
    assert new is not None
    assert (old.rows, new.rows) == (2, 3)


@pytest.mark.parametrize("gate", ["raw", "features", "training_set"])
def test_without_a_verdict_nothing_is_accepted(project: Path, gate: str) -> None:  # noqa: ARG001
    """Any gate that has not passed is named, and the file stays as it was."""
    paths.verdict(gate).unlink()
    with pytest.raises(KnownatError, match=rf"The gate '{gate}' has not passed.*dvc repro validate_{gate}"):
        accept()
    assert not paths.ACCEPTED.exists()


def test_other_data_than_has_passed_is_not_accepted(project: Path) -> None:  # noqa: ARG001
    """A verdict on other bytes is none."""
    write_table(pa.table({"no": ["2"], "is_paid": [True], "basics__pages": [3]}), paths.TRAINING_SET)
    with pytest.raises(KnownatError, match="The gate 'training_set' passed other data"):
        accept()
    assert not paths.ACCEPTED.exists()


def test_data_of_other_params_is_not_accepted_under_the_new_ones(project: Path) -> None:  # noqa: ARG001
    """Params that were changed after the run would name the wrong source."""
    write_json(Path("dvc.lock"), {"stages": {"retrieve": {"params": {"params.yaml": {"service": "any"}}}}})
    accept()
    Path("params.yaml").write_text(PROJECT_PARAMS.replace("service: any", "service: another"))
    with pytest.raises(KnownatError, match=r"params\.yaml: service is not what stage 'retrieve' has run with; run `dvc repro`"):
        accept()
