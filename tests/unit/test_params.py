"""params.yaml as typed sections, or one sentence."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from knownat.errors import KnownatError
from knownat.params import Params
from tests.declarations import ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path))


def changed(path: Path, key: str, line: str) -> Path:
    """The file with the first line of a key replaced."""
    text, times = re.subn(rf"^( *){key}:.*$", lambda found: found[1] + line, path.read_text(), count=1, flags=re.MULTILINE)
    assert times == 1, f"params.yaml has no {key}"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("key", "line", "fragments"),
    [
        ("service", "servce: launch", ["servce", "did you mean 'service'?"]),
        ("batch_size", "batchsize: 256", ["train.batchsize", "did you mean 'batch_size'?"]),
        ("seed", "sede: 2", ["sources.campaigns.sede", "did you mean 'seed'?"]),
        ("partitions", "qqqq: 4", ["preprocess.qqqq", "use one of filters, subset, partitions"]),
        ("observed_at", "observed_at: soon", ["sources.campaigns.observed_at", "'soon'"]),
        ("observed_at", "observed_at: '0001-01-01T00:00:00+05:00'", ["sources.campaigns.observed_at", "years 1 to 9999"]),
        ("observed_at", "observed_at: 3", ["sources.campaigns.observed_at", "says 3"]),
        ("rows", "rows: many", ["sources.campaigns.rows", "'many'"]),
        ("rows", "rows: 0", ["sources.campaigns.rows", "greater than 0"]),
        ("sha256", "sha256: ABC", ["sources.campaigns.sha256", "64"]),
        ("test_from", "test_from: '2001-01-01'", ["split", "validation_from must lie before test_from"]),
        ("embargo", "embargo: soon", ["split.embargo", "'soon' is no length of time", "such as 30d"]),
        ("embargo", "embargo: 7", ["split.embargo", "string", "says 7"]),
        ("embargo", "embargo: -7d", ["split.embargo", "'-7d' is no length of time"]),
        ("embargo", "embargo: 0d", ["split.embargo", "write a positive number"]),
        ("embargo", "embargo: ''", ["split.embargo", "'' is no length of time"]),
        ("embargo", "embargo: 99999999999999d", ["split.embargo", "is no length of time"]),
        ("embargo", "embargo: 182d", ["split", "embargo must be shorter than the time from validation_from to test_from"]),
        ("embargo", "embago: 7d", ["split.embago", "did you mean 'embargo'?"]),
        ("campaign__goal_usd", "campaign__goal_usd: logarithm", ["encode.campaign__goal_usd", "'logarithm'", "'log'"]),
        ("dropout", "dropout: 1", ["train.dropout", "less than 1"]),
        ("layers", "layers: [64, -32]", ["train.layers.1", "greater than 0"]),
        ("layers", "layers: 64", ["train.layers", "list"]),
        ("max_bad_share", "max_bad_share: 5", ["validate.max_bad_share", "less than or equal to 1"]),
        ("max_single_auc", "max_single_auc: 95", ["validate.max_single_auc", "less than or equal to 1"]),
        ("filters", "filters: [Usd-only]", ["preprocess.filters.0", "'Usd-only'"]),
        ("campaigns", "Campaigns:", ["sources", "'Campaigns'"]),
    ],
)
def test_a_slip_of_the_pen_is_named(path: Path, key: str, line: str, fragments: list[str]) -> None:
    """A misspelt key or a value of another kind ends in one sentence that names the key."""
    with pytest.raises(KnownatError) as refused:
        Params.load(changed(path, key, line))
    sentence = str(refused.value)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    for fragment in fragments:
        assert fragment in sentence


@pytest.mark.parametrize(
    "written", ["2018-01-03", "'2018-01-03'", "2018-01-03T00:00:00Z", "'2018-01-03T01:00:00+01:00'", "2018-01-03 00:00:00"]
)
def test_times_are_utc_however_they_are_written(path: Path, written: str) -> None:
    """A date, a time and a text mean the same moment; what has no zone is meant in UTC."""
    params = Params.load(changed(path, "observed_at", f"observed_at: {written}"))
    assert params.observed_at == datetime(2018, 1, 3, tzinfo=UTC)
    assert params.observed_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("written", "margin"),
    [
        ("embargo:", timedelta()),
        ("embargo: null", timedelta()),
        ("embargo: 7d", timedelta(days=7)),
        ("embargo: 36h", timedelta(hours=36)),
    ],
)
def test_an_embargo_is_a_length_of_time_or_empty(path: Path, written: str, margin: timedelta) -> None:
    """As in the declaration's windows; an empty one is none, and so is one that is not written."""
    assert Params.load(changed(path, "embargo", written)).split.margin == margin
    assert Params.load(changed(path, "embargo", "")).split.margin == timedelta()


def test_small_numbers_are_numbers(path: Path) -> None:
    """YAML 1.2 reads 1e-3 as a number; as a text it would be refused."""
    assert Params.load(changed(path, "learning_rate", "learning_rate: 1e-3")).train.learning_rate == 0.001


def test_a_table_without_a_source_is_named(path: Path) -> None:
    """Each table comes from somewhere."""
    with pytest.raises(KnownatError, match=r"table 'weather' has no source; add sources\.weather\.uri"):
        Params.load(path).source("weather")


@pytest.mark.parametrize(
    ("uri", "is_remote", "is_generator"),
    [("synthetic/x.py", False, True), ("data/x.csv", False, False), ("https://h/x.py", True, False), ("s3://b/x.csv", True, False)],
)
def test_a_source_is_a_script_a_file_or_remote(path: Path, uri: str, is_remote: bool, is_generator: bool) -> None:
    """A script is run only where it lies in the project."""
    source = Params.load(changed(path, "uri", f"uri: {uri}")).source("campaigns")
    assert (source.is_remote, source.is_generator) == (is_remote, is_generator)
