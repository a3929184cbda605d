"""The network that is trained: encoded columns in, a probability out."""

from __future__ import annotations

import keras

from knownat.encoder import Encoder
from knownat.params import TrainSettings


def core(encoder: Encoder, settings: TrainSettings) -> keras.Model:
    """Embeddings beside the matrix, then dense layers; inputs in the order of `derive.keras.encoded`."""
    width = len(encoder.float_columns)
    inputs = [keras.Input((width,), name="matrix")] if width else []
    parts = list(inputs)
    for number, feature in enumerate(encoder.indexed):
        # by number, not by name: a name must not change what is trained
        place = keras.Input((1,), name=f"place_{number}", dtype="int32")
        vectors = keras.layers.Embedding(
            feature.size,
            settings.embedding,
            embeddings_regularizer=keras.regularizers.L2(settings.l2),
            name=f"embedding_{number}",
        )(place)
        parts.append(keras.layers.Flatten(name=f"flat_{number}")(vectors))
        inputs.append(place)
    hidden = keras.layers.Concatenate(name="columns")(parts) if len(parts) > 1 else parts[0]
    for number, units in enumerate(settings.layers):
        hidden = keras.layers.Dense(
            units, activation="relu", kernel_regularizer=keras.regularizers.L2(settings.l2), name=f"dense_{number}"
        )(hidden)
        hidden = keras.layers.Dropout(settings.dropout, name=f"dropout_{number}")(hidden)
    probability = keras.layers.Dense(1, activation="sigmoid", name="probability")(hidden)
    return keras.Model(inputs, probability, name="core")


def whole(encoder: Encoder, trained: keras.Model) -> keras.Model:
    """From raw values by name, through the encoding, to the probability."""
    from knownat.derive.keras import encoded, inputs

    raw = inputs(encoder)
    return keras.Model(raw, trained(encoded(encoder, raw)), name="model")
