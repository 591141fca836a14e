"""Small TFRecord files in the form of NAS-Bench-101's, written from the description of the format.

The checksum is computed bit by bit and the protocol buffer is put together by hand, so that they
share nothing with the reader.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.spaces.nas_bench_1shot1 import NasBench1Shot1Cell, graph_of, module_hash


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum, a bit at a time."""
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0x82F63B78 if remainder & 1 else 0)
    return remainder ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    """The checksum as it is stored."""
    checksum = crc32c(data)
    rotated = (checksum >> 15 | checksum << 17) & 0xFFFFFFFF
    return struct.pack("<I", rotated + 0xA282EAD8 & 0xFFFFFFFF)


def framed(content: bytes) -> bytes:
    """One record of a TFRecord file."""
    length = struct.pack("<Q", len(content))
    return length + masked(length) + content + masked(content)


def write(path: Path, contents: Iterable[bytes]) -> Path:
    path.write_bytes(b"".join(map(framed, contents)))
    return path


@dataclass(frozen=True)
class Run:
    """What a training is to have; accuracies are fractions: training, validation, test."""

    halfway: tuple[float, float, float]
    final: tuple[float, float, float]
    seconds: float = 100.0
    parameters: int = 1_234_567


def content_of(cell: NasBench1Shot1Cell, schedule: int, run: Run) -> bytes:
    """The content of a record: the official list as JSON."""
    graph = graph_of(cell)
    matrix = "".join(str(bit) for row in graph.matrix for bit in row)
    operations = ",".join(["input", *graph.operations, "output"])
    message = base64.b64encode(metrics(schedule, run)).decode()
    return json.dumps([module_hash(graph), schedule, matrix, operations, message]).encode()


def metrics(schedule: int, run: Run) -> bytes:
    """A serialised ``ModelMetrics``."""
    evaluations = [
        evaluation(0, 0, (0.1, 0.1, 0.1)),
        evaluation(schedule / 2, run.seconds / 2, run.halfway),
        evaluation(schedule, run.seconds, run.final),
    ]
    pieces = [key(1, 2) + varint(len(one)) + one for one in evaluations]
    pieces.append(key(2, 0) + varint(run.parameters))
    pieces.append(key(3, 1) + struct.pack("<d", run.seconds + 7))
    return b"".join(pieces)


def evaluation(epoch: float, seconds: float, accuracies: Sequence[float]) -> bytes:
    """A serialised ``EvaluationData``, with a path of a checkpoint behind its numbers."""
    numbers = b"".join(
        key(number, 1) + struct.pack("<d", value)
        for number, value in enumerate((epoch, seconds, *accuracies), start=1)
    )
    path = b"gs://somewhere/model.ckpt-1"
    return numbers + key(6, 2) + varint(len(path)) + path


def key(number: int, kind: int) -> bytes:
    return varint(number << 3 | kind)


def varint(number: int) -> bytes:
    digits = []
    while True:
        number, digit = number >> 7, number & 0x7F
        digits.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(digits)
