"""A feature that changes when the future is scrambled is found and named; an honest one is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from knownat import parquet, paths
from knownat.audit import Finding, audit, conclusion, waiver
from knownat.comparison import Change, Compared
from knownat.declaration import Declaration, Service
from knownat.derive import spark as sql
from knownat.derive.expectations import stored_columns
from knownat.errors import KnownatError
from knownat.judging import judge
from knownat.loading import load_declaration
from knownat.params import Params, PreprocessSettings
from tests.declarations import CAMPAIGNS, ROOT, copied, edited, loaded

ROWS = 400
CUT_OFF = datetime(2015, 1, 15, 13, 30, tzinfo=UTC)  # at the start of a month nobody who sees to its end sees past it
CROWD = """
SELECT category_id, launched_at AS known_at, max(n) AS n
FROM (SELECT category_id, launched_at, count(*) OVER (PARTITION BY category_id) AS n FROM campaigns)
GROUP BY category_id, launched_at
"""
SOON = """
SELECT country_id, launched_at AS known_at, max(n) AS n
FROM (SELECT country_id, launched_at, count(*) OVER (PARTITION BY country_id, date_trunc('MONTH', launched_at)) AS n FROM campaigns)
GROUP BY country_id, launched_at
"""
TOLD = "SELECT category_id, launched_at AS known_at, max(backers) AS n FROM campaigns GROUP BY category_id, launched_at"
SO_FAR = """
SELECT category_id, launched_at AS known_at, max(n) AS n
FROM (SELECT category_id, launched_at, count(*) OVER (PARTITION BY category_id ORDER BY launched_at) AS n FROM campaigns)
GROUP BY category_id, launched_at
"""


@pytest.fixture(scope="module")
def project(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The worked case's params and declaration, and some hundred generated campaigns as preprocess stores them."""
    import pandas as pd

    folder = tmp_path_factory.mktemp("audited")
    shutil.copy(ROOT / "params.yaml", folder)
    copied(CAMPAIGNS, folder)
    path = folder / "campaigns.csv"
    command = [sys.executable, str(ROOT / "synthetic" / "campaigns.py"), "--rows", str(ROWS), "--seed", "5", "--output", str(path)]
    subprocess.run(command, check=True)
    declared = loaded(folder / "feature_repo")
    name, table = declared.event.table, declared.event_table
    raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    texts = raw.rename(columns={source: column for column, source in table.raw_columns.items()})[list(table.raw_columns)]
    texts = texts.replace({"": None})
    texts.insert(0, "line", range(2, len(texts) + 2))
    observed_at = Params.load(folder / "params.yaml").observed_at
    judged = judge(spark.createDataFrame(texts), declared, name, PreprocessSettings(), observed_at).where("verdict = 'kept'")
    kept = judged.select(*map(sql.quoted, stored_columns(declared, name)))
    parquet.write_spark(kept, folder / paths.TABLES / name, table.key, 1)
    return folder


@pytest.fixture
def declared(project: Path, monkeypatch: pytest.MonkeyPatch) -> Declaration:
    monkeypatch.chdir(project)
    return loaded(project / "feature_repo")


def planted(folder: Path, query: str, entity: str = "category", **waivers: str) -> Declaration:
    """The declaration with one view only, of SQL, whether the compiler would refuse it or not."""
    repo = copied(CAMPAIGNS, folder)
    edited(repo, "views/crowd.yaml", "", f"entity: {entity}\nfeatures:\n  n: {{dtype: int64}}\n")
    edited(repo, "views/crowd.sql", "", query)
    found = load_declaration(repo)
    services = {"launch": Service(as_of="launched_at", views=["crowd"], waivers=waivers)}
    return found.model_copy(update={"views": {"crowd": found.views["crowd"]}, "services": services})


def audited(declaration: Declaration, cut_off: datetime | None = CUT_OFF) -> list[str]:
    return list(audit(declaration, Params.load(), 5000, cut_off))


def test_the_worked_case_has_no_feature_that_saw_the_future(spark: SparkSession, declared: Declaration) -> None:  # noqa: ARG001
    """Every feature of every view is compared on some rows, and none changes."""
    first, _, *lines, last = audited(declared, None)
    assert first.startswith("campaigns: ")
    names = [f"{view.name}__{f.name}" for view in declared.feature_views.values() for f in view.features]
    counted = {line.split()[0]: line.split()[1:] for line in lines}
    assert set(names) <= set(counted)
    assert all(int(rows.replace(",", "")) > 20 and changed == "0" for rows, changed in counted.values())
    assert last.startswith("8 views are compared: no feature saw what came after 201")


@pytest.mark.parametrize(
    ("query", "entity"), [(CROWD, "category"), (SOON, "country"), (TOLD, "category")], ids=["all rows", "the month", "told later"]
)
def test_a_query_that_sees_the_future_is_found_and_named(
    spark: SparkSession, declared: Declaration, tmp_path: Path, query: str, entity: str  # noqa: ARG001
) -> None:  # fmt: skip
    """It counts what is launched later, if only in the same month, or reads what its own rows are told later."""
    with pytest.raises(
        KnownatError, match=r"crowd__n saw the future: for '.+' at 201.+ it is \d+, but .+ let it read only"
    ) as found:
        audited(planted(tmp_path, query, entity))
    assert "\n" not in str(found.value)


def test_a_query_that_looks_back_only_is_honest(spark: SparkSession, declared: Declaration, tmp_path: Path) -> None:  # noqa: ARG001
    """The same count over what was launched so far changes nowhere."""
    assert "no feature saw" in audited(planted(tmp_path, SO_FAR))[-1]


def test_a_waived_feature_is_shown_and_does_not_fail(spark: SparkSession, declared: Declaration, tmp_path: Path) -> None:  # noqa: ARG001
    """Its changes are counted, with the reason beside them."""
    *_, line, last = audited(planted(tmp_path, CROWD, crowd__n="a matter of taste"))
    assert int(line.split()[2]) > 0
    assert line.endswith("waived: a matter of taste")
    assert last.endswith("; waived: crowd__n.")


def test_a_view_without_a_row_before_the_cut_off_is_not_called_honest(
    spark: SparkSession, declared: Declaration, tmp_path: Path  # noqa: ARG001
) -> None:  # fmt: skip
    """Nothing was compared, so nothing is proven."""
    with pytest.raises(KnownatError, match=r"Nothing of crowd is known by 2009-01-01 .+ choose a later --cut-off"):
        audited(planted(tmp_path, SO_FAR), datetime(2009, 1, 1, tzinfo=UTC))


def test_a_cut_off_after_everything_is_refused(declared: Declaration) -> None:
    """Where nothing is scrambled nothing can be found."""
    with pytest.raises(KnownatError, match="Nothing comes after 2020-01-01 00:00:00 UTC"):
        audited(declared, datetime(2020, 1, 1, tzinfo=UTC))


def test_tables_of_an_older_declaration_are_refused(declared: Declaration) -> None:
    """A column that is declared and not stored is named with the remedy."""
    table = declared.event_table
    columns = table.columns | {"added": table.columns["country"]}
    newer = declared.model_copy(update={"tables": {declared.event.table: table.model_copy(update={"columns": columns})}})
    with pytest.raises(KnownatError, match="has no column added; run `dvc repro preprocess`"):
        audited(newer)


def test_a_feature_is_waived_only_by_all_that_read_it(declared: Declaration) -> None:
    """One service's reason does not hold for another; what nobody reads nobody waives."""
    name, services = "campaign__goal_usd", declared.services

    def waiving(*by: str) -> str | None:
        changed = {s: services[s].model_copy(update={"waivers": {name: f"{s} says so"}}) for s in by}
        return waiver(declared.model_copy(update={"services": services | changed}), name)

    assert waiving() is None
    assert waiving("launch") is None
    assert waiving("launch", "close") == "launch says so; close says so"
    assert waiver(declared.model_copy(update={"services": {}}), name) is None


def finding(name: str, reason: str | None = None) -> Finding:
    return Finding(name, Compared(name, 9, 1, Change("key", CUT_OFF, "1", "2")), reason)


@pytest.mark.parametrize(
    ("found", "unseen", "said"),
    [
        ([finding("a__x"), finding("b__y", "why not"), finding("c__z")], [], "a__x saw the future (and so did c__z): for 'key'"),
        ([], ["a"], "Nothing of a is known by"),
        ([finding("a__x", "why not")], ["b"], "Nothing of b is known by"),
    ],
)
def test_whatever_is_not_seen_to_be_honest_fails(found: list[Finding], unseen: list[str], said: str) -> None:
    """All features that saw the future are named, waived ones aside; so is a view of which nothing was compared."""
    with pytest.raises(KnownatError) as refused:
        conclusion(found, unseen, 3, CUT_OFF)
    assert said in str(refused.value)
    assert "b__y" not in str(refused.value)
    with pytest.raises(KnownatError, match="Nothing of any view"):
        conclusion([], [], 0, CUT_OFF)
