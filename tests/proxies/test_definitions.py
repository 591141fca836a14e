"""Each proxy against its definition, computed another way on networks that fit in the head."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import hessian
from torch.func import functional_call
from torch.nn import functional as F

from harness.proxies.contract import ProxyBatch
from tests.proxies.networks import PROXIES, batch, seeded, small_network

WEIGHTS = ("1.weight", "3.weight")


def perceptron() -> nn.Sequential:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    generator = seeded(3)
    for parameter in network.parameters():
        nn.init.normal_(parameter, generator=generator)
    return network


def points() -> ProxyBatch:
    images = torch.randn(5, 1, 2, 2, generator=seeded(4), dtype=torch.float64)
    return ProxyBatch(images, torch.tensor([0, 1, 1, 0, 1]))


def score(name: str, network: nn.Module, shown: ProxyBatch) -> float | None:
    return PROXIES[name].score(network, shown, seeded())


def loss_with(network: nn.Module, weights: dict[str, Tensor], shown: ProxyBatch) -> Tensor:
    return F.cross_entropy(functional_call(network, weights, (shown.images,)), shown.labels)


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: network.get_parameter(name).detach() for name in WEIGHTS}


def test_snip_plain_and_grad_norm_by_finite_differences() -> None:
    network, shown, step = perceptron().requires_grad_(False), points(), 1e-6
    slopes = {}
    for name, weight in weights_of(network).items():
        slope = torch.zeros_like(weight)
        for place in np.ndindex(*weight.shape):
            moved = []
            for sign in (1, -1):
                other = weight.clone()
                other[place] += sign * step
                moved.append(loss_with(network, {name: other}, shown))
            slope[place] = (moved[0] - moved[1]) / (2 * step)
        slopes[name] = slope
    products = [slope * network.get_parameter(name) for name, slope in slopes.items()]
    assert score("plain", network, shown) == pytest.approx(
        sum(float(product.sum()) for product in products), rel=1e-6
    )
    assert score("snip", network, shown) == pytest.approx(
        sum(float(product.abs().sum()) for product in products), rel=1e-6
    )
    assert score("grad-norm", network, shown) == pytest.approx(
        sum(float(slope.norm()) for slope in slopes.values()), rel=1e-6
    )


def test_grasp_by_the_whole_hessian() -> None:
    network, shown = perceptron(), points()
    sizes = [(name, weight.shape) for name, weight in weights_of(network).items()]
    flat = torch.cat([weight.flatten() for weight in weights_of(network).values()])

    def loss(vector: Tensor) -> Tensor:
        pieces = vector.split([size.numel() for _, size in sizes])
        weights = {
            name: piece.view(size) for (name, size), piece in zip(sizes, pieces, strict=True)
        }
        return loss_with(network, weights, shown)

    gradient = torch.autograd.functional.jacobian(loss, flat)
    wanted = -(flat @ hessian(loss, flat) @ gradient)
    assert score("grasp", network, shown) == pytest.approx(float(wanted), rel=1e-9)


def test_fisher_of_one_linear_layer() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).double()
    shown = points()
    outputs = network(shown.images).detach()
    errors = outputs.softmax(1) - F.one_hot(shown.labels, 2)
    # The loss is a mean over five images; each of the two channels has four weights.
    channels = ((outputs * errors / 5) ** 2).mean(0) / 2
    assert score("fisher", network, shown) == pytest.approx(4 * float(channels.sum()), rel=1e-12)


def chain(*weights: float) -> nn.Sequential:
    """1x1 convolutions of one channel, with batch norm and ReLU behind each."""
    layers: list[nn.Module] = []
    for weight in weights:
        convolution = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.constant_(convolution.weight, weight)
        layers += [convolution, nn.BatchNorm2d(1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten())


def test_synflow_of_a_chain() -> None:
    # R is 64 pixels times 2 * 3 * 5, and each of the three layers gives the whole of it.
    network = chain(2.0, -3.0, 5.0)
    assert score("synflow", network, batch()) == pytest.approx(3 * 64 * 30)
    assert score("synflow-log", network, batch()) == pytest.approx(math.log(3 * 64 * 30))


def test_the_logarithm_exists_where_synflow_overflows() -> None:
    network = chain(*[1e25] * 20)
    assert score("synflow", network, batch()) is None
    wanted = math.log(20 * 64) + 500 * math.log(10)
    assert score("synflow-log", network, batch()) == pytest.approx(wanted, rel=1e-6)


def test_biases_are_scaled_with_the_input_where_synflow_overflows() -> None:
    network = chain(*[1e25] * 15, 2.0)
    first, last = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)
    for layer in (first, last):
        nn.init.constant_(layer.weight, 1.0)
        nn.init.constant_(layer.bias, 3.0)
    # Behind the first layer everything is 1 + 3; its own weight meets the 1 alone.
    deep = nn.Sequential(first, network)
    wanted = math.log(64) + math.log(1 + 16 * 4) + 375 * math.log(10) + math.log(2)
    assert score("synflow-log", deep, batch()) == pytest.approx(wanted, rel=1e-6)


def test_jacob_cov_of_a_network_with_known_gradients() -> None:
    network, shown = perceptron(), points()
    images = shown.images.clone().requires_grad_()
    network(images).sum().backward()
    assert images.grad is not None
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(images.grad.flatten(1).numpy()))
    wanted = -(np.log(eigenvalues + 1e-5) + 1 / (eigenvalues + 1e-5)).sum()
    assert score("jacob-cov", network, shown) == pytest.approx(float(wanted), rel=1e-6)


def codes() -> tuple[nn.Module, ProxyBatch]:
    """A layer that passes three numbers on, to a ReLU: codes 110, 011 and 100."""
    first = nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.eye(3))
    network = nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Linear(3, 2)).double()
    rows = [[1.0, 1.0, -1.0], [-1.0, 1.0, 1.0], [1.0, -1.0, -1.0]]
    images = torch.tensor(rows, dtype=torch.float64).view(3, 1, 1, 3)
    return network, ProxyBatch(images, torch.tensor([0, 1, 0]))


def test_naswot_of_known_codes() -> None:
    network, shown = codes()
    agreements = np.array([[3, 1, 2], [1, 3, 0], [2, 0, 3]])
    wanted = math.log(np.linalg.det(agreements))
    assert score("naswot", network, shown) == pytest.approx(wanted, rel=1e-12)


def test_naswot_of_two_images_with_one_code_does_not_exist() -> None:
    network, shown = codes()
    twice = torch.cat([shown.images, 2 * shown.images[:1]])
    assert score("naswot", network, ProxyBatch(twice, torch.arange(4) % 2)) is None


class Function(nn.Module):
    """The network of ``codes`` with ReLU as a function, and one whose result is thrown away."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.before, self.after = network[:2], network[3]

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.before(images)
        F.relu(features - 0.5 * features.sum())
        return self.after(F.relu(features))


def test_naswot_counts_functions_and_only_what_reaches_the_logits() -> None:
    network, shown = codes()
    assert isinstance(network, nn.Sequential)
    assert score("naswot", Function(network), shown) == score("naswot", network, shown)


def zen_by_hand(network: nn.Module, generator: torch.Generator) -> float:
    """Of stem, batch norm, ReLU, pooling, classifier: all 32 repeats, step by step."""
    stem, classifier = network[0], network[5]
    running, scores = torch.ones(4, dtype=torch.float64), []
    for _ in range(32):
        weight = torch.randn(stem.weight.shape, generator=generator, dtype=torch.float64)
        torch.randn(classifier.weight.shape, generator=generator, dtype=torch.float64)
        images = torch.randn(16, 1, 8, 8, generator=generator, dtype=torch.float64)
        change = torch.randn(16, 1, 8, 8, generator=generator, dtype=torch.float64)
        maps = []
        for shown in (images, images + 0.01 * change):
            torch.randint(2**62, (), generator=generator)
            features = F.conv2d(shown, weight)
            spread = features.var((0, 2, 3), correction=0, keepdim=True)
            centred = features - features.mean((0, 2, 3), keepdim=True)
            maps.append((centred / torch.sqrt(spread + 1e-5)).relu())
            running = 0.9 * running + 0.1 * features.var((0, 2, 3), correction=1)
        difference = (maps[0] - maps[1]).abs().sum((1, 2, 3)).mean()
        scores.append(float(torch.log(difference) + torch.log(running.mean()) / 2))
    return sum(scores) / 32


def test_zen_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 10),
    ).double()
    wanted = zen_by_hand(network, seeded(7))
    assert PROXIES["zen"].score(network, batch(), seeded(7)) == pytest.approx(wanted, rel=1e-9)


def test_zen_needs_a_feature_map_and_running_variances() -> None:
    assert score("zen", perceptron(), points()) is None
    network = small_network()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var = None
    assert score("zen", network, batch()) is None


def test_zen_knows_neither_the_weights_nor_the_images() -> None:
    network, shown = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU()).double(), batch()
    first = score("zen", network, shown)
    nn.init.normal_(network[0].weight)
    assert score("zen", network, ProxyBatch(shown.images * 3, shown.labels)) == first


def test_flops_of_groups_strides_and_biases() -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 6, 3, stride=2, padding=1, groups=2),
        nn.Flatten(),
        nn.Linear(6 * 16, 5, bias=False),
    ).double()
    # 6 x 4 x 4 outputs of 9 inputs and a bias; 5 outputs of 96 inputs.
    wanted = 96 * (9 + 1) + 5 * 96
    assert score("flops", network, batch(channels=2)) == wanted
    assert score("params", network, batch(channels=2)) == 6 * 9 + 6 + 5 * 96
