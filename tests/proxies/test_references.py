"""Scores equal those of the published code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from adapters.spaces.nas_bench_201 import SPACE
from harness.proxies.contract import ProxyBatch
from harness.spaces import NetworkShape
from tests.proxies.networks import PROXIES, fill_by_formula, seeded

SHAPE = NetworkShape(channels=8, cells=1)
NAMES = (
    "snip",
    "plain",
    "grad-norm",
    "grasp",
    "fisher",
    "synflow",
    "synflow-bn",
    "jacob-cov",
)


def sine_batch() -> ProxyBatch:
    n = torch.arange(16, dtype=torch.float64).view(-1, 1, 1, 1)
    c, h, w = (
        torch.arange(size, dtype=torch.float64).view(shape)
        for size, shape in ((3, (1, 3, 1, 1)), (32, (1, 1, 32, 1)), (32, (1, 1, 1, 32)))
    )
    return ProxyBatch(torch.sin(0.37 * (1024 * c + 32 * h + w) + n), torch.arange(16) % 10)


@pytest.mark.realdata
@pytest.mark.parametrize("place", range(9))
def test_scores_are_those_of_the_published_code(real_data: Path, place: int) -> None:
    reference = json.loads((real_data / "reference_proxies.json").read_text("utf-8"))["proxies"]
    wanted = reference[place]
    network = SPACE.build(SPACE.parse(wanted["architecture"]), SHAPE).double()
    fill_by_formula(network)
    for name in NAMES:
        score = PROXIES[name].score(network, sine_batch(), seeded())
        published = wanted[name.replace("-", "_")]
        if published is None:
            assert score is None, name
        else:
            assert score == pytest.approx(published, rel=1e-9, abs=0), name
