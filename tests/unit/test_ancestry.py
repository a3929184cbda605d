"""What each feature derives from, through computed columns, the label, entities' keys and queries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from knownat.ancestry import ancestors, known_from, moments, paths, shown, stored
from knownat.declaration import Declaration
from knownat.derive.expectations import stored_columns
from knownat.loading import load_declaration
from knownat.query_ancestry import Untraceable
from tests.declarations import CAMPAIGNS, DELIVERIES, copied, edited, loaded

DATASET, OUTCOME, QUERY, USUAL = "dataset.yaml", "views/outcome.yaml", "views/usual.sql", "views/usual.yaml"


def told(declaration: Declaration, name: str) -> list[str]:
    """The paths of a feature, by its full name."""
    view, feature = name.split("__")
    return [shown(path) for path in paths(declaration, declaration.feature_views[view], feature)]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("campaign__goal_usd", ["campaign__goal_usd ← usd_goal_real"]),
        ("campaign__name_length", ["campaign__name_length ← title ← name"]),
        ("campaign__duration_days", ["campaign__duration_days ← deadline", "campaign__duration_days ← launched_at"]),
        ("outcome__backers", ["outcome__backers ← backers"]),
        ("country_history__success_rate_30d", ["country_history__success_rate_30d ← is_successful ← state"]),
        ("country_history__log_backers_365d", ["country_history__log_backers_365d ← backers"]),
        ("country_history__ended_30d", []),
    ],
)
def test_a_feature_is_followed_to_its_raw_columns(name: str, found: list[str]) -> None:
    """Each path begins with the full name and ends with a column that is read; a bare count has none."""
    assert told(load_declaration(CAMPAIGNS), name) == found


def test_a_column_is_known_when_the_latest_on_its_way_is() -> None:
    """The label's columns are known when the label is; a column without a moment of its own with its row."""
    declaration = load_declaration(CAMPAIGNS)
    history, campaign = declaration.feature_views["country_history"], declaration.feature_views["campaign"]
    (path,) = paths(declaration, history, "success_rate_30d")
    assert known_from(declaration, history, path) == "resolved_at"
    (path,) = paths(declaration, campaign, "name_length")
    assert known_from(declaration, campaign, path) == "launched_at"
    assert moments(declaration, campaign, "project_id") == frozenset()


def test_a_column_that_is_only_said_to_be_late_counts_as_late(tmp_path: Path) -> None:
    """What is computed from an early column may be known later all the same: somebody has said so."""
    late = "      checked: {dtype: int64, expr: length(title), known_at: resolved_at}\n      country: "
    folder = edited(copied(CAMPAIGNS, tmp_path), DATASET, "      country: ", late)
    declaration = loaded(edited(folder, OUTCOME, "expr: backers", "expr: checked"))
    view = declaration.feature_views["outcome"]
    (path,) = paths(declaration, view, "backers")
    assert path == ("outcome__backers", "checked", "title", "name")
    assert known_from(declaration, view, path) == "resolved_at"


def test_columns_that_read_each_other_many_times_over_are_each_followed_once(tmp_path: Path) -> None:
    """60 columns, each computed from the two before it, have a trillion paths: the shortest to each is kept."""
    chain = "".join(f"      c{i}: {{dtype: float64, expr: c{i - 1} + c{i - 2}}}\n" for i in range(2, 60))
    first = "      c0: {dtype: float64, expr: goal}\n      c1: {dtype: float64, expr: goal * 2}\n"
    folder = edited(copied(CAMPAIGNS, tmp_path), DATASET, "    filters: ", first + chain + "    filters: ")
    declaration = loaded(edited(folder, "views/campaign.yaml", "expr: usd_goal_real", "expr: c59"))
    found = ancestors(declaration, declaration.feature_views["campaign"], "goal_usd")
    assert len(found) == 61
    assert len(found["goal"]) == 1 + 30 + 1  # the feature, every other column, and the raw one
    assert [len(path) for path in found.values()] == sorted(len(path) for path in found.values())


@pytest.mark.parametrize(
    ("computed", "rest", "found"),
    [
        ("percentile(distance_km, 0.5)", "FROM deliveries", {"distance_km"}),
        ("count(*)", "FROM deliveries", set()),
        ("count(*)", "FROM deliveries WHERE weight_g > 5", {"weight_g"}),
        ("count(*)", "FROM (SELECT depot_id, ordered_at FROM deliveries SORT BY weight_g LIMIT 5)", {"weight_g"}),
        ("count(*)", "FROM (SELECT depot_id, ordered_at FROM deliveries CLUSTER BY weight_g LIMIT 5)", {"weight_g"}),
        ("max(n)", "FROM (SELECT depot_id, ordered_at, row_number() OVER w AS n FROM deliveries WINDOW w AS (ORDER BY weight_g))", {"weight_g"}),
        ("count(CASE WHEN is_express THEN 1 END)", "FROM deliveries", {"is_express"}),
        ("max(km)", "FROM (SELECT *, distance_km + weight_g AS km FROM deliveries)", {"distance_km", "weight_g"}),
        ("(SELECT max(rain_mm) FROM weather)", "FROM deliveries", {"weather.rain_mm"}),
        ("count(*)", "FROM deliveries WHERE depot IN (SELECT depot FROM weather WHERE rain_mm > 3)",
         {"weather.depot", "weather.rain_mm"}),
        ("max(w.rain_mm)", "FROM deliveries AS d JOIN (SELECT depot AS at, rain_mm FROM weather) AS w ON w.at = d.depot",
         {"weather.depot", "weather.rain_mm"}),
        ("max(part)", "FROM deliveries LATERAL VIEW explode(split(parcel, '-')) AS part", {"parcel"}),
        ("max(late)", "FROM deliveries LATERAL VIEW explode(array(minutes_late)) AS late", {"minutes_late"}),
        ("count(*)", "FROM (SELECT DISTINCT depot_id, ordered_at, weight_g FROM deliveries)", {"weight_g"}),
        ("count(*)", "FROM (SELECT depot_id, ordered_at, weight_g FROM deliveries EXCEPT SELECT depot_id, ordered_at, 3 FROM deliveries)",
         {"weight_g"}),
        ("count(*)", "FROM (SELECT depot_id, ordered_at, weight_g FROM deliveries UNION SELECT depot_id, ordered_at, 3 FROM deliveries)",
         {"weight_g"}),
        ("count(*)", "FROM (SELECT depot_id, ordered_at, weight_g FROM deliveries UNION ALL SELECT depot_id, ordered_at, 3 FROM deliveries)",
         set()),
        ("count(*)", "FROM (SELECT depot_id, ordered_at, explode(sequence(1, weight_g)) FROM deliveries)", {"weight_g"}),
        ("count(*)", "FROM (SELECT *, row_number() OVER (PARTITION BY depot ORDER BY weight_g) AS place FROM deliveries) WHERE place < 9",
         {"weight_g"}),
        ("avg(CAST(is_late AS INT))", "FROM deliveries", {"is_late", "minutes_late"}),
        ("max(unix_timestamp(label_known_at))", "FROM deliveries", {"label_known_at", "delivered_at"}),
    ],
)  # fmt: skip
def test_a_query_is_followed_to_the_columns_of_its_tables(tmp_path: Path, computed: str, rest: str, found: set[str]) -> None:
    """Through CTEs, subqueries, joins and what is exploded; what decides which rows count is counted in."""
    folder = edited(copied(DELIVERIES, tmp_path), QUERY, "percentile(distance_km, 0.5)", computed)
    declaration = load_declaration(edited(folder, QUERY, "FROM deliveries", rest))
    usual = declaration.feature_views["usual"]
    grouped = {"depot_id", "depot", "ordered_at"}
    assert set(ancestors(declaration, usual, "median_km")) == found | grouped
    assert set(ancestors(declaration, usual, "known_at")) == {"ordered_at"}


@pytest.mark.parametrize(
    "computed", ["avg(width)", "max(struct(*))", "max(d.weight_g)", "(SELECT max(width) FROM weather)", "max(struct(deliveries))"]
)
def test_a_query_that_cannot_be_followed_says_where_it_ends(tmp_path: Path, computed: str) -> None:
    """A column of no table, or one that names none, is never taken for one without ancestors."""
    folder = edited(copied(DELIVERIES, tmp_path), QUERY, "percentile(distance_km, 0.5)", computed)
    declaration = load_declaration(folder)
    with pytest.raises(Untraceable, match=r"is a column of no table|names no column"):
        paths(declaration, declaration.feature_views["usual"], "median_km")


@pytest.mark.parametrize("source", [CAMPAIGNS, DELIVERIES], ids=["campaigns", "deliveries"])
def test_a_query_sees_the_tables_as_they_are_stored(source: Path) -> None:
    """The columns that are followed are those that `preprocess` writes."""
    declaration = load_declaration(source)
    for name in declaration.tables:
        assert sorted(stored(declaration, name)) == sorted(stored_columns(declaration, name))


def test_asking_for_ancestry_loads_no_engine() -> None:
    """A command that shows it starts in well under a second."""
    heavy = "{'pyspark', 'feast', 'tensorflow', 'pandas', 'pyarrow', 'duckdb', 'great_expectations'}"
    code = f"import sys, knownat.ancestry, knownat.leakage; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
