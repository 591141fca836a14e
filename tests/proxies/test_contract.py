"""What holds for every proxy: networks stay as they were, numbers are numbers, seeds decide."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from adapters.spaces.nas_bench_1shot1 import SPACE_1
from adapters.spaces.nas_bench_201 import SPACE, flops, parameters
from harness.proxies import Proxy
from tests.proxies.networks import (
    ORDINARY,
    PROXIES,
    SMALL,
    WITHOUT_PATH,
    batch,
    same,
    seeded,
    small_network,
    state,
)

NONE_WITHOUT_PATH = {"jacob-cov", "naswot", "zen", "synflow-log"}
SIZES = {"params", "flops"}


@pytest.fixture(autouse=True)
def few_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here holds for two repeats of zen as for 32."""
    monkeypatch.setattr("adapters.proxies.zen._REPEATS", 2)


def test_every_proxy_keeps_the_contract() -> None:
    for proxy in PROXIES.values():
        assert isinstance(proxy, Proxy)
        assert proxy.summary
        assert proxy.source
        assert proxy.batch >= 1


@pytest.mark.parametrize("name", PROXIES)
def test_a_score_leaves_the_network_as_it_was(name: str) -> None:
    network = small_network()
    shown = batch()
    # Gradients, a mixed mode and a hook of the user's own.
    network(shown.images).sum().backward()
    network[2].eval()
    network[0].weight.requires_grad_(False)
    network[1].register_forward_hook(lambda *_: None)
    before = state(network)
    assert same(before, state(network))
    PROXIES[name].score(network, shown, seeded())
    assert same(before, state(network))
    assert same(list(shown), list(batch()))
    assert not shown.images.requires_grad


@pytest.mark.parametrize("name", PROXIES)
def test_a_score_depends_on_nothing_but_what_it_is_given(name: str) -> None:
    network, proxy = small_network(), PROXIES[name]
    torch.manual_seed(1)
    first = proxy.score(network, batch(), seeded())
    torch.manual_seed(2)
    assert proxy.score(network.eval(), batch(), seeded()) == first
    assert first is not None


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
    dead = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10)).double()
    for parameter in dead.parameters():
        nn.init.zeros_(parameter)
    score = PROXIES[name].score(dead, batch(), seeded())
    if name in NONE_WITHOUT_PATH:
        assert score is None
    elif name not in SIZES:
        assert score == 0


@pytest.mark.parametrize("name", PROXIES)
def test_a_network_without_weights_has_a_size_and_no_score(name: str) -> None:
    score = PROXIES[name].score(nn.Flatten(), batch(), seeded())
    assert score == (0 if name in SIZES else None)


@pytest.mark.parametrize("name", PROXIES)
def test_numbers_that_overflow_are_no_scores(name: str) -> None:
    network = small_network()
    with torch.no_grad():
        network[-1].weight.fill_(math.inf)
    score = PROXIES[name].score(network, batch(), seeded())
    assert score is None or math.isfinite(score)


@pytest.mark.parametrize("name", PROXIES)
def test_networks_of_another_space(name: str) -> None:
    architecture = next(iter(SPACE_1.enumerate()))
    network = SPACE_1.build(architecture, SMALL)
    before = state(network)
    score = PROXIES[name].score(network, batch(dtype=torch.float32), seeded())
    assert score is not None
    assert same(before, state(network))


class Pair(nn.Module):
    """Gives its logits with something else, as networks with an auxiliary classifier do."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
        return self.network(images), None


@pytest.mark.parametrize("name", PROXIES)
def test_logits_may_come_first_of_several_outputs(name: str) -> None:
    alone = PROXIES[name].score(small_network(), batch(), seeded())
    assert PROXIES[name].score(Pair(small_network()), batch(), seeded()) == alone


@pytest.mark.parametrize("text", [ORDINARY, WITHOUT_PATH])
def test_counts_are_the_benchmarks(text: str) -> None:
    cell, network = SPACE.parse(text), small_network(text)
    assert PROXIES["params"].score(network, batch(), seeded()) == parameters(cell, SMALL)
    assert PROXIES["flops"].score(network, batch(), seeded()) == flops(cell, SMALL)
