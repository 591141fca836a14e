"""The records of NAS-Bench-101's TFRecord files: JSON around a protocol buffer, read by hand.

A record is one training of one cell: a list of the cell's hash, the epochs of the schedule, the
adjacency matrix as digits, the operations joined by commas, and a message ``ModelMetrics`` in
base64. Its fields are 1: ``EvaluationData``, one before, one halfway through and one after the
training; 2: the trainable parameters; 3: the seconds in all. Those of ``EvaluationData`` are 1:
the epoch; 2: the seconds of training so far; 3, 4, 5: training, validation and test accuracy,
fractions.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterator
from typing import NamedTuple

from adapters.spaces.nas_bench_1shot1.graphs import Graph, pruned

SPLITS = ("train", "valid", "test")
"""The splits of CIFAR-10 (40,000, 10,000 and 10,000 images), in the order of the message."""

_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5
_FIRST_ACCURACY = 3


class RecordedEvaluation(NamedTuple):
    """A measurement. seconds: of training so far. accuracies: percent, of ``SPLITS``."""

    seconds: float
    accuracies: tuple[float, ...]


class RecordedTraining(NamedTuple):
    """One record. ``matrix`` is written row by row, ``operations`` include input and output."""

    hash: str
    schedule: int
    matrix: str
    operations: str
    parameters: int
    halfway: RecordedEvaluation
    final: RecordedEvaluation

    def graph(self) -> Graph:
        """The cell. Raises ValueError for an invalid matrix or operations."""
        size = math.isqrt(len(self.matrix))
        names = self.operations.split(",")
        if size < 2 or size * size != len(self.matrix) or len(names) != size:
            raise ValueError(f"{len(self.matrix)} digits are not a matrix of {len(names)} vertices")
        if not set(self.matrix) <= {"0", "1"}:
            raise ValueError("the matrix has other digits than 0 and 1")
        digits = [int(digit) for digit in self.matrix]
        return pruned([digits[size * row : size * (row + 1)] for row in range(size)], names[1:-1])


def hash_of(content: bytes) -> str:
    """The hash of a record, without parsing the rest where it stands as in the official files."""
    if content.startswith(b'["') and content[34:35] == b'"':
        return content[2:34].decode("ascii", "replace")
    return _fields_of_list(content)[0]


def read_training(content: bytes) -> RecordedTraining:
    """Read a record. Raises ValueError for invalid content."""
    module_hash, schedule, matrix, operations, message = _fields_of_list(content)
    evaluations: list[RecordedEvaluation] = []
    parameters = None
    for number, value in _fields(base64.b64decode(message)):
        if number == 1 and isinstance(value, bytes):
            evaluations.append(_evaluation(value))
        elif number == 2 and isinstance(value, int):
            parameters = value
    if len(evaluations) != 3 or parameters is None:
        raise ValueError(f"{len(evaluations)} evaluations and {parameters} parameters")
    return RecordedTraining(
        module_hash, schedule, matrix, operations, parameters, evaluations[1], evaluations[2]
    )


def _fields_of_list(content: bytes) -> tuple[str, int, str, str, str]:
    values = json.loads(content)
    kinds = [type(value) for value in values] if isinstance(values, list) else []
    if kinds != [str, int, str, str, str]:
        raise ValueError("no list of hash, epochs, matrix, operations and metrics")
    one, two, three, four, five = values
    return one, two, three, four, five


def _evaluation(message: bytes) -> RecordedEvaluation:
    doubles = {number: value for number, value in _fields(message) if isinstance(value, float)}
    numbers = [doubles.get(_FIRST_ACCURACY + place, math.nan) for place in range(len(SPLITS))]
    # Proto2 writes only fields that were set: a missing one was never measured.
    seconds = doubles.get(2, math.nan)
    if not all(0 <= number <= 1 for number in numbers) or not 0 <= seconds < math.inf:
        raise ValueError(f"accuracies {numbers} in {seconds} seconds")
    return RecordedEvaluation(seconds, tuple(100 * number for number in numbers))


def _fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Number and value of every field of a message: a whole number, a double, or bytes."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == _BYTES:
            length, place = _varint(message, place)
        elif kind in (_DOUBLE, _FLOAT):
            length = 8 if kind == _DOUBLE else 4
        else:
            raise ValueError(f"a field of the unknown wire type {kind}")
        end = place + length
        if end > len(message):
            raise ValueError("the metrics are cut short")
        piece = message[place:end]
        place = end
        yield number, struct.unpack("<d", piece)[0] if kind == _DOUBLE else piece


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """A whole number in base 128, the lowest digits first, and the place behind it."""
    number = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            raise ValueError("the metrics are cut short")
        byte = message[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    raise ValueError("a number in the metrics has no end")
