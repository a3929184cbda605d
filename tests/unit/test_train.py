"""Training gives the same bytes each time, and a model that takes raw values by name."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from knownat import paths
from knownat.canonical import canonical
from knownat.encoder import Category, Encoder, Number
from knownat.errors import KnownatError
from knownat.stages import train
from tests.modelling import project, training_set

WEIGHT = Number(name="basket__weight", dtype="float64", kind="scale", mean=70.0, std=3.0, has_missing=True)
PRICE = Number(name="basket__price", dtype="float64", kind="log", mean=3.0, std=1.0, has_missing=False)
SHOP = Category(name="basket__shop", dtype="string", kind="index", vocabulary=[f"shop {n}" for n in range(9)])
ENCODER = Encoder(service="early", label="is_kept", inputs=[PRICE, SHOP, WEIGHT])


def encoded(folder: Path, **columns: Any) -> None:
    """A project whose rows are encoded by hand: no Spark."""
    project(folder, training_set())
    rows = training_set()
    price, weight = (np.array(rows[name].to_pylist(), dtype=float) for name in ("basket__price", "basket__weight"))
    is_kept = rows["is_kept"].to_numpy(zero_copy_only=False)
    matrix: dict[str, Any] = {
        "split": rows["split"],
        "is_kept=false": (~is_kept).astype(np.float32),
        "is_kept=true": is_kept.astype(np.float32),
        "basket__price": np.nan_to_num(np.log1p(price) - 3).astype(np.float32),
        "basket__shop": np.array([min(int(s[-1]), 9) for s in rows["basket__shop"].to_pylist()], dtype=np.int32),
        "basket__weight": np.nan_to_num((weight - 70) / 3).astype(np.float32),
        "basket__weight__missing": np.isnan(weight).astype(np.float32),
    }
    pq.write_table(pa.table({**matrix, **columns}), folder / paths.ENCODED)
    (folder / paths.ENCODER).parent.mkdir(exist_ok=True)
    (folder / paths.ENCODER).write_text(ENCODER.model_dump_json(), encoding="utf-8")


def outputs(folder: Path) -> dict[str, str]:
    files = [folder / paths.MODEL, *(folder / paths.CURVES).rglob("*.*")]
    return {f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files if f.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was trained in this process."""
    folder = tmp_path_factory.mktemp("trained")
    encoded(folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        train.main()
    return folder


def test_another_process_on_one_core_in_another_folder_trains_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """Model and curves: neither date nor path, nor the number of cores."""
    encoded(tmp_path)
    one_core = {min(os.sched_getaffinity(0))} if hasattr(os, "sched_getaffinity") else None
    subprocess.run(
        [sys.executable, "-m", "knownat.stages.train"],
        cwd=tmp_path,
        check=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, one_core)) if one_core else None,
    )
    assert outputs(tmp_path) == outputs(folder)


@pytest.mark.parametrize("other", [{"ONEDNN_MAX_CPU_ISA": "SSE41"}, {"TF_ENABLE_ONEDNN_OPTS": "0"}], ids=["old", "plain"])
def test_other_instructions_train_the_same_bytes(folder: Path, tmp_path: Path, other: dict[str, str]) -> None:
    """With the kernels of an old CPU, or those of another library, which sum in another order."""
    encoded(tmp_path)
    subprocess.run([sys.executable, "-m", "knownat.stages.train"], cwd=tmp_path, check=True, env={**os.environ, **other})
    assert outputs(tmp_path) == outputs(folder)


def test_the_model_foretells_from_raw_values_by_name(folder: Path) -> None:
    """As the trained core does from the matrix; missing values and unseen words included."""
    from knownat.model import load, predict

    model = load(folder / paths.MODEL, ENCODER)
    rows, matrix = training_set(), pq.read_table(folder / paths.ENCODED)
    found = predict(model, ENCODER, {i.name: rows[i.name].to_pylist() for i in ENCODER.inputs})
    numbers = np.column_stack([matrix[name].to_numpy() for name in ENCODER.number_columns])
    places = matrix["basket__shop"].to_numpy().reshape(-1, 1)
    logits = model.get_layer("core").predict_on_batch([numbers, places])[:, 0]
    calibration = model.get_layer("calibration")
    expected = 1 / (1 + np.exp(-(calibration.scale * logits + calibration.offset)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found.min() < found.max()


def test_nothing_to_foretell_gives_nothing(folder: Path) -> None:
    """No row, no probability."""
    from knownat.model import load, predict

    assert predict(load(folder / paths.MODEL, ENCODER), ENCODER, {i.name: [] for i in ENCODER.inputs}).shape == (0,)


def test_curves_are_dvc_plots_by_step_alone(folder: Path) -> None:
    """No time of day in them."""
    lines = (folder / paths.CURVES / "plots" / "metrics" / "loss" / "validation.tsv").read_text().splitlines()
    assert lines[0] == "step\tvalidation"
    assert len(lines) == 4
    assert json.loads((folder / paths.CURVES / "metrics.json").read_text())["step"] == 2


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"basket__weight": None}, "lacks basket__weight"),
        ({"basket__colour": ["red"]}, "does not know basket__colour"),
        ({"basket__weight": [1.0, 2.0]}, "differ in length"),
    ],
)
def test_wrong_inputs_are_named(folder: Path, columns: dict[str, Any], sentence: str) -> None:
    """One sentence, before anything is computed."""
    from knownat.model import load, predict

    values = {"basket__price": [1.0], "basket__shop": ["shop 1"], "basket__weight": [None], **columns}
    with pytest.raises(KnownatError, match=sentence):
        predict(load(folder / paths.MODEL, ENCODER), ENCODER, {k: v for k, v in values.items() if v is not None})


def test_a_file_that_is_no_safe_model_is_refused(folder: Path, tmp_path: Path) -> None:
    """Missing, torn, made with another encoder, or holding code."""
    import keras

    from knownat.model import load

    with pytest.raises(KnownatError, match="dvc repro train"):
        load(tmp_path / "none.keras", ENCODER)
    torn = tmp_path / "torn.keras"
    torn.write_bytes((folder / paths.MODEL).read_bytes()[:1000])
    with pytest.raises(KnownatError, match="no model that can be loaded safely"):
        load(torn, ENCODER)
    with pytest.raises(KnownatError, match="not made with this encoder"):
        load(folder / paths.MODEL, ENCODER.model_copy(update={"inputs": [PRICE]}))
    code = keras.Sequential([keras.Input((1,)), keras.layers.Lambda(lambda x: x)])
    code.save(tmp_path / "code.keras")
    with pytest.raises(KnownatError, match="no model that can be loaded safely"):
        load(tmp_path / "code.keras", ENCODER)


def test_canonical_bytes_forget_dates_addresses_and_order(tmp_path: Path) -> None:
    """Two archives of the same content, written at different times, are one."""
    contents = []
    for name, date, address in (("a", "2020", 123), ("b", "2021", 456)):
        members = {"config.json": {"x": [{"shared_object_id": address}] * 2}, "metadata.json": {"date_saved": date}}
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member in sorted(members, reverse=name == "b"):
                archive.writestr(member, json.dumps(members[member]))
        contents.append(canonical((tmp_path / name).read_bytes()))
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"split": ["train"] * 400}, "no row falls into validation; move split.validation_from and split.test_from"),
        ({"split": ["validation"] * 400}, "no row falls into train"),
        ({"is_kept=true": [1.0] * 400}, "all rows of train have the label 1.0"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    columns: dict[str, Any], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence with the remedy, and no model."""
    encoded(tmp_path, **columns)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KnownatError, match=sentence):
        train.main()
    assert not paths.MODEL.exists()
