"""Exact sums: the same bits in any order, close to what Keras' own layer gives."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from knownat.exact import ExactDense, product, whole_product
from knownat.network import core
from knownat.params import TrainSettings
from knownat.training import compiled
from tests.unit.test_train import ENCODER

Matrix = np.ndarray
SETTINGS = TrainSettings(
    batch_size=8, learning_rate=0.01, epochs=1, layers=[4], embedding=2, dropout=0.1, l2=0.001, patience=1, seed=1
)


def drawn(*shape: int, seed: int = 0, spread: float = 4) -> Matrix:
    """Numbers of both signs, of all magnitudes or, with a small spread, of one."""
    rng = np.random.default_rng(seed)
    return (rng.choice([-1, 1], shape) * np.exp(rng.normal(0, spread, shape))).astype(np.float32)


@pytest.mark.parametrize("inner", [1, 135, 256, 5000])
@pytest.mark.parametrize("spread", [4, 0.01])
def test_summands_that_cancel_leave_nothing_in_any_order(inner: int, spread: float) -> None:
    """Not one bit, however long and large the sum is before."""
    left, right = np.abs(drawn(20, inner, spread=spread)), np.abs(drawn(inner, 7, seed=1, spread=spread))
    twice, both = np.hstack([left, left]), np.vstack([right, -right])
    order = np.random.default_rng(2).permutation(2 * inner)
    np.testing.assert_array_equal(product(twice, both), np.zeros((20, 7)))
    np.testing.assert_array_equal(product(twice[:, order], both[order]), np.zeros((20, 7)))


@pytest.mark.parametrize("inner", [1, 135, 5000])
def test_a_product_is_as_close_as_float32_would_be(inner: int) -> None:
    """Its error, by the largest summand that could be, is below a millionth."""
    left, right = drawn(20, inner), drawn(inner, 7, seed=1)
    error = np.abs(product(left, right) - left.astype(np.float64) @ right.astype(np.float64))
    largest = np.abs(left).max(axis=1, keepdims=True) * np.abs(right).max(axis=0)
    assert (error / largest).max() < 1e-6 * np.sqrt(inner)


def test_a_row_does_not_see_the_others() -> None:
    """Foretold alone or among others, be they huge, zero or not finite."""
    left, right = drawn(6, 30), drawn(30, 4, seed=1)
    left[0], left[1], left[2] = 1e30, 0, np.inf
    together = product(left, right).numpy()
    np.testing.assert_array_equal(together, np.concatenate([product(row[np.newaxis], right) for row in left]))
    assert np.isfinite(np.delete(together, 2, axis=0)).all()
    assert not together[1].any()


@pytest.mark.parametrize("units", [1, 8])
def test_the_layer_and_its_gradients_are_those_of_keras(units: int) -> None:
    """Of inputs, kernel and bias; the weights go by the same names."""
    inputs = tf.constant(np.random.default_rng(0).normal(0, 1, (64, 30)).astype(np.float32))
    found = []
    for kind in (keras.layers.Dense, ExactDense):
        layer = kind(units, activation="relu", kernel_initializer=keras.initializers.GlorotUniform(seed=1))
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            loss = tf.reduce_sum(outputs**2)
        assert [weight.name for weight in layer.weights] == ["kernel", "bias"]
        found.append([outputs, *tape.gradient(loss, [inputs, *(weight.value for weight in layer.weights)])])
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("spread", [0.1, 4])
def test_foretelling_loses_next_to_nothing_to_rounding(spread: float) -> None:
    """The product is the float64 one but for float32's own last bit, and 2^-42 of the largest factors; in training 2^-20."""
    left, right = drawn(40, 150, spread=spread), drawn(150, 20, seed=1, spread=spread)
    exact = left.astype(np.float64) @ right.astype(np.float64)
    largest = np.outer(np.abs(left).max(axis=1), np.abs(right).max(axis=0)).astype(np.float64) * left.shape[1]
    last_bit = np.spacing(np.abs(exact).astype(np.float32))
    assert (np.abs(whole_product(left, right).numpy() - exact) <= last_bit + largest * 2.0**-42).all()
    assert not (np.abs(product(left, right).numpy() - exact) <= last_bit + largest * 2.0**-42).all()


def test_no_step_of_training_takes_a_kernel_that_differs_by_cpu() -> None:
    """Neither float32 products nor the CPU's own estimates of reciprocals and their roots, which differ by vendor."""
    network = core(ENCODER, SETTINGS)
    compiled(network, SETTINGS, rows=8)
    network.optimizer.build(network.trainable_variables)
    rows = ((tf.ones((8, 3)), tf.ones((8, 1), tf.int32)), tf.ones((8, 1)))
    graph = tf.function(network.train_step).get_concrete_function(rows).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    differing = {"MatMul", "Reciprocal", "ReciprocalGrad", "Rsqrt", "RsqrtGrad"}
    assert {"MatMul", "Reciprocal"} <= {node.op for node in nodes}
    assert not [node.name for node in nodes if node.op in differing and node.attr["T"].type == tf.float32.as_datatype_enum]
