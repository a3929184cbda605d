"""The trained model in process: load it, and predict from raw values by name."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from knownat.encoder import Encoder
from knownat.errors import KnownatError

if TYPE_CHECKING:
    import keras

BATCH_ROWS = 8192


def load(path: Path, encoder: Encoder) -> keras.Model:
    """The saved model, in Keras' safe mode; KnownatError if it is none, or was not made with this encoder."""
    import keras

    # they register the layers that the file names
    import knownat.derive.keras
    import knownat.exact  # noqa: F401

    if not path.is_file():
        raise KnownatError(f"{path} is missing; run `dvc repro train` (or `dvc pull`) to make it.")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise KnownatError(f"{path} is no model that can be loaded safely; run `dvc repro train` to make it anew.") from error
    expected = {i.name: "string" if i.dtype == "string" else "float64" for i in encoder.inputs}
    if {tensor.name: tensor.dtype for tensor in model.inputs} != expected:
        raise KnownatError(f"{path} was not made with this encoder; run `dvc repro train` to make it anew.")
    return model


def predict(model: keras.Model, encoder: Encoder, columns: Mapping[str, Sequence[Any]]) -> NDArray[np.float32]:
    """The probability of the label for each row; `columns` holds each input's raw values, None where there is none."""
    return foretell(model, raw_inputs(encoder, columns))


def foretell(model: keras.Model, raw: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """The probability of the label for each row of the model's inputs."""
    rows = len(next(iter(raw.values())))
    parts = [
        model.predict_on_batch({name: values[start : start + BATCH_ROWS] for name, values in raw.items()})[:, 0]
        for start in range(0, rows, BATCH_ROWS)
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)


def raw_inputs(encoder: Encoder, columns: Mapping[str, Sequence[Any]]) -> dict[str, NDArray[Any]]:
    """The model's inputs from raw values, where None stands for a missing one."""
    _check(encoder, columns)
    return {i.name: _raw(columns[i.name], is_text=i.dtype == "string") for i in encoder.inputs}


def _check(encoder: Encoder, columns: Mapping[str, Sequence[Any]]) -> None:
    names = [i.name for i in encoder.inputs]
    missing, unknown = [n for n in names if n not in columns], [n for n in columns if n not in names]
    if missing or unknown:
        problem = f"lacks {', '.join(missing)}" if missing else f"does not know {', '.join(unknown)}"
        raise KnownatError(f"The model of service '{encoder.service}' {problem}; give each of its inputs and no other.")
    if len({len(columns[name]) for name in names}) > 1:
        raise KnownatError("The inputs to predict from differ in length; give each the same number of values.")


def _raw(values: Sequence[Any], *, is_text: bool) -> NDArray[Any]:
    """(n, 1): missing text is "", a missing number NaN, a boolean 0 or 1."""
    if is_text:
        return np.array(["" if value is None else value for value in values], dtype=object).reshape(-1, 1)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64).reshape(-1, 1)
