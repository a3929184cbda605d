"""What one feature alone tells about the label, judged on rows that it was not learnt from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from knownat.separation import Rows, auc, separation

N = 4000
DRAW = np.random.default_rng(3)
LABELS = DRAW.random(N) < 0.4


def numbers(values: Any) -> Any:
    return np.asarray(values, dtype=float)


def texts(values: list[str | None]) -> Any:
    return np.array([*values, None], dtype=object)[:-1]


def found(values: Any, labels: Any = LABELS) -> float:
    """The separation with the first half to learn from and the second to judge."""
    half = len(labels) // 2
    result = separation(Rows(values[:half], labels[:half]), Rows(values[half:], labels[half:]))
    assert result is not None
    return result


def test_a_feature_that_is_the_label_separates_it_perfectly() -> None:
    """As a number, as a text and as a boolean."""
    assert found(numbers(LABELS)) == 1
    assert found(texts([f"is {value}" for value in LABELS])) == 1
    assert found(np.array(LABELS.tolist(), dtype=object)) == 1


def test_a_feature_that_tells_nothing_separates_nothing() -> None:
    """Noise, a constant and a column without values stay near one half, whatever was learnt from them."""
    assert found(numbers(DRAW.random(N))) < 0.54
    assert found(numbers(np.ones(N))) == 0.5
    assert found(numbers(np.full(N, np.nan))) == 0.5
    assert found(texts([None] * N)) == 0.5


def test_the_order_of_the_numbers_does_not_matter() -> None:
    """A label that holds in the middle of a feature's range is found."""
    values = DRAW.normal(size=N)
    assert found(values, np.abs(values) < 0.5) > 0.99


def test_a_text_that_occurs_once_tells_nothing() -> None:
    """A name of its own in each row foretells no other row's label; learnt and judged on the same rows it would all of them."""
    assert found(texts([f"name {i}" for i in range(N)])) == 0.5


def test_whether_a_value_is_missing_may_give_the_label_away() -> None:
    """A null is a value of its own, among numbers and among texts."""
    assert found(np.where(LABELS, np.nan, DRAW.random(N))) > 0.99
    assert found(np.where(LABELS, np.nan, 0.0)) == 1
    assert found(texts([None if label else f"note {i % 7}" for i, label in enumerate(LABELS)])) > 0.99


def test_a_frequent_number_is_told_apart_from_its_neighbours() -> None:
    """A zero that stands for one label is not mixed with what lies just above."""
    assert found(np.where(LABELS, 0.0, DRAW.random(N) / 1000)) > 0.99


def test_the_opposite_of_what_was_learnt_separates_as_well() -> None:
    """A feature whose meaning turns round after training still knows the label."""
    values = numbers(LABELS)
    values[N // 2 :] = 1 - values[N // 2 :]
    assert found(values) == 1


def test_what_a_campaign_raised_is_telling_and_its_ratio_to_the_goal_is_the_label() -> None:
    """Of a goal and a sum of which one exceeds the other, neither alone is too good; their ratio is."""
    goal, raised = np.exp(DRAW.normal(8, 1.5, N)), np.exp(DRAW.normal(7, 2.5, N))
    labels = raised >= goal
    assert 0.8 < found(raised, labels) < 0.95
    assert found(raised / goal, labels) > 0.999


def test_later_rows_with_one_label_are_replaced_by_half_of_the_training_rows() -> None:
    """Learnt on the first half, judged on the second; a name of its own still tells nothing."""
    later = Rows(texts(["x", "y"]), np.array([True, True]))
    assert separation(Rows(texts([f"name {i}" for i in range(N)]), LABELS), later) == 0.5
    assert separation(Rows(texts([str(value) for value in LABELS]), LABELS), later) == 1


@pytest.mark.parametrize("labels", [[], [True] * 4])
def test_without_both_labels_nothing_can_be_told(labels: list[bool]) -> None:
    """No rows, or one label in all of them: no number is made up."""
    rows = Rows(numbers(range(len(labels))), np.array(labels, dtype=bool))
    assert separation(rows, rows) is None


def test_the_auc_is_the_one_of_the_metrics() -> None:
    """The same as scikit-learn's, ties included."""
    scores = DRAW.integers(0, 9, N) / 9 + LABELS / 5
    assert auc(scores, LABELS) == pytest.approx(roc_auc_score(LABELS, scores), rel=1e-12)
