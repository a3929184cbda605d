"""Whatever is wrong with a declaration ends in one sentence that names the file, the key and the remedy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from knownat import paths
from knownat.checks import check
from knownat.errors import KnownatError
from knownat.loading import load_declaration
from knownat.params import Params
from knownat.stages import compile as compile_stage
from tests.projects import ROOT

DATASET, SERVICES = "feature_repo/dataset.yaml", "feature_repo/services.yaml"
CAMPAIGN, OUTCOME = "feature_repo/views/campaign.yaml", "feature_repo/views/outcome.yaml"
HISTORY, ACTIVITY = "feature_repo/views/history.yaml", "feature_repo/views/activity.yaml"


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "feature_repo", tmp_path / "feature_repo", ignore=shutil.ignore_patterns("data", "registry.json"))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(folder: Path) -> None:
    check(load_declaration(folder / "feature_repo"), Path("feature_repo"))


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (DATASET, "dtype: date,", "dtpye: date,", ["dtpye", "unknown key", "did you mean 'dtype'"]),
        (CAMPAIGN, "expr: main_category}", "exper: main_category}", ["campaign.yaml", "exper", "did you mean 'expr'"]),
        (SERVICES, "as_of: launched_at", "asof: launched_at", ["services.yaml", "asof"]),
        (DATASET, "dtype: date,", "dtype: datum,", ["deadline.dtype", "datum"]),
        (HISTORY, "agg: count", "agg: median", ["history.yaml", "ended.agg", "median"]),
        (DATASET, "key: [project_id]", "key: [project_id", ["dataset.yaml, line", "not valid YAML"]),
        (DATASET, "event: {", "event: {}\nevent: {", ["duplicate key"]),
        (CAMPAIGN, '"month(launched_at)"', '"month(launched_at"', ["campaign.yaml", "launch_month", "does not parse"]),
        (CAMPAIGN, '"month(launched_at)"', '"sha2(launched_at)"', ["launch_month", "sha2", "not on the list"]),
        (CAMPAIGN, '"month(launched_at)"', '"month(lunched_at)"', ["launch_month", "lunched_at", "not there"]),
        (CAMPAIGN, '"length(title)"', "title", ["name_length", "int64 is declared"]),
        (CAMPAIGN, "known_at: launched_at\n", "", ["campaign.yaml", "known_at is missing"]),
        (OUTCOME, "known_at: resolved_at", "known_at: launched_at", ["outcome.yaml", "backers", "resolved_at", "later than"]),
        (CAMPAIGN, "launch_hour:", "category_id:", ["category_id", "key of an entity"]),
        (SERVICES, "[campaign, outcome,", "[campaign, outcomes,", ["close.views", "outcomes"]),
        (SERVICES, "as_of: resolved_at", "as_of: state", ["close.as_of", "state"]),
        (ACTIVITY, "launched_at + INTERVAL 1 DAY", "launched_at", ["activity.yaml", "own event"]),
        (ACTIVITY, "windows: [30d, 365d]", "windows: [0d]", ["activity.yaml", "0d"]),
        (ACTIVITY, "windows: [30d, 365d]", "ttl: 3d", ["activity.yaml", "needs windows"]),
        (HISTORY, "windows: [30d, 365d]", "windows: [30d]\nttl: 0d", ["history.yaml", "ttl"]),
        (DATASET, "currency = 'USD'", "state = 'live'", ["filters.usd_only", "state", "later than"]),
        (DATASET, "min: 0.01", "min: cheap", ["usd_goal_real.min", "cheap"]),
        (DATASET, "timezone: UTC", "timezone: Mars/Olympus", ["timezone", "Mars/Olympus"]),
        (DATASET, "entity: project}", "entity: projects}", ["event.entity", "projects"]),
        (DATASET, "country: country", "country: contry", ["entities.country", "contry"]),
        (DATASET, "event: {table: campaigns", "event: {table: campaign", ["event.table", "'campaign'"]),
    ],
)  # fmt: skip
def test_a_broken_declaration_is_refused_by_name(copy: Path, file: str, old: str, new: str, said: list[str]) -> None:
    """Each mistake, made in a copy of the worked case, names its culprit; nothing that was compiled before is lost."""
    compile_stage.main()
    before = {path.name: path.read_bytes() for path in paths.COMPILED.iterdir()}
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new, 1))
    with pytest.raises(KnownatError) as refused:
        compile_stage.main()
    for part in said:
        assert part in str(refused.value)
    assert "\n" not in str(refused.value)
    assert {path.name: path.read_bytes() for path in paths.COMPILED.iterdir()} == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("learning_rate:", "learnin_rate:", ["params.yaml", "learnin_rate", "learning_rate"]),
        ("service: launch", "servise: launch", ["params.yaml", "servise"]),
        ("observed_at: '2018-01-03'", "observed_at: soon", ["sources.campaigns.observed_at", "soon"]),
        ("test_from: '2016-07-01'", "test_from: '2015-07-01'", ["split", "before"]),
        ("campaign__goal_usd: log", "campaign__goal_usd: logarithm", ["encode.campaign__goal_usd", "logarithm"]),
        ("rows: 50000", "rows: -1", ["sources.campaigns.rows", "-1"]),
        ("sha256:", "sha256: abc", ["sources.campaigns.sha256", "64"]),
    ],
)
def test_broken_params_are_refused_by_name(copy: Path, old: str, new: str, said: list[str]) -> None:
    """A misspelt key, an unknown value or a value out of range names the key."""
    text = (copy / "params.yaml").read_text()
    assert old in text
    (copy / "params.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(KnownatError) as refused:
        Params.load(copy / "params.yaml")
    for part in said:
        assert part in str(refused.value)


def parts(folder: Path) -> dict[str, bytes]:
    compile_stage.main()
    return {path.stem: path.read_bytes() for path in (folder / paths.COMPILED).iterdir()}


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        (CAMPAIGN, "Funding goal, USD", "Another text", {"register", "evaluate", "report"}),
        (HISTORY, "max: 1,", "max: 0.99,", {"validate_features", "validate_training_set", "report"}),
        (CAMPAIGN, "max: 92", "max: 91", {"preprocess", "validate_features", "validate_training_set", "report"}),
        (DATASET, "min: 2009-04-21", "min: 2009-04-22", {"preprocess", "validate_features", "validate_training_set", "report"}),
    ],
)
def test_an_edit_changes_only_the_parts_that_need_it(copy: Path, file: str, old: str, new: str, changed: set[str]) -> None:
    """A description reruns neither preprocess, encode nor train; a bound only what judges by it."""
    before = parts(copy)
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new, 1))
    after = parts(copy)
    assert {stage for stage in after if after[stage] != before[stage]} == changed


def test_norway_is_a_text_and_a_small_number_a_number(tmp_path: Path) -> None:
    """YAML 1.2: NO is no boolean, 1e-3 is a number."""
    from knownat.loading import read_yaml

    (tmp_path / "x.yaml").write_text("countries: [NO, SE]\nrate: 1e-3\n")
    assert read_yaml(tmp_path / "x.yaml") == {"countries": ["NO", "SE"], "rate": 0.001}
