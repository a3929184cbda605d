"""Scores, plots and the model card."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from knownat import paths
from knownat.declaration import Declaration
from knownat.encoder import Encoder
from knownat.errors import KnownatError
from knownat.files import write_text
from knownat.lineage import workspace_lineage
from knownat.params import Params
from knownat.plots import PLOTS
from knownat.stages import evaluate
from tests.modelling import project, training_set
from tests.unit.test_train import ENCODER, PRICE


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
        files = [paths.METRICS, paths.EVALUATION, paths.CARD, *sorted(paths.PLOTS.iterdir())]
        found.append({file: file.read_bytes() for file in files})
    assert found[0] == found[1]
    assert json.loads(found[0][paths.METRICS])["test"]["rows"] == 100
    assert [file.stem for file in found[0]][3:] == sorted(PLOTS)
    for name, columns in PLOTS.items():
        assert found[0][paths.PLOTS / f"{name}.csv"].decode().splitlines()[0] == ",".join(columns)
    card = found[0][paths.CARD].decode()
    assert "| `basket__price` | float64 | log | In euros \\| with tax |" in card
    assert "| train | 200 | 2019-01-01 00:00 UTC | 2019-01-09 07:00 UTC |" in card
    assert "judged on events from 2019-01-13 to 2019-01-17" in card
    assert "| embargo | none |" in card
    assert "The buyer kept it." in card
    assert hashlib.sha256(paths.MODEL.read_bytes()).hexdigest() in card
    assert f"Lineage: `{workspace_lineage()}`" in card


def test_the_intervals_hold_the_scores_and_the_peer_stands_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the AUC, and of how far it is above the peer's, on both splits."""
    evaluated(tmp_path, monkeypatch)
    for found in json.loads(paths.EVALUATION.read_text()).values():
        assert found["auc_low"] < found["auc"] < found["auc_high"]
        peer = found["peer"]
        assert peer["auc_gap_low"] < found["auc"] - peer["auc"] < peer["auc_gap_high"]


def test_a_slice_by_what_is_no_input_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is judged, with the input that was probably meant."""
    project(tmp_path, training_set())
    model_file(tmp_path)
    (tmp_path / paths.ENCODER).write_text(ENCODER.model_dump_json(), encoding="utf-8")
    with (tmp_path / "params.yaml").open("a") as file:
        file.write("evaluate: {slices: [basket__shops]}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KnownatError, match="slices: service 'early' has no input 'basket__shops'; did you mean 'basket__shop'"):
        evaluate.main()
    assert not paths.METRICS.exists()


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
