"""Every registered proxy under the published suite, the suite under faulty ones, and zeros."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from adapters.spaces.nas_bench_1shot1 import SPACE_1
from adapters.spaces.nas_bench_201 import SPACE, flops, parameters
from harness import registry
from harness.conformance.proxies import ProxyConformance, dead_network, network_state
from harness.conformance.small_trainings import assert_equal
from harness.proxies.contract import Proxy, ProxyBatch
from tests.proxies.networks import (
    ORDINARY,
    PROXIES,
    SMALL,
    WITHOUT_PATH,
    batch,
    seeded,
    small_network,
)

NONE_WITHOUT_PATH = {"jacob-cov", "naswot", "zen", "synflow-log"}
SIZES = {"params", "flops"}


@pytest.fixture(autouse=True)
def few_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here holds for two repeats of zen as for 32."""
    monkeypatch.setattr("adapters.proxies.zen._REPEATS", 2)


class TestEveryProxy(ProxyConformance):
    """All that the package registers."""

    @pytest.fixture(params=registry.names("proxies"))
    def proxy(self, request: pytest.FixtureRequest) -> Proxy:
        return registry.load("proxies", request.param, Proxy)


def test_all_are_registered_and_documented_with_their_direction() -> None:
    page = (Path(__file__).parents[2] / "docs" / "proxies.md").read_text("utf-8")
    assert "A higher score is meant to predict a better network." in " ".join(page.split())
    for name in registry.names("proxies"):
        assert registry.load("proxies", name, Proxy) is PROXIES[name]
        assert f"\n| `{name}` |" in page


def test_dropout_draws_from_the_generator() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10)).double()
    scores = [PROXIES["snip"].score(network, batch(), seeded(seed)) for seed in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]


@pytest.mark.parametrize("name", PROXIES)
def test_a_network_without_a_path(name: str) -> None:
    network = small_network(WITHOUT_PATH)
    # The classifier's bias is all that such a network gives out, and fisher sees it.
    nn.init.zeros_(network[-1].bias)
    score = PROXIES[name].score(network, batch(), seeded())
    if name in NONE_WITHOUT_PATH:
        assert score is None
    elif name not in SIZES:
        assert score == 0


@pytest.mark.parametrize("name", PROXIES)
def test_a_network_whose_gradient_is_zero(name: str) -> None:
    score = PROXIES[name].score(dead_network(), batch(), seeded())
    if name in NONE_WITHOUT_PATH:
        assert score is None
    elif name not in SIZES:
        assert score == 0


@pytest.mark.parametrize("name", PROXIES)
def test_a_network_without_weights_has_a_size_and_no_score(name: str) -> None:
    score = PROXIES[name].score(nn.Flatten(), batch(), seeded())
    assert score == (0 if name in SIZES else None)


@pytest.mark.parametrize("name", PROXIES)
def test_networks_of_another_space(name: str) -> None:
    architecture = next(iter(SPACE_1.enumerate()))
    network = SPACE_1.build(architecture, SMALL)
    before = network_state(network)
    score = PROXIES[name].score(network, batch(dtype=torch.float32), seeded())
    assert score is not None
    assert_equal(before, network_state(network))


@pytest.mark.parametrize("text", [ORDINARY, WITHOUT_PATH])
def test_counts_are_the_benchmarks(text: str) -> None:
    cell, network = SPACE.parse(text), small_network(text)
    assert PROXIES["params"].score(network, batch(), seeded()) == parameters(cell, SMALL)
    assert PROXIES["flops"].score(network, batch(), seeded()) == flops(cell, SMALL)


class LossOfABatch:
    """A proxy without a fault: the negative loss of the untrained network, in training mode."""

    summary = "minus the loss"
    source = "this test"
    batch = 4

    def score(self, network: Any, batch: ProxyBatch, generator: torch.Generator) -> float | None:
        modes = [module.training for module in network.modules()]
        buffers = [each.clone() for each in network.buffers()]
        found = self.measured(network.train(), batch)
        for module, mode in zip(network.modules(), modes, strict=True):
            module.training = mode
        for buffer, before in zip(network.buffers(), buffers, strict=True):
            buffer.copy_(before)
        return found if math.isfinite(found) else None

    def measured(self, network: Any, batch: ProxyBatch) -> float:
        with torch.no_grad():
            logits = network(batch.images)
        logits = logits[0] if isinstance(logits, tuple) else logits
        if logits.shape[1] <= int(batch.labels.max()):
            return math.nan
        return -float(nn.functional.cross_entropy(logits, batch.labels))


class ForgetsTheMode(LossOfABatch):
    def score(self, network: Any, batch: ProxyBatch, generator: torch.Generator) -> float | None:
        return super().score(network.train(), batch, generator)


class LeavesGradients(LossOfABatch):
    def score(self, network: Any, batch: ProxyBatch, generator: torch.Generator) -> float | None:
        network(batch.images).sum().backward()
        return super().score(network, batch, generator)


class ScoresNan(LossOfABatch):
    def score(self, network: Any, batch: ProxyBatch, generator: torch.Generator) -> float | None:
        found = super().score(network, batch, generator)
        return math.nan if found is None else found


class DrawsGlobally(LossOfABatch):
    def measured(self, network: Any, batch: ProxyBatch) -> float:
        return super().measured(network, batch) + float(torch.rand(()))


class TakesTheModeItFinds(LossOfABatch):
    def score(self, network: Any, batch: ProxyBatch, generator: torch.Generator) -> float | None:
        found = super().score(network, batch, generator)
        return found if network.training or found is None else found + 1


@pytest.mark.parametrize(
    ("faulty", "check"),
    [
        (ForgetsTheMode, "test_leaves_the_network_and_the_batch_as_they_were"),
        (LeavesGradients, "test_leaves_the_network_and_the_batch_as_they_were"),
        (DrawsGlobally, "test_leaves_global_state_alone"),
        (DrawsGlobally, "test_depends_on_nothing_but_what_it_is_given"),
        (TakesTheModeItFinds, "test_depends_on_nothing_but_what_it_is_given"),
        (ScoresNan, "test_numbers_that_overflow_are_no_scores"),
    ],
)
def test_the_suite_finds_faults(faulty: type[LossOfABatch], check: str) -> None:
    method = getattr(ProxyConformance(), check)

    def run(proxy: LossOfABatch) -> None:
        given = {"proxy": proxy, "make_network": small_network, "value": math.nan}
        method(**{name: given[name] for name in inspect.signature(method).parameters})

    state = torch.get_rng_state()
    run(LossOfABatch())
    try:
        with pytest.raises(AssertionError):
            run(faulty())
    finally:
        torch.set_rng_state(state)
