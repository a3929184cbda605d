"""What the parts of a declaration must agree on: each breach ends in one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from knownat.errors import KnownatError
from tests.declarations import CAMPAIGNS, DELIVERIES, copied, edited, loaded

DATASET, SERVICES = "dataset.yaml", "services.yaml"
HISTORY, CAMPAIGN, OUTCOME, ACTIVITY = "views/history.yaml", "views/campaign.yaml", "views/outcome.yaml", "views/activity.yaml"
USUAL, QUERY, WEATHER = "views/usual.yaml", "views/usual.sql", "views/rain.yaml"
PLAIN = "windows: [30d, 365d]                 # success_rate becomes success_rate_30d and success_rate_365d\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "fragments"),
    [
        # tables and their columns
        (DATASET, "key: [project_id]", "key: [id]", ["tables.campaigns.key", "'id'", "columns"]),
        (DATASET, "key: [project_id]", "key: [project_id, project_id]", ["tables.campaigns.key", "project_id twice"]),
        (DATASET, "    known_at: launched_at", "    known_at: launch", ["tables.campaigns.known_at", "'launch'"]),
        (DATASET, "    known_at: launched_at", "    known_at: deadline",
         ["tables.campaigns.known_at", "'deadline'", "no timestamp"]),
        (DATASET, "timezone: UTC", "timezone: Mars/Phobos", ["tables.campaigns.timezone", "'Mars/Phobos'", "Europe/Oslo"]),
        (DATASET, "timezone: UTC", "timezone: ''", ["tables.campaigns.timezone", "Europe/Oslo"]),
        (DATASET, "timezone: UTC", "timezone: ../etc/passwd", ["tables.campaigns.timezone", "Europe/Oslo"]),
        (DATASET, "from: launched,", "from: ID,", ["tables.campaigns.columns", "ID", "read twice"]),
        (DATASET, "      goal: ", "      reasons: ", ["columns.reasons", "uses itself", "choose another"]),
        (DATASET, "      goal: ", "      verdict: ", ["columns.verdict", "uses itself"]),
        (DATASET, "      goal: ", "      label_known_at: ", ["columns.label_known_at", "uses itself"]),
        (DATASET, "      goal: ", "      raw_state: ", ["columns.raw_state", "text of another column"]),
        (DATASET, 'expr: "date_add(deadline, 1)"', 'from: x, expr: "date_add(deadline, 1)"', ["resolved_at", "from", "expr", "drop one"]),
        (DATASET, 'expr: "date_add(deadline, 1)"', 'expr: "date_add(deadline, 1"', ["resolved_at.expr", "does not parse"]),
        (DATASET, 'expr: "date_add(deadline, 1)"', 'expr: "add_days(deadline, 1)"', ["resolved_at.expr", "'add_days'", "date_add"]),
        (DATASET, 'expr: "date_add(deadline, 1)"', 'expr: "date_add(dedline, 1)"', ["resolved_at.expr", "'dedline'", "not there"]),
        (DATASET, 'expr: "date_add(deadline, 1)"', 'expr: "date_add(pledged, 1)"', ["resolved_at.expr", "'pledged'", "not there"]),
        (DATASET, 'expr: "date_add(deadline, 1)"', 'expr: "length(name)"', ["resolved_at.expr", "yields int64", "timestamp is declared"]),
        (DATASET, 'known_at: resolved_at, description: "Pledged', 'known_at: ended_at, description: "Pledged',
         ["pledged.known_at", "'ended_at'"]),
        (DATASET, 'known_at: resolved_at, description: "Pledged', 'known_at: deadline, description: "Pledged',
         ["pledged.known_at", "no timestamp"]),
        (DATASET, "      country: ", "      share: {dtype: float64, expr: pledged / goal, known_at: launched_at}\n      country: ",
         ["columns.share.known_at", "resolved_at", "say that instead"]),
        (DATASET, "      country: ", "      paid_at: {dtype: timestamp}\n      paid: {dtype: bool, known_at: paid_at}\n      country: ",
         ["columns.paid_at", "from the start (known_at: launched_at)", "once it has come (known_at: paid_at)"]),
        (DATASET, "key: [project_id]", "key: [project_id, state]", ["tables.campaigns.key", "'state'", "known only at resolved_at"]),
        (DATASET, "undefined, live], known_at: resolved_at", "undefined, live]", ["label.expr", "nothing to predict", "state", "known_at"]),
        # bounds
        (DATASET, "min: 0.01", "min: cheap", ["usd_goal_real.min", "'cheap'", "number"]),
        (DATASET, "min: 0.01", "min: .nan", ["usd_goal_real.min", "nan", "number"]),
        (DATASET, "min: 0.01", "min: .inf", ["usd_goal_real.min", "inf", "number"]),
        (DATASET, "min: 0.01", "min: 5, max: 1", ["usd_goal_real", "min is above max", "swap"]),
        (DATASET, "min: 2009-04-21", "min: 2009-04-21T00:00:00Z, max: 2009-04-21T01:00:00+05:00",
         ["launched_at", "min is above max"]),
        (DATASET, "min: 2009-04-21", "min: 2009", ["launched_at.min", "2009", "no time"]),
        (DATASET, "min: 2009-04-21", "min: '2009-02-30'", ["launched_at.min", "'2009-02-30'"]),
        (DATASET, "deadline:      {dtype: date", "deadline:      {dtype: date, min: 2009-04-21T12:00:00Z",
         ["deadline.min", "no date", "2009-04-21"]),
        (DATASET, "deadline:      {dtype: date", "deadline:      {dtype: date, values: [a]",
         ["deadline.values", "list of values"]),
        (DATASET, "name:          {dtype: string", "name:          {dtype: string, max: 5", ["name.max", "no bounds", "drop"]),
        (DATASET, "values: [AUD,", "values: [1,", ["currency.values", "1 is no string", "quote"]),
        (DATASET, "backers:       {dtype: int64, min: 0", "backers:       {dtype: int64, min: 0.5",
         ["backers.min", "0.5", "whole number"]),
        (DATASET, "backers:       {dtype: int64, min: 0", "backers:       {dtype: int64, max: 99999999999999999999",
         ["backers.max", "64 bits"]),
        (DATASET, "backers:       {dtype: int64, min: 0", "backers:       {dtype: int64, values: [a, 1]",
         ["backers.values", "'a'", "int64"]),
        (DATASET, "backers:       {dtype: int64, min: 0", "backers:       {dtype: int64, values: []",
         ["backers.values", "empty"]),
        (CAMPAIGN, "min: 1, max: 92", "min: 92, max: 1", ["features.duration_days", "min is above max"]),
        (CAMPAIGN, "min: 1, max: 92", "min: 2009-04-21", ["features.duration_days.min", "whole number"]),
        # filters, entities, event, label
        (DATASET, "currency = 'USD'", "state = 'live'",
         ["filters.usd_only", "'state'", "resolved_at", "later than launched_at"]),
        (DATASET, "currency = 'USD'", "currency", ["filters.usd_only", "yields string", "bool is declared"]),
        (DATASET, "currency = 'USD'", "currancy = 'USD'", ["filters.usd_only", "'currancy'"]),
        (DATASET, "project: project_id", "project: backers", ["entities.project", "int64", "string is declared"]),
        (DATASET, "  country: country", "  country: land", ["entities.country", "'land'", "not there"]),
        (DATASET, "  country: country", "  country: state", ["entities.country", "'state'", "resolved_at"]),
        (DATASET, "  country: country", "  country: country\n  unused: hash(name)",
         ["entities.unused", "'hash'", "not on the list"]),
        (DATASET, "      goal: ", "      country_id: ", ["entities.country", "'country_id'", "another column", "rename"]),
        (DATASET, "event: {table: campaigns", "event: {table: campaign", ["event.table", "'campaign'", "under tables"]),
        (DATASET, "entity: project}", "entity: projects}", ["event.entity", "'projects'", "under entities"]),
        (DATASET, "name: is_successful", "name: state", ["label.name", "'state'", "column already"]),
        (DATASET, "name: is_successful", "name: country_id", ["entities.country", "'country_id'", "label's name"]),
        (DATASET, "name: is_successful", "name: split", ["label.name", "'split'", "uses itself"]),
        (DATASET, "THEN false END", "THEN 0 END", ["label.expr", "mixes bool and int64"]),
        (DATASET, "expr: \"CASE state", "expr: \"CASE outcome", ["label.expr", "'outcome'", "not there"]),
        # views
        (CAMPAIGN, "known_at: launched_at\n", "", ["known_at is missing", "knowable"]),
        (CAMPAIGN, "known_at: launched_at", "known_at: started_at", ["known_at", "'started_at'", "no column"]),
        (CAMPAIGN, "known_at: launched_at", "known_at: deadline", ["known_at", "'deadline'", "no timestamp"]),
        (OUTCOME, "known_at: resolved_at", "known_at: launched_at",
         ["features.backers", "'backers'", "resolved_at", "later than launched_at"]),
        (CAMPAIGN, "features:", "features:\n  won: {dtype: bool, expr: is_successful}",
         ["features.won", "'is_successful'", "resolved_at"]),
        (CAMPAIGN, "features:", "features:\n  project_id: {dtype: string}",
         ["features.project_id", "key of an entity", "rename"]),
        (CAMPAIGN, "features:", "features:\n  country_key: {dtype: string, expr: country}",
         ["features.country_key", "key of an entity"]),
        (CAMPAIGN, "features:", "features:\n  event_timestamp: {dtype: int64, expr: '1'}",
         ["features.event_timestamp", "uses itself"]),
        (CAMPAIGN, "features:", "features:\n  beauty: {dtype: float64}", ["features.beauty.expr", "'beauty'", "not there"]),
        (CAMPAIGN, "month(launched_at)", "month(launched_at", ["features.launch_month.expr", "does not parse"]),
        (CAMPAIGN, "month(launched_at)", "moth(launched_at)", ["features.launch_month.expr", "'moth'", "did you mean month?"]),
        (CAMPAIGN, "expr: country}", "expr: length(country)}", ["country.expr", "yields int64", "string is declared"]),
        (CAMPAIGN, "entity: project", "entity: projects", ["'projects'", "entities in"]),
        (CAMPAIGN, "entity: project", "entity: project\nentities: [country]", ["entity or entities, one of the two"]),
        (CAMPAIGN, "entity: project", "table: campaigns", ["entity or entities, one of the two"]),
        (CAMPAIGN, "entity: project", "entity: project\ntable: weather", ["table", "'weather'", "dataset.yaml"]),
        (CAMPAIGN, "expr: country}", "agg: count}", ["features.country.agg", "windows", "[30d]"]),
        (HISTORY, "agg: count, min: 0", "expr: backers, min: 0", ["features.ended", "agg: count, sum or mean"]),
        (HISTORY, PLAIN, "", ["features.ended.agg", "windows"]),
        (HISTORY, PLAIN, "windows: []\n", ["windows is empty"]),
        (HISTORY, PLAIN, "windows: [30d, 30d]\n", ["windows", "30d twice"]),
        (HISTORY, PLAIN, "windows: [30d]\nttl: 30d\n", ["ttl", "windowed", "drop it"]),
        (HISTORY, "dtype: int64, agg: count", "dtype: float64, agg: count", ["features.ended.dtype", "int64"]),
        (HISTORY, "dtype: float64, agg: mean, expr: is_s", "dtype: int64, agg: mean, expr: is_s",
         ["success_rate.dtype", "mean of bool", "float64"]),
        (HISTORY, "agg: mean, expr: is_successful", "agg: mean, expr: state",
         ["success_rate.expr", "number or a boolean", "string"]),
        (HISTORY, "resolved_at + INTERVAL 1 DAY", "launched_at + INTERVAL 90 DAYS",
         ["success_rate", "'is_successful'", "resolved_at"]),
        (HISTORY, "resolved_at + INTERVAL 1 DAY", "resolved_at",
         ["known_at", "launch", "own event", "resolved_at + INTERVAL 1 DAY"]),
        (ACTIVITY, "launched_at + INTERVAL 1 DAY", "launched_at",
         ["known_at", "launch", "own event", "launched_at + INTERVAL 1 DAY"]),
        (ACTIVITY, "entities: [category, main_category, country]", "entities: [category, category]",
         ["category_activity", "twice"]),
        # services
        (SERVICES, "as_of: launched_at", "as_of: launch", ["launch.as_of", "'launch'", "no column"]),
        (SERVICES, "as_of: launched_at", "as_of: deadline", ["launch.as_of", "'deadline'", "no timestamp"]),
        (SERVICES, "views: [campaign, category_history", "views: [campaign, history",
         ["launch.views", "'history'", "category_history"]),
        (SERVICES, "views: [campaign, category_history", "views: [campaign, campaign", ["launch.views", "campaign twice"]),
        (SERVICES, "views: [campaign, category_history", "views: [category_history",
         ["launch.views", "'project' itself", "add one"]),
        (SERVICES, "  as_of: launched_at\n", "  as_of: launched_at\n  waivers: {outcome__backers: It is no leak}\n",
         ["launch.waivers", "'outcome__backers'", "drop it"]),
        # leakage: a row-level feature from the label, or from what is known later than the service asks
        (OUTCOME, "features:", "features:\n  won: {dtype: bool, expr: is_successful}",
         ["services.yaml: close", "outcome__won ← is_successful ← state, which the label is_successful is computed from",
          "known at resolved_at, later than launched_at", "views/outcome.yaml", "waivers: {outcome__won:"]),
        (OUTCOME, "features:", "features:\n  ending: {dtype: int64, expr: length(state)}",
         ["services.yaml: close", "outcome__ending ← state, which the label is_successful is computed from"]),
        (SERVICES, "views: [campaign, category_history", "views: [campaign, outcome, category_history",
         ["services.yaml: launch", "outcome__backers ← backers, outcome__pledged_usd ← usd_pledged_real, "
          "outcome__pledged_to_goal ← usd_pledged_real, known at resolved_at",
          "later than launched_at, as the whole view is", "leave outcome out of launch", "waivers"]),
        (OUTCOME, "known_at: resolved_at", "known_at: resolved_at + INTERVAL 2 HOURS\nttl: 90d",
         ["services.yaml: close", "outcome__backers ← backers", "known only at resolved_at + INTERVAL 2 HOUR, later than resolved_at"]),
        (CAMPAIGN, "known_at: launched_at", "known_at: launched_at + INTERVAL 1 DAY",
         ["services.yaml: launch", "campaign__goal_usd ← usd_goal_real", "only at launched_at + INTERVAL 1 DAY, later than launched_at"]),
        # leakage: the row's own event among the others
        (SERVICES, "views: [campaign, outcome", "views: [campaign, country_activity, outcome",
         ["services.yaml: close", "country_activity__launched_30d", "known at launched_at + INTERVAL 1 DAY", "own event",
          "; leave country_activity out of close, or say why"]),
        (HISTORY, "known_at: resolved_at + INTERVAL 1 DAY", "known_at: resolved_at",
         ["services.yaml: launch", "category_history__success_rate_30d ← is_successful ← state", "own event"]),
    ],
)  # fmt: skip
def test_parts_that_disagree_are_refused(tmp_path: Path, file: str, old: str, new: str, fragments: list[str]) -> None:
    """Each breach is one sentence that names the file, the key and the remedy."""
    folder = edited(copied(CAMPAIGNS, tmp_path), file, old, new)
    with pytest.raises(KnownatError) as refused:
        loaded(folder)
    _names(str(refused.value), folder, fragments)


@pytest.mark.parametrize(
    ("file", "old", "new", "fragments"),
    [
        (QUERY, "SELECT", "SELEC", ["usual.sql"]),
        (QUERY, "FROM deliveries", "FROM (deliveries", ["usual.sql", "does not parse", "mend"]),
        (QUERY, "FROM deliveries", "FROM parcels", ["usual.sql", "parcels", "not declared", "deliveries, weather"]),
        (QUERY, "FROM deliveries", "FROM parquet.`/etc`", ["usual.sql", "/etc", "not declared"]),
        (QUERY, "FROM deliveries", "FROM range(9)", ["usual.sql", "RANGE(9)", "not declared"]),
        (QUERY, "  depot_id,", "  depot,", ["usual.sql", "returns depot,", "must return depot_id, known_at, median_km"]),
        (QUERY, "  depot_id,", "", ["usual.sql", "must return depot_id"]),
        (QUERY, "  depot_id,", "  *,", ["usual.sql", "must return depot_id"]),
        (QUERY, "percentile(distance_km, 0.5)", "rand()", ["usual.sql", "RAND", "differs each time"]),
        (QUERY, "ordered_at), 1)", "now()), 1)", ["usual.sql", "NOW", "differs each time"]),
        (QUERY, "", "; SELECT 1", ["usual.sql", "not one SELECT"]),
        (QUERY, "SELECT", "DROP TABLE deliveries; SELECT", ["usual.sql", "not one SELECT"]),
        (USUAL, "entity: depot", "entities: [depot]", ["usual.yaml", "one entity"]),
        (USUAL, "entity: depot", "entity: depot\nwindows: [7d]", ["usual.yaml", "windows", "usual.sql"]),
        (USUAL, "entity: depot", "entity: depot\nknown_at: ordered_at", ["usual.yaml", "known_at", "usual.sql"]),
        (USUAL, "dtype: float64, min: 0", "dtype: float64, expr: distance_km", ["features.median_km", "drop its expr"]),
        (WEATHER, "entity: depot", "entity: shipment", ["entities.shipment", "'parcel'", "not there"]),
        (WEATHER, "measured_at + INTERVAL 1 HOUR", "ordered_at", ["known_at", "'ordered_at'"]),
        (DATASET, "  depot: depot\n", "  depot: depot\n  rain: CAST(measured_at AS STRING)\n", ["entities.rain", "not there"]),
        (SERVICES, "rain", "x", ["'x'", "rain"]),
        # leakage through a query: what it returns, what it counts by, and what it cannot be followed through
        (QUERY, "percentile(distance_km, 0.5)", "avg(minutes_late)",
         ["usual.sql: usual__median_km ← minutes_late is known at delivered_at", "known_at does not come from it", "ordered_at"]),
        (QUERY, "percentile(distance_km, 0.5)", "avg(CAST(is_late AS INT))",
         ["usual__median_km ← is_late ← minutes_late is known at delivered_at", "compute known_at from delivered_at"]),
        (QUERY, "GROUP BY", "WHERE is_late GROUP BY", ["usual__median_km ← is_late ← minutes_late"]),
        (QUERY, "", "HAVING max(minutes_late) > 0", ["usual__median_km ← minutes_late"]),
        (QUERY, "FROM deliveries", "FROM (SELECT *, is_late AS odd FROM deliveries) WHERE odd", ["usual__median_km ← is_late ← minutes_late"]),
        (QUERY, "FROM deliveries", "FROM deliveries d WHERE EXISTS (SELECT 1 FROM deliveries e WHERE e.parcel = d.parcel AND e.is_late)",
         ["usual__median_km ← is_late ← minutes_late"]),
        (QUERY, "FROM deliveries", "FROM deliveries JOIN (SELECT parcel AS p, is_late AS odd FROM deliveries) ON p = parcel AND odd",
         ["usual__median_km ← is_late ← minutes_late"]),
        (QUERY, "percentile(distance_km, 0.5)", "max(struct(*))", ["usual.sql", "cannot be followed", "STRUCT(*)", "name each column"]),
        (QUERY, "percentile(distance_km, 0.5)", "avg(width_mm)", ["usual.sql", "cannot be followed", "width_mm"]),
        (QUERY, "FROM deliveries", "FROM deliveries PIVOT (max(weight_g) FOR depot IN ('a', 'b'))", ["cannot be followed", "PIVOT"]),
    ],
)  # fmt: skip
def test_queries_and_further_tables_are_checked(tmp_path: Path, file: str, old: str, new: str, fragments: list[str]) -> None:
    """A query returns the key, known_at and the features, from declared tables; each entity can be told from the event."""
    folder = edited(copied(DELIVERIES, tmp_path), file, old, new)
    with pytest.raises(KnownatError) as refused:
        loaded(folder)
    _names(str(refused.value), folder, fragments)


def _names(sentence: str, folder: Path, fragments: list[str]) -> None:
    assert sentence.startswith(str(folder))
    assert "\n" not in sentence
    assert sentence[-1] in ".?"
    for fragment in fragments:
        assert fragment in sentence


@pytest.mark.parametrize("stem", ["History", "a__b", "été", "2nd", "my-view"])
def test_a_view_is_named_in_lower_case_words(tmp_path: Path, stem: str) -> None:
    """The file's stem is the view's name, and part of its features' full names."""
    folder = copied(CAMPAIGNS, tmp_path)
    (folder / OUTCOME).rename(folder / f"views/{stem}.yaml")
    edited(folder, SERVICES, "outcome, ", "")
    with pytest.raises(KnownatError, match=f"{stem}.yaml: name the file in lower_case words"):
        loaded(folder)


def test_two_files_cannot_make_one_view(tmp_path: Path) -> None:
    """`entities: [country]` in history.yaml and a file country_history.yaml would be the same feature view."""
    folder = copied(CAMPAIGNS, tmp_path)
    (folder / "views/country_history.yaml").write_text((folder / OUTCOME).read_text())
    with pytest.raises(KnownatError, match="country_history is declared twice"):
        loaded(folder)


def test_a_view_is_not_named_like_a_table(tmp_path: Path) -> None:
    """The gate judges both by name, and would judge one only."""
    folder = copied(DELIVERIES, tmp_path)
    edited(folder, SERVICES, "rain", "weather")
    (folder / WEATHER).rename(folder / "views/weather.yaml")
    with pytest.raises(KnownatError, match="weather is also the name of a table"):
        loaded(folder)


def test_a_label_from_different_moments_is_refused(tmp_path: Path) -> None:
    """A label counts from one moment on."""
    folder = edited(
        copied(CAMPAIGNS, tmp_path),
        DATASET,
        "      country: ",
        "      paid_at: {dtype: timestamp, known_at: paid_at}\n      paid: {dtype: bool, known_at: paid_at}\n      country: ",
    )
    edited(folder, DATASET, "CASE state WHEN 'successful' THEN true", "CASE state WHEN 'successful' THEN paid")
    with pytest.raises(KnownatError, match=r"label\.expr: it reads columns known at different moments \(paid_at, resolved_at\)"):
        loaded(folder)


def test_a_row_is_not_known_later_than_its_own_moment(tmp_path: Path) -> None:
    """A table's known_at that is itself known only later is no moment to start from."""
    folder = edited(
        copied(CAMPAIGNS, tmp_path),
        DATASET,
        "from: launched, dtype: timestamp",
        "from: launched, known_at: resolved_at, dtype: timestamp",
    )
    with pytest.raises(KnownatError, match=r"known_at: 'launched_at' is itself known only at resolved_at"):
        loaded(folder)


def test_a_view_cannot_date_its_rows_before_they_are_known(tmp_path: Path) -> None:
    """A moment that no column is known at is never compared with the row's start, and could lie before it."""
    folder = edited(
        copied(CAMPAIGNS, tmp_path), DATASET, "      country: ", "      founded_at: {dtype: timestamp}\n      country: "
    )
    edited(folder, CAMPAIGN, "known_at: launched_at", "known_at: founded_at")
    with pytest.raises(KnownatError, match="no column is known at 'founded_at'"):
        loaded(folder)


def test_a_view_without_services_is_no_declaration(tmp_path: Path) -> None:
    """A model reads what a service names."""
    folder = copied(CAMPAIGNS, tmp_path)
    (folder / SERVICES).write_text("# nothing yet\n")
    with pytest.raises(KnownatError, match=r"services\.yaml holds no keys"):
        loaded(folder)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (DATASET, "min: 2009-04-21", "min: 2009-04-21T00:00:00+02:00, max: 2009-04-20T22:00:00Z"),
        (DATASET, "deadline:      {dtype: date", "deadline:      {dtype: date, min: 2009-04-21, max: '2030-01-01'"),
        (DATASET, "timezone: UTC", "timezone: Europe/Oslo"),
        (DATASET, "project: project_id", "project: ' project_id '"),
        (OUTCOME, "known_at: resolved_at", "known_at: resolved_at + INTERVAL 2 HOURS\nttl: 90d"),
        (OUTCOME, "features:", "features:\n  won: {dtype: bool, expr: is_successful}"),
        (HISTORY, "agg: mean, expr: \"ln(usd_goal_real)\"", "agg: mean, expr: backers"),
        (HISTORY, "dtype: float64, agg: mean, expr: is_successful, min: 0, max: 1", "dtype: int64, agg: sum, expr: is_successful"),
        (HISTORY, "agg: count, min: 0", "agg: count, expr: state, min: 0"),
        (SERVICES, "as_of: launched_at", "as_of: resolved_at"),
        (OUTCOME, "features:", "features:\n  days: {dtype: int64, expr: \"datediff(resolved_at, launched_at)\"}"),
    ],
)  # fmt: skip
def test_what_is_consistent_is_accepted(tmp_path: Path, file: str, old: str, new: str) -> None:
    """The checks refuse what is wrong, not what is merely different."""
    folder = edited(copied(CAMPAIGNS, tmp_path), file, old, new)
    if file == SERVICES:
        edited(folder, SERVICES, "close:", "other:")
        edited(folder, SERVICES, ", category_activity, main_category_activity, country_activity", "")
    if file == OUTCOME:
        without_outcome(folder)
    assert loaded(folder).feature_views


def without_outcome(folder: Path) -> None:
    """No service reads the view, and none waives a feature of it."""
    text = (folder / SERVICES).read_text().replace("outcome, ", "")
    (folder / SERVICES).write_text(re.sub(r"  waivers: .*\n", "", text))


RATIO = "      ratio: {dtype: float64, expr: pledged / goal}\n      ending: {dtype: int64, expr: length(state)}\n      country: "


@pytest.mark.parametrize(
    ("file", "old", "new", "fragments"),
    [
        (SERVICES, "views: [campaign, category", "views: [campaign, outcome, category",
         ["services.yaml: launch", "outcome__ratio ← ratio ← pledged, outcome__backers ← backers", "known at resolved_at"]),
        (OUTCOME, "expr: ratio", "expr: ending * 1.0",
         ["services.yaml: close", "outcome__ratio ← ending ← state, which the label is_successful is computed from"]),
        (CAMPAIGN, "features:", "features:\n  ratio: {dtype: float64}", ["features.ratio reads 'ratio' ← pledged", "later than launched_at"]),
        (HISTORY, "known_at: resolved_at + INTERVAL 1 DAY", "known_at: launched_at + INTERVAL 90 DAYS",
         ["features.success_rate reads 'is_successful' ← state", "resolved_at, later than launched_at"]),
        (ACTIVITY, "agg: count, min: 0", "agg: count, expr: ending, min: 0",
         ["features.launched reads 'ending' ← state", "resolved_at, later than launched_at"]),
    ],
)  # fmt: skip
def test_a_leak_is_followed_through_computed_columns(tmp_path: Path, file: str, old: str, new: str, fragments: list[str]) -> None:
    """The sentence names each column between the feature and what is known too late."""
    folder = edited(copied(CAMPAIGNS, tmp_path), DATASET, "      country: ", RATIO)
    edited(folder, OUTCOME, "features:", "features:\n  ratio: {dtype: float64, expr: ratio}")
    assert "ratio" in loaded(folder).views["outcome"].features
    edited(folder, file, old, new)
    with pytest.raises(KnownatError) as refused:
        loaded(folder)
    _names(str(refused.value), folder, fragments)


def test_a_query_about_the_event_itself_tells_no_label(tmp_path: Path) -> None:
    """Even dated honestly, what derives from the label is no feature of the row it is the label of."""
    folder = edited(copied(DELIVERIES, tmp_path), USUAL, "entity: depot", "entity: shipment")
    edited(folder, QUERY, "  depot_id", "  shipment_id")
    edited(folder, QUERY, "GROUP BY depot_id", "GROUP BY shipment_id")
    edited(folder, QUERY, "add_months(date_trunc('MONTH', ordered_at), 1)", "max(label_known_at)")
    assert loaded(folder).feature_views
    edited(folder, QUERY, "percentile(distance_km, 0.5)", "avg(CAST(is_late AS INT))")
    sentence = "order reads usual__median_km ← is_late ← minutes_late, which the label is_late is computed from"
    with pytest.raises(KnownatError, match=f"{sentence}.*usual.sql"):
        loaded(folder)


@pytest.mark.parametrize(
    ("known_at", "as_of_start", "as_of_end"),
    [
        ("launched_at", False, False),
        ("launched_at + INTERVAL 1 SECOND", True, False),
        ("resolved_at", False, False),
        ("resolved_at + INTERVAL 1 SECOND", True, True),
    ],
)
def test_a_view_of_events_is_read_only_once_the_own_event_is_surely_not_in_it(
    tmp_path: Path, known_at: str, as_of_start: bool, as_of_end: bool
) -> None:
    """The own event enters at the view's known_at: that must be after the service's as_of, whatever the data says."""
    for as_of, accepted in (("launched_at", as_of_start), ("resolved_at", as_of_end)):
        folder = edited(
            copied(CAMPAIGNS, tmp_path / as_of), ACTIVITY, "known_at: launched_at + INTERVAL 1 DAY", f"known_at: {known_at}"
        )
        services = f"only: {{as_of: {as_of}, views: [campaign, country_activity]}}\n"
        (folder / SERVICES).write_text(services)
        if accepted:
            assert loaded(folder).service("only")
        else:
            with pytest.raises(KnownatError, match="holds the row's own event"):
                loaded(folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "waived"),
    [
        (OUTCOME, "features:", "features:\n  won: {dtype: bool, expr: is_successful}", ["outcome__won"]),
        (OUTCOME, "known_at: resolved_at", "known_at: resolved_at + INTERVAL 2 HOURS",
         ["outcome__backers", "outcome__pledged_usd", "outcome__pledged_to_goal"]),
        (SERVICES, "views: [campaign, outcome", "views: [campaign, country_activity, outcome",
         ["country_activity__launched_30d", "country_activity__launched_365d"]),
    ],
)  # fmt: skip
def test_a_leak_passes_only_if_each_of_its_features_is_waived(
    tmp_path: Path, file: str, old: str, new: str, waived: list[str]
) -> None:
    """A waiver is for one feature of one service, and one for another feature excuses nothing."""
    folder = edited(copied(CAMPAIGNS, tmp_path), file, old, new)
    for names in (["campaign__goal_usd", *waived[1:]], waived):
        text = (folder / SERVICES).read_text()
        reasons = ", ".join(f"{name}: It is looked into" for name in names)
        waiving = re.sub(r"(  as_of: resolved_at\n)(  waivers: .*\n)?", rf"\1  waivers: {{{reasons}}}\n", text)
        (folder / SERVICES).write_text(waiving)
        if names is waived:
            assert set(loaded(folder).service("close").waivers) == set(waived)
        else:
            with pytest.raises(KnownatError, match=f"close reads {waived[0]}"):
                loaded(folder)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (HISTORY, "known_at: resolved_at + INTERVAL 1 DAY", "known_at: launched_at + INTERVAL 90 DAYS"),
        (CAMPAIGN, "features:", "features:\n  won: {dtype: bool, expr: is_successful}"),
    ],
)
def test_a_view_that_is_dated_too_early_is_not_to_be_waived(tmp_path: Path, file: str, old: str, new: str) -> None:
    """A waiver excuses who reads a feature, never when it says to be known."""
    folder = edited(copied(CAMPAIGNS, tmp_path), file, old, new)
    name = "campaign__won" if file == CAMPAIGN else "country_history__success_rate_30d"
    edited(folder, SERVICES, "  as_of: launched_at\n", f"  as_of: launched_at\n  waivers: {{{name}: It is looked into}}\n")
    with pytest.raises(KnownatError, match="'is_successful' ← state, which is known at resolved_at, later than launched_at"):
        loaded(folder)


def test_the_last_of_other_rows_may_tell_their_label(tmp_path: Path) -> None:
    """A row-level view of another entity holds others' outcomes, unless the own row's may be among them."""
    folder = edited(copied(CAMPAIGNS, tmp_path), OUTCOME, "entity: project", "entity: country")
    edited(folder, OUTCOME, "features:", "features:\n  won: {dtype: bool, expr: is_successful}")
    with pytest.raises(KnownatError, match="close reads outcome__won ← is_successful ← state"):
        loaded(folder)
    edited(folder, OUTCOME, "known_at: resolved_at", "known_at: resolved_at + INTERVAL 1 DAY")
    assert loaded(folder).feature_views


def test_the_last_of_other_rows_may_be_the_own_one_if_it_tells_no_more_than_its_start(tmp_path: Path) -> None:
    """What is known of a row from its start on is no leak, however late the view counts it."""
    folder = edited(copied(CAMPAIGNS, tmp_path), OUTCOME, "entity: project", "entity: country")
    edited(folder, OUTCOME, "expr: backers", "expr: length(title)")
    edited(folder, OUTCOME, "expr: usd_pledged_real", "expr: usd_goal_real")
    edited(folder, OUTCOME, "usd_pledged_real / usd_goal_real", "1 / usd_goal_real")
    edited(folder, OUTCOME, "known_at: resolved_at", "known_at: launched_at + INTERVAL 1 DAY")
    assert loaded(folder).feature_views
