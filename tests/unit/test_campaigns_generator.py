"""The generator of campaigns keeps the real table's shape and a difficulty that is known."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

SCRIPT = Path(__file__).parents[2] / "synthetic" / "campaigns.py"
OBSERVED_ON = "2018-01-03"
SUFFIX = r" \((?:Canceled|Suspended)\)$"


def generate(folder: Path, rows: int, seed: int = 20180103) -> tuple[Path, Path]:
    """Run the script as DVC does."""
    table, truth = folder / "campaigns.csv", folder / "truth.csv"
    arguments = ["--rows", str(rows), "--seed", str(seed), "--output", str(table), "--truth", str(truth)]
    subprocess.run([sys.executable, str(SCRIPT), *arguments], check=True)
    return table, truth


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return generate(tmp_path_factory.mktemp("campaigns"), rows=50_000)


@pytest.fixture(scope="session")
def rows(files: tuple[Path, Path]) -> pd.DataFrame:
    money = {"goal": float, "pledged": float, "usd_pledged_real": float, "usd_goal_real": float, "backers": int}
    return pd.read_csv(files[0], dtype=str, keep_default_na=False).astype(money)


@pytest.fixture(scope="session")
def scored(files: tuple[Path, Path], rows: pd.DataFrame) -> pd.DataFrame:
    """Labelled rows, each with its true probability."""
    labelled = rows[rows.state.isin(["successful", "failed"])]
    return labelled.merge(pd.read_csv(files[1], dtype={"ID": str}), on="ID", validate="one_to_one")


def test_same_rows_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    """Two runs with the same rows and seed write the same table and the same truth; another seed does not."""
    folders = [tmp_path / name for name in ("one", "two", "other")]
    for folder in folders:
        folder.mkdir()
    one, two, other = (
        [sha256(path) for path in generate(folder, 2_000, seed)] for folder, seed in zip(folders, (1, 1, 2), strict=True)
    )
    assert one == two
    assert not set(one) & set(other)


def test_bytes_are_those_of_the_committed_hash(tmp_path: Path) -> None:
    """The bytes do not depend on the machine."""
    assert [sha256(path)[:16] for path in generate(tmp_path, 2_000)] == ["d056982eb9649e56", "75bb8ba6d7d9240e"]


def test_columns_are_those_of_the_real_table(rows: pd.DataFrame) -> None:
    """The fifteen columns stand in the real order, and none of them is the probability."""
    assert ",".join(rows.columns) == (
        "ID,name,category,main_category,currency,deadline,goal,launched,pledged,state,backers,country,"
        "usd pledged,usd_pledged_real,usd_goal_real"
    )


def test_no_column_holds_the_probability(scored: pd.DataFrame) -> None:
    """No number in the table puts the campaigns into the order of their probabilities."""
    numbers = scored.drop(columns="probability").apply(pd.to_numeric, errors="coerce").dropna(axis=1, how="all")
    assert "backers" in numbers
    assert (numbers.corrwith(scored["probability"], method="spearman").abs() < 0.8).all()


def test_rows_are_in_the_order_of_unique_ids_as_text(rows: pd.DataFrame) -> None:
    """IDs are unique positive integers, sorted as text, and say nothing of time."""
    assert rows["ID"].is_unique
    assert rows["ID"].is_monotonic_increasing
    assert rows["ID"].astype(int).between(1, 2**31).all()
    assert abs(rows["ID"].astype(int).corr(rows["launched"].rank())) < 0.02


def test_kinds_countries_and_currencies_are_as_many_as_in_the_real_table(rows: pd.DataFrame) -> None:
    """15 main categories, 165 pairs of 155 names, 23 countries with the odd one, one currency a country."""
    assert rows["main_category"].nunique() == 15
    assert len(rows[["main_category", "category"]].drop_duplicates()) == 165
    assert rows["category"].nunique() == 155
    assert rows["country"].nunique() == 23
    assert (rows[rows["country"] != 'N,0"'].groupby("country")["currency"].nunique() == 1).all()
    assert set(rows.loc[rows["launched"] < "2012-10-31", "country"]) == {"US"}


@pytest.mark.parametrize(
    ("quirk", "low", "high"),
    [
        (lambda r: r["country"] == 'N,0"', 0.008, 0.012),
        (lambda r: r["state"] == "undefined", 0.007, 0.012),
        (lambda r: r["state"] == "canceled", 0.09, 0.11),
        (lambda r: r["state"] == "suspended", 0.003, 0.007),
        (lambda r: r["state"] == "live", 0.006, 0.011),
        (lambda r: (r["state"] == "live") & (r["deadline"] < "2017"), 1e-4, 4e-4),
        (lambda r: r["launched"] == "1970-01-01 01:00:00", 2e-5, 2e-4),
        (lambda r: ~r["name"].map(str.isascii), 0.02, 0.04),
        (lambda r: r["name"].str.contains('"'), 0.04, 0.07),
        (lambda r: r["name"].str.contains(","), 0.04, 0.08),
        (lambda r: r["name"].str.endswith("!"), 0.07, 0.12),
        (lambda r: r["name"].str.contains(":"), 0.12, 0.2),
        (lambda r: r["goal"] == 5000, 0.06, 0.12),
        (lambda r: r["goal"] >= 1e8, 1e-5, 5e-4),
    ],
)
def test_quirk_has_its_known_rate(rows: pd.DataFrame, quirk, low: float, high: float) -> None:
    """Each quirk of the real table befalls about as many rows here."""
    assert low <= quirk(rows).mean() <= high


@pytest.mark.parametrize(("state", "suffix"), [("canceled", " (Canceled)"), ("suspended", " (Suspended)")])
def test_suffix_befalls_only_its_state(rows: pd.DataFrame, state: str, suffix: str) -> None:
    """Most names of a stopped campaign end in its state, and no other name does."""
    is_marked = rows["name"].str.endswith(suffix)
    assert set(rows.loc[is_marked, "state"]) == {state}
    assert 0.45 < is_marked[rows["state"] == state].mean() < 0.72


def test_rows_of_the_odd_country_lack_backers_and_usd_pledged(rows: pd.DataFrame) -> None:
    """A row with the odd country has no backers and an empty `usd pledged`, and most are undefined."""
    odd = rows[rows["country"] == 'N,0"']
    assert (odd["backers"] == 0).all()
    assert ((rows["usd pledged"] == "") == (rows["country"] == 'N,0"')).all()
    assert (odd["state"] == "undefined").mean() > 0.85


def test_small_table_has_the_rare_rows_too(tmp_path: Path) -> None:
    """5,000 rows hold a launch at the epoch, canceled, and a live row whose deadline is long past."""
    rows = pd.read_csv(generate(tmp_path, 5_000)[0], dtype=str, keep_default_na=False)
    assert list(rows.loc[rows["launched"].str.startswith("1970"), "state"]) == ["canceled"]
    assert ((rows["state"] == "live") & (rows["deadline"] < "2017-01-03")).sum() == 1


def test_open_campaigns_are_live_and_end_after_the_observation(rows: pd.DataFrame) -> None:
    """What ends on the day of observation or later is live, and but for few stale rows nothing else is."""
    is_open = rows["deadline"] >= OBSERVED_ON
    assert set(rows.loc[is_open, "state"]) == {"live"}
    assert ((rows["state"] == "live") & ~is_open).mean() < 4e-4


def test_times_lie_in_the_period_and_durations_in_their_bounds(rows: pd.DataFrame) -> None:
    """Launches lie between 2009-04-21 and the observation, deadlines 1 to 92 days later, mostly 30."""
    known = rows[rows["launched"] >= "1971"]
    assert known["launched"].between("2009-04-21", OBSERVED_ON).all()
    assert known["launched"].str.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d").all()
    days = (pd.to_datetime(known["deadline"]) - pd.to_datetime(known["launched"].str[:10])).dt.days
    assert days.between(1, 92).all()
    assert days.mode().tolist() == [30]


def test_success_means_that_the_goal_is_reached(scored: pd.DataFrame) -> None:
    """A finished campaign is successful exactly when pledged >= goal, in its own currency."""
    assert ((scored["pledged"] >= scored["goal"]) == (scored["state"] == "successful")).all()


def test_success_rates_are_spread_like_the_real_ones(scored: pd.DataFrame) -> None:
    """About 40 % succeed; theatre, dance and comics most, technology and journalism least."""
    is_successful = scored["state"] == "successful"
    assert 0.38 < is_successful.mean() < 0.42
    rates = is_successful.groupby(scored["main_category"]).mean().sort_values()
    assert {"Technology", "Journalism"} < set(rates.index[:5])
    assert set(rates.index[-3:]) == {"Theater", "Dance", "Comics"}


def test_probability_is_calibrated(scored: pd.DataFrame) -> None:
    """Among rows of about the same probability, that share succeeds."""
    is_successful = (scored["state"] == "successful").astype(float)
    tenths = pd.qcut(scored["probability"], 10)
    gap = is_successful.groupby(tenths, observed=True).mean() - scored.groupby(tenths, observed=True)["probability"].mean()
    assert gap.abs().max() < 0.03


def linear_features(rows: pd.DataFrame) -> np.ndarray:
    launched_at, name = pd.to_datetime(rows["launched"]), rows["name"].str.replace(SUFFIX, "", regex=True)
    numbers = {
        "log_goal": np.log(rows["usd_goal_real"]),
        "days": (pd.to_datetime(rows["deadline"]) - launched_at.dt.normalize()).dt.days,
        "month": launched_at.dt.month,
        "weekday": launched_at.dt.weekday,
        "length": name.str.len(),
        "words": name.str.split().str.len(),
    }
    kinds = pd.get_dummies(rows[["main_category", "country"]].assign(hour=launched_at.dt.hour.astype(str)))
    return np.hstack([StandardScaler().fit_transform(pd.DataFrame(numbers)), kinds.to_numpy(float)])


def test_best_auc_is_known_and_a_linear_model_falls_short_of_it(scored: pd.DataFrame) -> None:
    """On launches from 2016-07 the truth has an AUC of 0.74 to 0.78, and a linear model is at least 0.02 below."""
    is_successful = (scored["state"] == "successful").to_numpy()
    train, test = (scored["launched"] < "2016-01-01").to_numpy(), (scored["launched"] >= "2016-07-01").to_numpy()
    best = roc_auc_score(is_successful[test], scored.loc[test, "probability"])
    features = linear_features(scored)
    model = LogisticRegression(max_iter=300).fit(features[train], is_successful[train])
    linear = roc_auc_score(is_successful[test], model.predict_proba(features[test])[:, 1])
    assert 0.74 < best < 0.78
    assert linear < best - 0.02
