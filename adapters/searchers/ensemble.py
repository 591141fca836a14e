"""An ensemble of small networks that predict validation error: the surrogate of BANANAS.

Plain numpy, all members in each product: at this size a step takes half the time that it takes in
torch, and a run trains for thousands of steps. A test holds one step against torch's autograd and
Adam.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]

FIRST_MOMENT, SECOND_MOMENT, EPSILON = 0.9, 0.99, 1e-7
"""Adam's constants in naszilla's ``meta_neural_net.py``; the last is Keras' own default."""
ZERO = np.float32(0.0)


@dataclass(frozen=True)
class Shape:
    """The size of the ensemble and of its networks."""

    features: int
    members: int
    layers: int
    width: int


@dataclass(frozen=True)
class EnsembleTraining:
    """The training of the networks: Adam on the mean absolute error, in shuffled batches."""

    epochs: int
    batch: int
    learning_rate: float


class Ensemble:
    """``members`` networks of ``layers`` hidden layers of ``width`` rectified units each.

    Weights start by Glorot's uniform rule and biases at zero, as in Keras. Every parameter is a
    view into one flat array, so that Adam takes a few operations in a step, not in each layer.
    """

    def __init__(self, shape: Shape, rng: np.random.Generator) -> None:
        sizes = [shape.features, *[shape.width] * shape.layers, 1]
        self._pairs = list(pairwise(sizes))
        self._members = shape.members
        count = sum(shape.members * (fan_in + 1) * fan_out for fan_in, fan_out in self._pairs)
        self.parameters: Singles = np.zeros(count, dtype=np.float32)
        self.gradient: Singles = np.zeros(count, dtype=np.float32)
        self.weights, self.biases = self._views(self.parameters)
        self._weight_gradients, self._bias_gradients = self._views(self.gradient)
        for weight, (fan_in, fan_out) in zip(self.weights, self._pairs, strict=True):
            limit = (6.0 / (fan_in + fan_out)) ** 0.5
            weight[...] = rng.uniform(-limit, limit, size=weight.shape)

    def _views(self, flat: Singles) -> tuple[list[Singles], list[Singles]]:
        """Per layer, shapes (members, fan in, fan out) and (members, 1, fan out)."""
        weights, biases, start = [], [], 0
        for fan_in, fan_out in self._pairs:
            middle = start + self._members * fan_in * fan_out
            end = middle + self._members * fan_out
            weights.append(flat[start:middle].reshape(self._members, fan_in, fan_out))
            biases.append(flat[middle:end].reshape(self._members, 1, fan_out))
            start = end
        return weights, biases

    def _forward(self, inputs: Singles) -> list[Singles]:
        """The outputs of the layers, the inputs first; shapes (members, rows, units)."""
        values = [inputs]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = values[-1] @ weight
            hidden += bias
            values.append(np.maximum(hidden, ZERO, out=hidden))
        values.append(values[-1] @ self.weights[-1] + self.biases[-1])
        return values

    def backward(self, inputs: Singles, targets: Singles) -> None:
        """Set ``gradient`` to that of the members' mean absolute errors on a batch.

        inputs: shape (members, rows, features); targets: shape (members, rows, 1).
        """
        values = self._forward(inputs)
        delta = np.sign(values.pop() - targets) / np.float32(inputs.shape[1])
        for layer in reversed(range(len(self._pairs))):
            incoming = values[layer]
            np.matmul(incoming.transpose(0, 2, 1), delta, out=self._weight_gradients[layer])
            np.add.reduce(delta, axis=1, keepdims=True, out=self._bias_gradients[layer])
            if layer > 0:
                delta = delta @ self.weights[layer].transpose(0, 2, 1)
                # The sign of a rectified value is the derivative of the rectification.
                delta *= np.sign(incoming)

    def fit(
        self,
        inputs: Singles,
        targets: Singles,
        training: EnsembleTraining,
        rng: np.random.Generator,
    ) -> None:
        """Train every member, each in an order of its own.

        inputs: shape (rows, features); targets: shape (rows,).
        """
        rows = len(targets)
        first, second = np.zeros_like(self.parameters), np.zeros_like(self.parameters)
        step = 0
        orders = np.tile(np.arange(rows), (self._members, 1))
        for _ in range(training.epochs):
            rng.permuted(orders, axis=1, out=orders)
            shuffled_inputs, shuffled_targets = inputs[orders], targets[orders][..., None]
            for start in range(0, rows, training.batch):
                batch = slice(start, start + training.batch)
                self.backward(shuffled_inputs[:, batch], shuffled_targets[:, batch])
                step += 1
                self._adam(first, second, step, training.learning_rate)

    def _adam(self, first: Singles, second: Singles, step: int, learning_rate: float) -> None:
        first *= FIRST_MOMENT
        first += (1.0 - FIRST_MOMENT) * self.gradient
        second *= SECOND_MOMENT
        second += (1.0 - SECOND_MOMENT) * self.gradient * self.gradient
        correction = (1.0 - SECOND_MOMENT**step) ** 0.5
        scale = np.sqrt(second)
        scale /= correction
        scale += EPSILON
        np.divide(first, scale, out=scale)
        scale *= learning_rate / (1.0 - FIRST_MOMENT**step)
        self.parameters -= scale

    def predict(self, inputs: Singles) -> Singles:
        """Every member's prediction, shape (members, rows), of inputs of shape (rows, features)."""
        predicted: Singles = self._forward(inputs[None])[-1][..., 0]
        return predicted
