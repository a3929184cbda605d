"""How much worse a model does, slice by slice."""

from __future__ import annotations

import pytest

from knownat.params import PromoteSettings
from knownat.standing import Slice, Standing, losses, shown

ALLOWED = PromoteSettings(max_auc_loss=0.01, max_log_loss_gain=0.01, max_slice_auc_loss=0.02)


def standing(auc: float = 0.7, log_loss: float = 0.6, **slices: float) -> Standing:
    return Standing(
        rows=900, auc=auc, log_loss=log_loss, slices=[Slice(name=name, rows=300, auc=found) for name, found in slices.items()]
    )


def too_much(before: Standing, after: Standing) -> list[str]:
    return [str(loss) for loss in losses(before, after, ALLOWED) if loss.is_too_much]


@pytest.mark.parametrize(
    ("after", "reasons"),
    [
        (standing(), []),
        (standing(0.69, 0.61), []),  # in floating point both differ by more than 0.01
        (standing(0.689), ["Its AUC is worse by 0.0110 (0.7000 → 0.6890); promote.max_auc_loss allows 0.01."]),
        (standing(0.9, 0.62), ["Its log loss is worse by 0.0200 (0.6000 → 0.6200); promote.max_log_loss_gain allows 0.01."]),
    ],
)
def test_a_score_may_be_worse_by_as_much_as_is_allowed_and_no_more(after: Standing, reasons: list[str]) -> None:
    assert too_much(standing(), after) == reasons


def test_a_slice_that_loses_much_is_named_though_another_is_the_worst() -> None:
    """The worst slice became better, and a good one lost: the smallest AUC alone would not show it."""
    before, after = standing(art=0.55, music=0.8), standing(art=0.6, music=0.7)
    assert too_much(before, after) == [
        "Its AUC of music is worse by 0.1000 (0.8000 → 0.7000); promote.max_slice_auc_loss allows 0.02."
    ]


def test_a_slice_of_one_of_them_is_not_compared() -> None:
    assert too_much(standing(art=0.9), standing(music=0.5)) == []


def test_the_worst_slice_of_each_is_shown() -> None:
    """And where no slice has enough rows, that."""
    assert shown(standing(art=0.55, music=0.8), standing(0.71, art=0.72, music=0.7)) == [
        "  AUC: 0.7000 → 0.7100",
        "  log loss: 0.6000 → 0.6000",
        "  AUC of the worst slice: 0.5500 (art) → 0.7000 (music)",
    ]
    assert shown(standing())[2] == "  AUC of the worst slice: no slice has enough rows"
