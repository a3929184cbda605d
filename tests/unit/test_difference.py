"""What `knownat diff` says of two versions of the data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dvc.repo import Repo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knownat import difference_text
from knownat.declaration import Declaration
from knownat.difference import Categories, Difference, Example, Retyped, compare
from knownat.errors import KnownatError
from knownat.versions import differences
from tests.projects import commit, run

START = datetime(2020, 1, 1, tzinfo=UTC)
DECLARED = Declaration.model_validate(
    {
        "tables": {
            "orders": {
                "key": ["order_no"],
                "known_at": "at",
                "columns": {"order_no": {"dtype": "string"}, "at": {"dtype": "timestamp"}, "price": {"dtype": "float64"}},
            }
        },
        "entities": {"order": "order_no"},
        "event": {"table": "orders", "entity": "order"},
        "views": {"sold": {"entity": "order", "known_at": "at", "features": {"price": {"dtype": "float64", "expr": "price"}}}},
    }
)


def orders(n: int = 40) -> pa.Table:
    times = [START + timedelta(days=i) for i in range(n)]
    prices = [float(i % 7) for i in range(n)]
    return pa.table({"order_no": [f"o{i:04d}" for i in range(n)], "at": times, "price": prices, "land": ["NO", "SE"] * (n // 2)})


def written(folder: Path, table: pa.Table, parts: int = 1, **how: Any) -> list[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    size = -(-max(len(table), 1) // parts)
    files = [folder / f"part-{part:05d}.parquet" for part in range(parts)]
    for part, file in enumerate(files):
        pq.write_table(table.slice(part * size, size), file, **how)
    return files


def compared(folder: Path, before: pa.Table, after: pa.Table, key: str = "order_no") -> Difference:
    files = written(folder / "before", before), written(folder / "after", after, 3, compression="gzip")
    return compare("orders", [key], *files, folder / "spilled")


def replaced(table: pa.Table, column: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, pa.array(values))


VALUES = st.sampled_from([None, 0.0, -0.0, float("nan"), float("inf"), 1.5])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, min_size=1, max_size=8), seed=st.randoms())
def test_shuffled_rows_are_no_change(tmp_path: Path, values: list[float | None], seed: Any) -> None:
    """Another order, other parts and another compression are no change, whatever the values; -0.0 is 0.0."""
    table = pa.table({"k": list(range(len(values))), "v": pa.array(values, pa.float64())})
    order = list(range(len(values)))
    seed.shuffle(order)
    other = replaced(table, "v", pa.array([0.0 if value == 0 else value for value in values], pa.float64())).take(order)
    found = compared(tmp_path, table, other, "k")
    assert found.is_same
    assert not found.moved
    assert not found.categories


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(added=st.integers(0, 12), removed=st.integers(0, 12), changed=st.integers(0, 12))
def test_rows_added_removed_and_changed_are_counted(tmp_path: Path, added: int, removed: int, changed: int) -> None:
    """k rows more are k added, k fewer k removed, k with another value k changed."""
    before, after = orders().slice(0, 40 - added), orders().slice(removed)
    shared = 40 - added - removed
    prices = [price + (1 if i < changed else 0) for i, price in enumerate(after["price"].to_pylist())]
    found = compared(tmp_path, before, replaced(after, "price", prices))
    assert (found.added, found.removed, found.changed) == (added, removed, min(changed, shared))
    assert (found.before, found.after) == (40 - added, 40 - removed)


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        ([None, 1.0], [None, 1.0], 0),
        ([None, 1.0], [float("nan"), 1.0], 1),
        ([float("nan"), 0.0], [float("nan"), -0.0], 0),
        ([datetime(2020, 1, 1, tzinfo=UTC), None], [datetime(2020, 1, 1, 0, 0, 0, 1, tzinfo=UTC), None], 1),
        ([datetime(2020, 1, 1).date(), None], [datetime(2020, 1, 1).date(), datetime(2020, 1, 2).date()], 1),
        (["", "a"], [None, "a"], 1),
    ],
)
def test_values_are_compared_as_what_they_are(tmp_path: Path, before: list[Any], after: list[Any], rows: int) -> None:
    """Null is null, NaN is NaN and neither is the other; a microsecond or a day is a change."""
    kind = pa.array([v for v in before if v is not None]).type
    sides = [pa.table({"k": [1, 2], "v": pa.array(side, kind, from_pandas=False)}) for side in (before, after)]
    found = compared(tmp_path, *sides, "k")
    assert found.changed == rows
    assert [(c.column, c.rows) for c in found.values] == ([("v", rows)] if rows else [])


def test_changed_columns_come_with_rows_and_examples(tmp_path: Path) -> None:
    """Each changed column says in how many rows, and shows the first of them by key."""
    table = orders()
    found = compared(tmp_path, table, replaced(table, "land", [None, "DK", *table["land"].to_pylist()[2:]]))
    [land] = found.values
    assert (land.column, land.rows) == ("land", 2)
    assert land.examples == (Example(("o0000",), "NO", None), Example(("o0001",), "SE", "DK"))
    assert found.categories == (Categories("land", (("DK", 1),), ()),)


def test_columns_that_came_went_or_changed_type_are_named(tmp_path: Path) -> None:
    """A number of another width is still compared, a number that became text is not."""
    table = orders()
    after = replaced(table.drop_columns(["land"]).append_column("size", pa.array(range(40))), "price", list(range(40)))
    found = compared(tmp_path, table, after)
    assert set(found.columns) == {
        Retyped("price", "DOUBLE", "BIGINT", True), Retyped("land", "VARCHAR", None), Retyped("size", None, "BIGINT"),
    }  # fmt: skip
    assert found.changed == 33
    text = replaced(table, "price", [str(price) for price in table["price"].to_pylist()])
    assert compared(tmp_path, table, text).columns == (Retyped("price", "DOUBLE", "VARCHAR", False),)


def test_a_distribution_that_moved_is_reported_and_chance_is_not(tmp_path: Path) -> None:
    """Two draws of one distribution are not a shift, whatever their number; one that moved by half a deviation is."""
    draw = np.random.default_rng(3)

    def drawn(shift: float, n: int = 2000) -> pa.Table:
        lands = draw.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2] if not shift else [0.3, 0.5, 0.2])
        times = [START + timedelta(days=float(d)) for d in draw.normal(shift, 1, n)]
        numbers = {"x": draw.normal(shift, 1, n), "few": draw.integers(0, 3, n) + int(2 * shift)}
        return pa.table({"k": draw.permutation(10**6)[:n], **numbers, "at": times, "land": lands})

    for _ in range(2):
        assert not compared(tmp_path, drawn(0), drawn(0), "k").moved
    moved = compared(tmp_path, drawn(0), drawn(0.5), "k").moved
    assert {m.column for m in moved} == {"x", "few", "at", "land"}
    assert all(m.distance > 2 * m.chance for m in moved)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (orders().rename_columns(["number", "at", "price", "land"]), "order_no is not in the revision (renamed, perhaps)"),
        (replaced(orders(), "order_no", list(range(40))), "order_no was BIGINT and is VARCHAR"),
    ],
)
def test_a_key_that_was_renamed_or_retyped_gets_a_clear_statement(tmp_path: Path, before: pa.Table, said: str) -> None:
    """Rows are not matched by what is not the same key; that is said instead of numbers."""
    found = compared(tmp_path, before, orders())
    assert said in found.note
    assert (found.before, found.after, found.added, found.removed, found.changed) == (40, 40, None, None, None)
    assert said in difference_text.as_text("HEAD", [found])


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (
            replaced(orders(), "order_no", ["o1"] * 40),
            "the key (order_no) is not unique in the workspace: o1 is there more than once",
        ),
        (orders().drop_columns(["order_no"]), "the key column order_no is missing from the workspace"),
    ],
)
def test_a_key_that_does_not_tell_rows_apart_is_refused(tmp_path: Path, after: pa.Table, said: str) -> None:
    """A repeated or missing key ends in one sentence."""
    with pytest.raises(KnownatError) as raised:
        compared(tmp_path, orders(), after)
    assert said in str(raised.value)


def test_no_rows_on_one_side_are_compared_too(tmp_path: Path) -> None:
    """An empty table has all of its rows to gain."""
    found = compared(tmp_path, orders().slice(0, 0), orders())
    assert (found.added, found.removed, found.changed, found.moved) == (40, 0, 0, ())


def test_values_are_shown_as_text_in_markdown(tmp_path: Path) -> None:
    """A value is no tag, no table column and no second line of the summary."""
    table = orders()
    found = compared(tmp_path, table, replaced(table, "land", ["<b>|\nx`", *table["land"].to_pylist()[1:]]))
    text = difference_text.as_markdown("HEAD", [found])
    assert "&#60;b&#62;&#124; x&#96;" in text
    assert "<b>" not in text


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository without a lock (tag `bare`), then one whose lock names data of 40 orders, pushed to a remote."""
    folder = tmp_path_factory.mktemp("diff") / "project"
    written(folder / "data/tables/orders", orders())
    sold = orders().select(["order_no", "at", "price"]).rename_columns(["order_id", "known_at", "price"])
    written(folder / "data/views/sold", sold)
    training_set = sold.rename_columns(["order_id", "event_timestamp", "price"])
    pq.write_table(training_set, folder / "data/training_set.parquet")
    (folder / "dvc.yaml").write_text(
        "stages:\n  make:\n    cmd: 'true'\n    outs: [data/tables, data/views, data/training_set.parquet]\n"
    )
    (folder / ".gitignore").write_text("/data/\n/compiled/\n")
    (folder / "compiled").mkdir()
    (folder / "compiled/report.json").write_text(DECLARED.model_dump_json(by_alias=True))
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    Repo.init(str(folder))
    (folder / ".dvc/config").write_text(
        f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {folder.parent / 'remote'}\n"
    )
    commit(folder)
    subprocess.run(["git", "tag", "bare"], cwd=folder, check=True)
    repo = Repo(str(folder))
    repo.commit(force=True)
    commit(folder)
    repo.push()
    shutil.copytree(folder / "data", folder.parent / "kept")
    return folder


@pytest.fixture
def workspace(project: Path) -> Iterator[Path]:
    """The project as the working folder, whose data a test may change."""
    here = Path.cwd()
    os.chdir(project)
    yield project
    os.chdir(here)
    shutil.rmtree(project / "data")
    shutil.copytree(project.parent / "kept", project / "data")


def test_the_workspace_is_compared_with_a_revision(workspace: Path) -> None:
    """What the lock names is no change; a row more in one table is one row added, and nothing elsewhere."""
    assert all(difference.is_same for difference in differences(DECLARED, "HEAD"))
    written(workspace / "data/tables/orders", orders(42))
    found = {difference.name: difference for difference in differences(DECLARED, "HEAD")}
    assert found["tables/orders"].added == 2
    assert found["views/sold"].is_same
    assert found["training_set"].is_same


@pytest.mark.parametrize("kept", [True, False])
def test_data_comes_from_the_cache_or_the_remote(workspace: Path, kept: bool) -> None:
    """Where the cache lacks what a revision names, the remote gives it; where both lack it, the sentence says what to do."""
    written(workspace / "data/tables/orders", orders(42))
    cache, remote = workspace / ".dvc/cache", workspace.parent / "remote"
    moved = [(cache, cache.with_name("moved"))] + ([] if kept else [(remote, remote.with_name("moved"))])
    for old, new in moved:
        old.rename(new)
    try:
        if kept:
            assert differences(DECLARED, "HEAD", ["orders"])[0].added == 2
        else:
            with pytest.raises(KnownatError, match=r"data/tables.* of HEAD is neither in the cache nor in the remote; `dvc push`"):
                differences(DECLARED, "HEAD", ["orders"])
    finally:
        for old, new in moved:
            shutil.rmtree(old, ignore_errors=True)
            new.rename(old)


def test_the_command_writes_json_and_exits_0(workspace: Path) -> None:
    """A difference is an answer, not an error."""
    written(workspace / "data/tables/orders", orders(42))
    ran = run(workspace, "knownat", "diff", "HEAD", "--json", "--table", "orders")
    assert ran.returncode == 0, ran.stderr
    [found] = json.loads(ran.stdout)["data"]
    assert (found["name"], found["before"], found["after"], found["added"], found["is_same"]) == ("tables/orders", 40, 42, 2, False)


@pytest.mark.parametrize(
    ("revision", "wanted", "said"),
    [
        ("nowhere", (), "There is no revision 'nowhere' here"),
        ("bare", (), "The revision bare has no dvc.lock"),
        ("HEAD", ("parcels",), "--table: there is no 'parcels'; choose of tables/orders"),
    ],
)
def test_what_cannot_be_compared_gets_one_sentence(workspace: Path, revision: str, wanted: tuple[str, ...], said: str) -> None:
    """An unknown revision, one without a lock, an unknown table."""
    with pytest.raises(KnownatError) as raised:
        differences(DECLARED, revision, wanted)
    assert said in str(raised.value)
    assert workspace.exists()


def test_a_folder_without_git_gets_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No repository, no revision."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KnownatError, match="in no git repository"):
        differences(DECLARED, "HEAD")
