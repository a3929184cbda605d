"""What a model card says that the model must not be used for."""

from __future__ import annotations

from knownat.limits import limits, periods
from knownat.params import Split
from knownat.splits import rows_of
from tests.modelling import training_set
from tests.unit.test_train import ENCODER

SPLIT = Split.model_validate({"validation_from": "2019-06-01", "test_from": "2019-09-01"})


def test_the_limits_follow_from_the_rows() -> None:
    """Which events, which moment, unseen categories with their count, what no slice judges; the embargo where there is one."""
    test = rows_of(training_set(basket__shop=["shop 1"] * 390 + ["new"] * 9 + [None]), "test")
    said = limits(test, ENCODER, "placed_at", SPLIT, [{"input": "basket__shop", "rows": 90}], ["basket__shop"])
    words = " ".join(said)
    assert "events from 2019-01-13 to 2019-01-17" in words
    assert "as of `placed_at`" in words
    assert "`basket__shop` in 10 of 100" in words
    assert "By `basket__shop`, 10 of 100 test rows are in no slice" in words
    assert "margin" not in words
    embargoed = limits(test, ENCODER, "placed_at", SPLIT.model_copy(update={"embargo": "7d"}), [], [])
    assert "by a margin of 7d" in " ".join(embargoed)


def test_what_is_all_seen_and_all_sliced_is_no_limit() -> None:
    """Nothing is said where there is nothing."""
    test = rows_of(training_set(basket__shop=["shop 1"] * 400), "test")
    said = limits(test, ENCODER, "placed_at", SPLIT, [{"input": "basket__shop", "rows": 100}], ["basket__shop"])
    assert len(said) == 3


def test_a_split_without_rows_has_no_period() -> None:
    """The others have their first and last event."""
    found = periods({"train": training_set(), "test": training_set().slice(0, 0)})
    assert list(found) == ["train"]
    assert found["train"][0] < found["train"][1]
