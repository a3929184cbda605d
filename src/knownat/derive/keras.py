"""From an encoder to Keras: an input for each feature, by name, and the layers that encode it as Spark ML did."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from knownat.encoder import LENGTH, Category, EncodedInput, Encoder, Number, Text
from knownat.words import MARKS, SEPARATORS


@keras.saving.register_keras_serializable(package="knownat")
class NumberEncoding(keras.layers.Layer):
    """(n, 1) float64 with NaN for missing → (n, 1) float32, or (n, 2) with the indicator."""

    def __init__(self, kind: str, mean: float, std: float, has_missing: bool, **options: Any) -> None:
        # autocast would round to float32 what comes in
        super().__init__(**{**options, "autocast": False})
        self.kind, self.mean, self.std, self.has_missing = kind, mean, std, has_missing

    def call(self, values: tf.Tensor) -> tf.Tensor:
        is_present = tf.math.is_finite(values)
        if self.kind == "log":
            is_present &= values >= 0
            values = tf.math.log(tf.where(is_present, values, tf.zeros_like(values)) + 1)
        encoded = tf.where(is_present, values, tf.fill(tf.shape(values), tf.constant(self.mean, values.dtype)))
        if self.kind != "flag":
            encoded = (encoded - self.mean) / self.std if self.std else tf.zeros_like(encoded)
        parts = [encoded, tf.cast(~is_present, encoded.dtype)] if self.has_missing else [encoded]
        return tf.cast(tf.concat(parts, axis=1), tf.float32)

    def get_config(self) -> dict[str, Any]:
        own = {"kind": self.kind, "mean": self.mean, "std": self.std, "has_missing": self.has_missing}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="knownat")
class CategoryIndex(keras.layers.Layer):
    """(n, 1) words, or float64 taken as whole numbers → (n, 1) int32, a place in the vocabulary or the one after it."""

    def __init__(self, vocabulary: list[str], dtype_in: str, **options: Any) -> None:
        super().__init__(**{**options, "autocast": False})
        self.vocabulary, self.dtype_in = list(vocabulary), dtype_in
        # a table must hold something: without a vocabulary, place 0 is the place after it
        words = self.vocabulary or ["0"]
        keys = words if dtype_in == "string" else [int(word) for word in words]
        with tf.init_scope():
            places = tf.lookup.KeyValueTensorInitializer(tf.constant(keys, self.key), tf.range(len(keys)))
            self.table = tf.lookup.StaticHashTable(places, default_value=len(self.vocabulary))

    @property
    def key(self) -> tf.DType:
        return tf.string if self.dtype_in == "string" else tf.int64

    def call(self, values: tf.Tensor) -> tf.Tensor:
        if self.key == tf.string:
            return self.table.lookup(values)
        is_whole = tf.math.is_finite(values) & (tf.math.round(values) == values)
        places = self.table.lookup(tf.cast(tf.where(is_whole, values, tf.zeros_like(values)), tf.int64))
        return tf.where(is_whole, places, tf.fill(tf.shape(places), len(self.vocabulary)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vocabulary": self.vocabulary, "dtype_in": self.dtype_in}


@keras.saving.register_keras_serializable(package="knownat")
class OneHot(keras.layers.Layer):
    """(n, 1) places → (n, size) float32."""

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(**options)
        self.size = size

    def call(self, places: tf.Tensor) -> tf.Tensor:
        return tf.one_hot(tf.squeeze(places, axis=1), self.size)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="knownat")
class WordPlaces(keras.layers.Layer):
    """(n, 1) texts → (n, 20) int32, each word's place in the vocabulary from 1 on, 0 for an unseen one and for none."""

    def __init__(self, vocabulary: list[str], **options: Any) -> None:
        super().__init__(**{**options, "autocast": False})
        self.vocabulary = list(vocabulary)
        with tf.init_scope():
            words = tf.constant(self.vocabulary or [" "])
            places = tf.lookup.KeyValueTensorInitializer(words, tf.range(1, len(words) + 1))
            self.table = tf.lookup.StaticHashTable(places, default_value=0)

    def call(self, texts: tf.Tensor) -> tf.Tensor:
        # without an encoding, lower knows ASCII alone
        marked = tf.strings.regex_replace(tf.strings.lower(tf.squeeze(texts, axis=1)), MARKS, r" \0 ")
        words = tf.strings.split(tf.strings.regex_replace(marked, SEPARATORS, " "))
        return self.table.lookup(words.to_tensor("", shape=[None, LENGTH]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vocabulary": self.vocabulary}


@keras.saving.register_keras_serializable(package="knownat")
class MeanVector(keras.layers.Layer):
    """(n, words, width) vectors and (n, words) places → (n, width), the mean where a place is not 0; zeros if none is."""

    def call(self, vectors: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        is_known = tf.cast(places > 0, vectors.dtype)[:, :, tf.newaxis]
        return tf.reduce_sum(vectors * is_known, axis=1) / tf.maximum(tf.reduce_sum(is_known, axis=1), 1)


def inputs(encoder: Encoder) -> dict[str, keras.KerasTensor]:
    """An input for each feature under its own name, in the encoder's order: strings, or numbers as float64."""
    types = {i.name: "string" if i.dtype == "string" else "float64" for i in encoder.inputs}
    return {name: keras.Input((1,), name=name, dtype=dtype) for name, dtype in types.items()}


def encoded(encoder: Encoder, raw: dict[str, keras.KerasTensor]) -> list[keras.KerasTensor]:
    """What the trained core reads: the numbers and the one-hot columns (if any), then the places of what is embedded."""
    tensors = {i.name: _encode(i, raw[i.name]) for i in encoder.inputs}
    numbers = [tensors[i.name] for i in encoder.inputs if isinstance(i, Number)]
    one_hot = [tensors[i.name] for i in encoder.inputs if isinstance(i, Category) and i.kind == "one_hot"]
    floats = [_joined(name, parts) for name, parts in (("numbers", numbers), ("one_hot", one_hot)) if parts]
    return [*floats, *(tensors[i.name] for i in encoder.embedded)]


def _joined(name: str, parts: list[keras.KerasTensor]) -> keras.KerasTensor:
    return keras.layers.Concatenate(name=name)(parts) if len(parts) > 1 else parts[0]


def _encode(feature: EncodedInput, raw: keras.KerasTensor) -> keras.KerasTensor:
    if isinstance(feature, Number):
        return NumberEncoding(feature.kind, feature.mean, feature.std, feature.has_missing, name=f"encode__{feature.name}")(raw)
    if isinstance(feature, Text):
        return WordPlaces(feature.vocabulary, name=f"encode__{feature.name}")(raw)
    return _place(feature, raw)


def _place(feature: Category, raw: keras.KerasTensor) -> keras.KerasTensor:
    place = CategoryIndex(feature.vocabulary, feature.dtype, name=f"encode__{feature.name}")(raw)
    return place if feature.kind == "index" else OneHot(feature.size, name=f"one_hot__{feature.name}")(place)
