"""A feature that alone tells the labels apart fails the training set's gate, unless the service says why it may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from knownat import paths
from knownat.errors import KnownatError
from knownat.stages import validate
from tests.modelling import PARAMS, declaration, training_set
from tests.modelling import project as written

NAME = "basket__items"


def gate(folder: Path, table: pa.Table, waivers: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Run the gate in a project with this training set; what it found of each input alone."""
    written(folder, table)
    paths.verdict("training_set").unlink()
    (folder / "params.yaml").write_text(PARAMS.format(encode="") + "validate: {max_single_auc: 0.96}\n")
    declared = declaration()
    services = declared.services | {"early": declared.services["early"].model_copy(update={"waivers": waivers or {}})}
    text = declared.model_copy(update={"services": services}).model_dump_json(by_alias=True, exclude_defaults=True)
    paths.compiled("validate_training_set").write_text(text)
    try:
        validate.main("training_set")
    finally:
        results = json.loads(paths.result("training_set").read_text())
    return {r["column"]: r for r in results if r["expectation"]["type"] == "single_feature_auc_to_be_at_most"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def too_good() -> pa.Table:
    """A training set of which one input is the label."""
    return training_set(basket__items=[int(kept) for kept in training_set()["is_kept"].to_pylist()])


def test_every_input_alone_is_measured_and_honest_ones_pass(here: Path) -> None:
    """The result tells the AUC of each input, also where it passes, and the verdict is written."""
    found = gate(here, training_set())
    assert list(found) == [item.name for item in declaration().inputs("early")]
    assert all(result["success"] and result["found"].startswith("AUC 0.") for result in found.values())
    assert paths.verdict("training_set").exists()


def test_a_feature_that_is_too_good_fails_the_gate_by_name(here: Path) -> None:
    """The sentence names the feature and its AUC, and no verdict is left."""
    with pytest.raises(KnownatError, match=rf"{NAME}: alone it separates the label with AUC 1.000, above 0.96: does it know"):
        gate(here, too_good())
    assert not paths.verdict("training_set").exists()


def test_a_missing_value_that_gives_the_label_away_fails_the_gate(here: Path) -> None:
    """A text that is there only with one label is too good, whatever it says."""
    shops = [f"shop {i % 9}" if kept else None for i, kept in enumerate(training_set()["is_kept"].to_pylist())]
    with pytest.raises(KnownatError, match="basket__shop: alone it separates the label"):
        gate(here, training_set(basket__shop=shops))


def test_a_waived_feature_passes_and_its_reason_is_told(here: Path) -> None:
    """What the service waives stands in the result beside the AUC."""
    found = gate(here, too_good(), {NAME: "it is asked of the buyer"})
    assert found[NAME]["success"]
    assert found[NAME]["found"] == "AUC 1.000; waived: it is asked of the buyer"
    assert paths.verdict("training_set").exists()


def test_a_feature_that_cannot_be_measured_does_not_pass(here: Path) -> None:
    """A column that is not there is a failure, even where it is waived."""
    with pytest.raises(KnownatError):
        gate(here, training_set().drop_columns([NAME]), {NAME: "never mind"})
    results = json.loads(paths.result("training_set").read_text())
    [found] = [r for r in results if r["column"] == NAME and "cannot be told" in r["found"]]
    assert not found["success"]
