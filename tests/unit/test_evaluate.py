"""Scores, plots and the model card."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knownat import paths
from knownat.declaration import Declaration
from knownat.encoder import Encoder
from knownat.errors import KnownatError
from knownat.files import write_text
from knownat.params import Params
from knownat.scores import MOST_POINTS, calibration_error, plots, scores
from knownat.stages import evaluate
from tests.modelling import project, training_set
from tests.unit.test_train import ENCODER, PRICE

LABELS = np.array([False, True, False, True])
PROBABILITIES = np.array([0.1, 0.9, 0.6, 0.7])


def test_scores_stand_beside_those_of_the_majority() -> None:
    """Hand-computed on four rows."""
    found = scores(LABELS, PROBABILITIES)
    assert (found["auc"], found["accuracy"], found["majority"]["accuracy"]) == (1.0, 0.75, 0.5)
    assert found["brier"] == pytest.approx((0.01 + 0.01 + 0.36 + 0.09) / 4)
    assert found["majority"]["log_loss"] == pytest.approx(np.log(2), abs=1e-6)
    assert found["rows"] == 4


def test_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    """0 where what is foretold comes true as often as foretold."""
    assert calibration_error(np.array([True, False]), np.array([0.5, 0.5])) == 0
    assert calibration_error(np.array([True, False, True]), np.array([1.0, 0.0, 0.25])) == pytest.approx(0.25)


def test_plots_are_thinned_and_keep_their_ends() -> None:
    """However many rows there are; the confusion matrix alone has all of them."""
    rng = np.random.default_rng(0)
    found = plots(rng.random(5000) < 0.5, rng.random(5000))
    assert len(found["roc"]) == len(found["precision_recall"]) == MOST_POINTS
    assert found["roc"][0] == {"false_positive_rate": 0.0, "true_positive_rate": 0.0}
    assert found["roc"][-1] == {"false_positive_rate": 1.0, "true_positive_rate": 1.0}
    assert len(found["confusion"]) == 5000
    assert set(found["confusion"][0].values()) <= {"true", "false"}


def test_the_card_names_each_waiver_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the leakage audit lets pass is said to whoever reads the card; nothing is said where there is nothing."""
    evaluated(tmp_path, monkeypatch)
    assert "Waivers" not in paths.CARD.read_text()
    compiled = Declaration.read(paths.compiled("evaluate"))
    waiving = compiled.services["early"].model_copy(update={"waivers": {"basket__price": "The shop | sets it"}})
    services = {**compiled.services, "early": waiving}
    text = compiled.model_copy(update={"services": services}).model_dump_json(by_alias=True, exclude_defaults=True)
    write_text(paths.compiled("evaluate"), text)
    evaluate.main()
    card = paths.CARD.read_text()
    assert card.index("## Inputs") < card.index("## Waivers") < card.index("## Training")
    assert "| `basket__price` | The shop \\| sets it |" in card


def model_file(folder: Path) -> None:
    """A network with drawn weights: what it says does not matter here."""
    import keras

    from knownat.calibration import Calibration
    from knownat.canonical import save
    from knownat.network import core, whole

    keras.utils.set_random_seed(3)
    settings = Params.load(folder / "params.yaml").train
    save(whole(ENCODER, core(ENCODER, settings), Calibration()), folder / paths.MODEL)


def evaluated(folder: Path, monkeypatch: pytest.MonkeyPatch, **columns: Any) -> None:
    project(folder, training_set(**columns))
    model_file(folder)
    (folder / paths.ENCODER).write_text(ENCODER.model_dump_json(), encoding="utf-8")
    monkeypatch.chdir(folder)
    evaluate.main()


def test_evaluation_gives_the_same_bytes_and_says_what_it_is_made_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics by split, a plot each, and a card with descriptions, rows, parameters and hashes."""
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        evaluated(tmp_path / name, monkeypatch)
        files = [paths.METRICS, paths.CARD, *sorted(paths.PLOTS.iterdir())]
        found.append({file: file.read_bytes() for file in files})
    assert found[0] == found[1]
    assert json.loads(found[0][paths.METRICS])["test"]["rows"] == 100
    assert [file.name for file in found[0]][2:] == [
        "calibration.csv",
        "confusion.csv",
        "precision_recall.csv",
        "roc.csv",
    ]
    card = found[0][paths.CARD].decode()
    assert "| `basket__price` | float64 | log | In euros \\| with tax |" in card
    assert "| train | 200 |" in card
    assert "| embargo | none |" in card
    assert "The buyer kept it." in card
    assert hashlib.sha256(paths.MODEL.read_bytes()).hexdigest() in card


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"split": ["train"] * 200 + ["validation"] * 200},
            "no row falls into test; move split.test_from to an earlier",
        ),
        ({"is_kept": [True, False] * 100 + [True] * 200}, "all rows of validation have the label true; move split"),
    ],
)
def test_a_split_that_cannot_be_scored_is_refused_with_the_remedy(
    columns: dict[str, Any], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, and no metrics."""
    with pytest.raises(KnownatError, match=sentence):
        evaluated(tmp_path, monkeypatch, **columns)
    assert not paths.METRICS.exists()


def test_a_model_of_another_encoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the model reads is compared with what the encoder says."""
    project(tmp_path, training_set())
    model_file(tmp_path)
    other = Encoder(service="early", label="is_kept", inputs=[PRICE])
    (tmp_path / paths.ENCODER).write_text(other.model_dump_json(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KnownatError, match="not made with this encoder"):
        evaluate.main()
