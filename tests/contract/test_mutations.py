"""Every expectation is killed: a poisoned copy of the gate's own input, which it must catch, and it alone.

The clean copy is some of the rows that this checkout's pipeline wrote, under the suites as they are now, derived and
written: an expectation of a kind without a poison, or one that nothing can fail, fails here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from knownat import parquet, paths
from knownat.declaration import Declaration, join_key
from knownat.derive.expectations import FOUND_IN, Expectation
from knownat.expectation_engine import judge
from knownat.gate_inputs import Asset, Load, assets, pandas_frame, spark_frame
from knownat.gates import Outcome
from knownat.loading import load_declaration
from knownat.params import Params
from knownat.stages import compile as compile_stage
from knownat.stages.validate import ROWS, completed, parameters, suites_of
from knownat.too_good import judge_inputs
from tests.mutations import EVERY, Input, Mutation, columns_of, groups, is_implied, mutations, spread
from tests.projects import ROOT

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SIZE = 1500
TYPED = "expect_column_values_to_be_in_type_list"
DECLARED = load_declaration(ROOT / "feature_repo")
ASSETS = [("raw", name) for name in DECLARED.tables]
ASSETS += [("features", name) for name in (*DECLARED.tables, *DECLARED.feature_views)]
ASSETS += [("training_set", "training_set")]
OF_EACH_KIND = {*DECLARED.tables, next(v.name for v in DECLARED.feature_views.values() if v.windows), "training_set"}

pytestmark = pytest.mark.skipif(not (ROOT / paths.TRAINING_SET).exists(), reason="nothing to poison yet: run `dvc repro`")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Some of the rows of each gate's input, under the declaration and the suites of this checkout."""
    folder = tmp_path_factory.mktemp("mutations")
    for name in ("feature_repo", "expectations"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("data", "registry.json"))
    shutil.copy(ROOT / "params.yaml", folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        compile_stage.main()
        sample()
        yield folder
    finally:
        os.chdir(before)


def sample() -> None:
    """The rows of one in so many entities, so that keys are still found where they must be."""
    events = parquet.read(ROOT / paths.TABLES / DECLARED.event.table)
    latest = events.sort_by([(DECLARED.event_table.known_at, "descending")]).slice(0, SIZE // 10)
    chosen = pa.concat_tables([latest, events.take(spread(len(events), SIZE))])
    chosen = events.filter(pc.is_in(events[DECLARED.event_table.key[0]], value_set=chosen[DECLARED.event_table.key[0]]))
    parquet.write_table(chosen, paths.TABLES / DECLARED.event.table / parquet.part_name(0))
    for view in DECLARED.feature_views.values():
        rows = parquet.read(ROOT / paths.VIEWS / view.name)
        rows = rows.filter(pc.is_in(rows[view.join_key], value_set=chosen[view.join_key]))
        rows = rows if view.entity == DECLARED.event.entity else rows.take(spread(len(rows), SIZE))
        parquet.write_table(rows, paths.VIEWS / view.name / parquet.part_name(0))
    for table in DECLARED.tables:
        rows = parquet.read(ROOT / paths.RAW / f"{table}.parquet")
        parquet.write_table(rows.take(spread(len(rows), SIZE)), paths.RAW / f"{table}.parquet")
        lost = parquet.read(ROOT / paths.REJECTED / f"{table}.parquet")
        parquet.write_table(lost.slice(0, 0), paths.REJECTED / f"{table}.parquet")
    rows = parquet.read(ROOT / paths.TRAINING_SET)
    parquet.write_table(rows.take(spread(len(rows), 2 * SIZE)), paths.TRAINING_SET)


@dataclass(frozen=True)
class Bench:
    """One asset with its whole suite, and which column each of its flags looks up."""

    asset: Asset
    suite: list[Expectation]
    clean: Input
    keys: dict[str, str]

    def failing(self, rows: Input, suite: list[Expectation], load: Load = pandas_frame) -> list[Expectation]:
        """What does not hold of these rows, read and judged as the gate does it."""
        write(self.asset.data, rows.data)
        if self.asset.unreadable and rows.unreadable is not None:
            write(self.asset.unreadable, rows.unreadable)
        outcomes, _ = judge(self.asset.name, load(self.asset), suite)
        assert len(outcomes) == len(suite)
        return [e for e, outcome in zip(suite, outcomes, strict=True) if not outcome.success]

    def about(self, group: list[Mutation]) -> list[Expectation]:
        """The expectations that look at what a group of poisons touches, or at the table as such."""
        touched = frozenset[str]().union(*(m.touches for m in group))
        if touched >= EVERY:
            return self.suite
        return [e for e in self.suite if not columns_of(e, self.keys) or columns_of(e, self.keys) & touched]


def write(path: Path, table: pa.Table) -> None:
    parquet.write_table(table, path if path.suffix else path / parquet.part_name(0))


def bench(gate: str, name: str) -> Bench:
    declaration, params = Declaration.read(paths.compiled(f"validate_{gate}")), Params.load()
    asset = next(a for a in assets(gate, declaration) if a.name == name)
    data = parquet.read(asset.data)
    values = parameters(gate, name, declaration, params)
    suite, spare = suites_of(gate, declaration, params)[name], dict[str, list[Any]]()
    data, spare = cleaned(data, [e for e in suite if e["meta"]["severity"] == "warn"])
    suite = [completed(e, values | {ROWS: len(data)}, name) for e in suite]
    keys = {FOUND_IN.format(other.name): key for other, key in asset.found_in.items()}
    return Bench(asset, suite, Input(data, parquet.read(asset.unreadable) if asset.unreadable else None, spare), keys)


def cleaned(data: pa.Table, warned: list[Expectation]) -> tuple[pa.Table, dict[str, list[Any]]]:
    """The rows without the quirks that warnings are there to name, and the values with them."""
    spare = {e["kwargs"]["column"]: data[e["kwargs"]["column"]].to_pylist() for e in warned}
    for e in warned:
        column, kind = e["kwargs"]["column"], e["type"]
        if kind.endswith("to_not_match_regex"):
            data = data.filter(pc.invert(pc.match_substring_regex(data[column], e["kwargs"]["regex"])))
        elif kind.endswith("to_not_be_in_set"):
            data = data.filter(pc.invert(pc.is_in(data[column], value_set=pa.array(e["kwargs"]["value_set"]))))
    return data, spare


def kill(here: Bench, group: list[Mutation], suite: list[Expectation]) -> int:
    """Poison the rows in every way of a group: each target fails, and nothing else that is not bound to."""
    rows = here.clean
    for mutation in group:
        rows = mutation.poison(rows)
    failing = here.failing(rows, suite)
    for mutation in group:
        assert mutation.target in failing, f"{here.asset.name}: nothing fails {mutation.target}"
    targets = [m.target for m in group]
    for other in failing:
        assert other in targets or any(bound_to_fail(m, other, here.keys) for m in group), f"{other} fails beside {targets}"
    return len(group)


def bound_to_fail(mutation: Mutation, other: Expectation, keys: dict[str, str]) -> bool:
    if mutation.is_gross and (mutation.touches == EVERY or mutation.touches & columns_of(other, keys)):
        return True
    return is_implied(mutation.target, other)


@pytest.mark.parametrize(("gate", "name"), ASSETS)
def test_each_mutation_is_caught_by_the_expectation_that_it_is_for(folder: Path, gate: str, name: str) -> None:  # noqa: ARG001
    """100 % of an asset's expectations are killed, each by a poison of its own; poisons of other columns go along."""
    here = bench(gate, name)
    assert not here.failing(here.clean, here.suite)
    poisons = [m for e in here.suite for m in mutations(e, here.clean, here.keys)]
    assert {id(m.target) for m in poisons} == {id(e) for e in here.suite}
    try:
        assert sum(kill(here, group, here.about(group)) for group in groups(poisons)) == len(poisons)
    finally:
        here.failing(here.clean, [])


@pytest.mark.soak
@pytest.mark.parametrize(("gate", "name"), ASSETS)
def test_each_mutation_alone_is_caught_by_the_whole_suite(folder: Path, gate: str, name: str) -> None:  # noqa: ARG001
    """The same, one poison at a time, and the whole suite looks at it."""
    here = bench(gate, name)
    for mutation in [m for e in here.suite for m in mutations(e, here.clean, here.keys)]:
        kill(here, [mutation], here.suite)
    here.failing(here.clean, [])


@pytest.mark.full
@pytest.mark.parametrize(("gate", "name"), [a for a in ASSETS if a[1] in OF_EACH_KIND])
def test_both_engines_fail_the_same_expectations(folder: Path, spark: SparkSession, gate: str, name: str) -> None:  # noqa: ARG001
    """pandas and Spark give the same verdict on clean rows, and on poisons of as many columns as go together.

    Of a column of a wrong type both say that it is; what else they make of its values is their own.
    """
    here = bench(gate, name)
    poisons = [m for e in here.suite for m in mutations(e, here.clean, here.keys)]
    packed = [group for group in groups(poisons) if len(group) > 1] + [[m for m in poisons if not m.touches][:1]]
    for group in [[], *packed]:
        rows, suite = here.clean, here.about(group)
        for mutation in group:
            rows = mutation.poison(rows)
        mistyped = frozenset[str]().union(*(m.touches for m in group if m.target["type"] == TYPED and m.is_gross))
        found = here.failing(rows, suite, partial(spark_frame, spark=spark)), here.failing(rows, suite)
        by_spark, by_pandas = (
            [e for e in failing if e["type"] == TYPED or not columns_of(e, here.keys) & mistyped] for failing in found
        )
        assert by_spark == by_pandas


def test_a_mutation_that_gives_the_label_away_is_caught(folder: Path) -> None:  # noqa: ARG001
    """An input that is a copy of the label is too good; no input is as it stands."""
    declaration, params = Declaration.read(paths.compiled("validate_training_set")), Params.load()
    rows, label = parquet.read(paths.TRAINING_SET), declaration.outcome.name

    def too_good(table: pa.Table) -> list[str | None]:
        found: list[Outcome] = judge_inputs("training_set", table, declaration, params.service, params.validate_.max_single_auc)
        return [o.column for o in found if not o.success]

    assert too_good(rows) == []
    names = [item.name for item in declaration.inputs(params.service)]
    assert join_key(declaration.event.entity) not in names
    for name in names:
        place = rows.column_names.index(name)
        rows = rows.set_column(place, name, rows[label].cast(pa.int8()).cast(rows.schema.field(name).type))
    assert too_good(rows) == names
