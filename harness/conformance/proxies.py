"""Tests that every proxy must pass, as a suite that its author runs with pytest.

    from harness.conformance.proxies import ProxyConformance

    class TestMyProxy(ProxyConformance):
        @pytest.fixture
        def proxy(self):
            return PROXY

Override the other fixtures where the defaults do not suit the proxy. For assertions that explain
themselves, put ``pytest.register_assert_rewrite("harness.conformance.proxies")`` into a conftest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness import registry
from harness.conformance.checks import check_description, global_state
from harness.conformance.small_trainings import assert_equal
from harness.proxies.contract import Proxy, ProxyBatch
from harness.randomness.on_torch import torch_seeded
from harness.spaces import AnySpace, NetworkShape, SearchSpace

WITH_PATHS = (
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
)
WITHOUT_PATH = "|none~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|nor_conv_3x3~2|"
"""Cells of NAS-Bench-201; the second has no path from its input to its output."""

MakeNetwork = Callable[..., Any]
"""``make_network(text=WITH_PATHS)``: a small network, always with the same weights."""


class ProxyConformance:
    """The suite for proxies: subclass it, and give it a ``proxy`` fixture."""

    @pytest.fixture
    def proxy(self) -> Proxy:
        """The proxy under test."""
        raise NotImplementedError("override the fixture `proxy` of ProxyConformance")

    @pytest.fixture
    def make_network(self) -> MakeNetwork:
        """Small networks of NAS-Bench-201, in double precision, for images of one channel."""
        contract: type[AnySpace] = SearchSpace
        space = registry.load("spaces", "nas-bench-201", contract)
        shape = NetworkShape(channels=4, cells=1, in_channels=1, resolution=8)

        def make(text: str = WITH_PATHS) -> Any:
            with torch_seeded(0):
                return space.build(space.parse(text), shape).double()

        return make

    # -- what the proxy says of itself

    def test_describes_itself(self, proxy: Proxy) -> None:
        assert isinstance(proxy, Proxy)
        check_description(proxy)
        assert proxy.batch >= 1

    # -- what it leaves alone, and what it depends on

    def test_leaves_the_network_and_the_batch_as_they_were(
        self, proxy: Proxy, make_network: MakeNetwork
    ) -> None:
        network, shown = make_network(), images()
        # Gradients, a mixed mode and a hook of the user's own.
        network(shown.images).sum().backward()
        parts = list(network.modules())
        parts[len(parts) // 2].eval()
        next(network.parameters()).requires_grad_(False)
        parts[1].register_forward_hook(lambda *_: None)
        before = network_state(network)
        assert_equal(before, network_state(network))
        proxy.score(network, shown, seeded())
        assert_equal(before, network_state(network))
        assert_equal(list(shown), list(images()))
        assert not shown.images.requires_grad

    def test_leaves_global_state_alone(self, proxy: Proxy, make_network: MakeNetwork) -> None:
        # Libraries are loaded first, because some set themselves up on import.
        proxy.score(make_network(), images(), seeded())
        before = global_state()
        proxy.score(make_network(), images(), seeded())
        assert global_state() == before

    def test_depends_on_nothing_but_what_it_is_given(
        self, proxy: Proxy, make_network: MakeNetwork
    ) -> None:
        scores = []
        for seed in (1, 2):
            with torch_seeded(seed):
                scores.append(proxy.score(make_network().train(seed == 1), images(), seeded()))
        assert scores[0] is not None
        assert scores[0] == scores[1]

    def test_what_is_random_in_a_network_is_drawn_from_the_generator(self, proxy: Proxy) -> None:
        network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10)).double()
        scores = []
        for seed in (1, 2):
            with torch_seeded(seed):
                scores.append(proxy.score(network, images(), seeded()))
        assert scores[0] == scores[1]

    # -- scores that do and do not exist

    def test_scores_in_single_precision(self, proxy: Proxy, make_network: MakeNetwork) -> None:
        shown = images(dtype=torch.float32)
        score = proxy.score(make_network().float(), shown, seeded())
        assert isinstance(score, float)
        assert math.isfinite(score)

    def test_a_network_without_a_path(self, proxy: Proxy, make_network: MakeNetwork) -> None:
        check_score(proxy.score(make_network(WITHOUT_PATH), images(), seeded()))

    def test_a_network_whose_gradient_is_zero(self, proxy: Proxy) -> None:
        check_score(proxy.score(dead_network(), images(), seeded()))

    def test_a_network_without_weights(self, proxy: Proxy) -> None:
        check_score(proxy.score(nn.Flatten(), images(), seeded()))

    @pytest.mark.parametrize("value", [math.inf, math.nan, 1e300])
    def test_numbers_that_overflow_are_no_scores(
        self, proxy: Proxy, make_network: MakeNetwork, value: float
    ) -> None:
        network = make_network()
        with torch.no_grad():
            list(network.parameters())[-2].fill_(value)
        check_score(proxy.score(network, images(), seeded()))

    # -- what networks may be

    def test_logits_may_come_first_of_several_outputs(
        self, proxy: Proxy, make_network: MakeNetwork
    ) -> None:
        alone = proxy.score(make_network(), images(), seeded())
        assert proxy.score(Pair(make_network()), images(), seeded()) == alone


class Pair(nn.Module):
    """A network that returns a pair, as networks with an auxiliary classifier do."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        """(batch, channels, height, width) to logits (batch, classes) and None."""
        return self.network(images), None


def dead_network() -> nn.Module:
    """Two layers of zeros."""
    dead = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10)).double()
    for parameter in dead.parameters():
        nn.init.zeros_(parameter)
    return dead


def seeded(seed: int = 0) -> torch.Generator:
    """A generator on the CPU."""
    return torch.Generator().manual_seed(seed)


def images(count: int = 6, *, channels: int = 1, dtype: torch.dtype = torch.float64) -> ProxyBatch:
    """Noise of 8x8 pixels, always the same, in ten classes."""
    noise = torch.randn(count, channels, 8, 8, generator=seeded(1), dtype=dtype)
    return ProxyBatch(noise, torch.arange(count) % 10)


def check_score(score: float | None) -> None:
    """A finite number, or None."""
    assert score is None or math.isfinite(score)


def network_state(network: nn.Module) -> dict[str, Any]:
    """All state of a network that a score must leave alone, in a comparable form."""
    tensors = [*network.parameters(), *network.buffers()]
    gradients = [parameter.grad for parameter in network.parameters()]
    return {
        "tensors": [tensor.clone() for tensor in tensors],
        "gradients": [None if each is None else each.clone() for each in gradients],
        "trainable": [tensor.requires_grad for tensor in tensors],
        "modes": [module.training for module in network.modules()],
        "hooks": [
            len(module._forward_hooks)
            + len(module._forward_pre_hooks)
            + len(module._backward_hooks)
            for module in network.modules()
        ],
        "names": [name for name, _ in network.named_modules()],
    }
