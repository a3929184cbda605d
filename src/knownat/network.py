"""The network that is trained: encoded columns in, a logit out; and the whole model around it."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from knownat.calibration import Calibration
from knownat.derive.keras import MeanVector
from knownat.encoder import Category, Encoder, Text
from knownat.exact import ExactDense
from knownat.params import TrainSettings


def core(encoder: Encoder, settings: TrainSettings) -> keras.Model:
    """Dense layers, and beside them a straight line from the inputs, which come in the order of `derive.keras.encoded`.

    The layers see numbers whole and categories with some of their columns dropped; the line sees all of them
    (wide and deep: Cheng et al. 2016).
    """
    l2 = keras.regularizers.L2(settings.l2)
    numbers = _floats("numbers", len(encoder.number_columns))
    one_hot = _floats("one_hot", len(encoder.one_hot_columns))
    # by number, not by name: a name must not change what is trained
    places = [keras.Input((len(i.columns),), name=f"place_{n}", dtype="int32") for n, i in enumerate(encoder.embedded)]
    vectors = [_vector(n, i, places[n], settings) for n, i in enumerate(encoder.embedded)]
    categories = [*one_hot, *vectors]
    dropped = keras.layers.Dropout(settings.category_dropout, name="dropped_categories")
    hidden = _joined("deep", [*numbers, *([dropped(_joined("categories", categories))] if categories else [])])
    for number, units in enumerate(settings.layers):
        hidden = ExactDense(units, activation="relu", kernel_regularizer=l2, name=f"dense_{number}")(hidden)
        hidden = keras.layers.Dropout(settings.dropout, name=f"dropout_{number}")(hidden)
    wide = [*numbers, *categories]
    logit = ExactDense(1, kernel_regularizer=l2, name="logit")(_joined("wide_and_deep", [hidden, *wide]))
    return keras.Model([*numbers, *one_hot, *places], logit, name="core")


def whole(encoder: Encoder, trained: keras.Model, calibration: Calibration) -> keras.Model:
    """From raw values by name, through the encoding, to the calibrated probability."""
    from knownat.derive.keras import encoded, inputs

    raw = inputs(encoder)
    logit = trained(encoded(encoder, raw))
    calibrated = keras.layers.Rescaling(calibration.slope, calibration.intercept, name="calibration")(logit)
    return keras.Model(raw, keras.layers.Activation("sigmoid", name="probability")(calibrated), name="model")


def _floats(name: str, width: int) -> list[keras.KerasTensor]:
    return [keras.Input((width,), name=name)] if width else []


def _vector(number: int, feature: Category | Text, place: keras.KerasTensor, settings: TrainSettings) -> keras.KerasTensor:
    vectors = keras.layers.Embedding(
        feature.size,
        settings.embedding,
        embeddings_regularizer=keras.regularizers.L2(settings.l2),
        name=f"embedding_{number}",
    )(place)
    if isinstance(feature, Text):
        return MeanVector(name=f"mean_{number}")(vectors, place)
    return keras.layers.Flatten(name=f"flat_{number}")(vectors)


def _joined(name: str, parts: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
    return keras.layers.Concatenate(name=name)(parts) if len(parts) > 1 else parts[0]
