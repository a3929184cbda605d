"""Dense layers whose sums are exact, so that every CPU trains the same weights and foretells the same.

A matrix product is a sum, and in which order it is summed depends on the CPU: on its instructions, its caches, its cores. So
the factors are rounded to whole numbers of so few bits that no partial sum exceeds what float64 holds exactly; then no order
matters (S. Rump, T. Ogita, S. Oishi: Accurate Floating-Point Summation, 2008, on extraction).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

# up to here, float64 holds every whole number
WHOLE = 2.0**53
# of float64; what is left of a number without its fraction is a power of two
EXPONENT = 0x7FF0000000000000
# of float32; it keeps a row of zeros from being divided by zero
LEAST = 2.0**-149

Gradients = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


@keras.saving.register_keras_serializable(package="knownat")
class ExactDense(keras.layers.Dense):
    """(n, inputs) → (n, units), as Keras' own; a row's result depends neither on the CPU nor on the other rows.

    Training takes the rounded factors, which is quick; foretelling adds what rounding has left, so that nothing is lost.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        kernel, bias = tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias)
        return self.activation(affine(inputs, kernel, bias) if training else whole_product(inputs, kernel) + bias)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def affine(inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], Gradients]]:
    """inputs @ kernel + bias, of which the gradients are exact sums too."""

    def gradients(upstream: tf.Tensor) -> Gradients:
        ones = tf.ones_like(upstream[:, :1])
        return (
            product(upstream, tf.transpose(kernel)),
            product(tf.transpose(inputs), upstream),
            product(tf.transpose(ones), upstream)[0],
        )

    return product(inputs, kernel) + bias, gradients


def product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """(n, k) @ (k, m) in float32; each row of left and each column of right is rounded to about (53 - log2 k) / 2 bits."""
    rounded, _ = _summed(tf.cast(left, tf.float64), tf.cast(right, tf.float64))
    return tf.cast(rounded, tf.float32)


def whole_product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """(n, k) @ (k, m) in float32, of factors with about twice as many bits: more than float32 has."""
    left, right = tf.cast(left, tf.float64), tf.cast(right, tf.float64)
    rounded, (left_rest, right_rest) = _summed(left, right)
    across, _ = _summed(left, right_rest)
    back, _ = _summed(left_rest, right)
    return tf.cast(rounded + (across + back), tf.float32)


def _summed(left: tf.Tensor, right: tf.Tensor) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
    """The product of the rounded factors in float64, and what is left of each factor."""
    most = _power_of_two(tf.sqrt(WHOLE / tf.cast(tf.shape(left)[1], tf.float64)))
    whole_left, left_unit = _whole(left, most, axis=1)
    whole_right, right_unit = _whole(right, most, axis=0)
    rests = left - whole_left * left_unit, right - whole_right * right_unit
    return tf.matmul(whole_left, whole_right) * left_unit * right_unit, rests


def _whole(values: tf.Tensor, most: tf.Tensor, axis: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Whole numbers of at most `most`, and along the axis the power of two by which they are to be multiplied."""
    largest = tf.reduce_max(tf.abs(values), axis=axis, keepdims=True)
    unit = 2 * tf.maximum(_power_of_two(largest), LEAST) / most
    return tf.round(values * (1 / unit)), unit


def _power_of_two(values: tf.Tensor) -> tf.Tensor:
    """The largest one that is not above the value."""
    exponents: Any = tf.bitwise.bitwise_and(tf.bitcast(values, tf.int64), tf.constant(EXPONENT, tf.int64))
    return tf.bitcast(exponents, tf.float64)
