"""SANAS's saliency maps: the norm ball, the zero gradient at zero, known networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adapters.datasets.digits import DATASET as DIGITS
from adapters.trainers.sanas import methods
from adapters.trainers.sanas.maps import Mapper, MapSettings, PixelRange, departure, reweighted
from harness.errors import HarnessError
from harness.protocols.frame import Frame
from harness.supernets.data import Batch, SupernetData
from tests.methods.trainings import CPU, made

BLACK, WHITE = torch.tensor([[[-0.5]], [[-1.0]]]), torch.tensor([[[1.5]], [[3.0]]])
PIXELS = PixelRange(BLACK, WHITE)


def weights() -> Tensor:
    return 0.5 * torch.randn((3, 2 * 4 * 4), generator=torch.Generator().manual_seed(1))


def linear(images: Tensor) -> Tensor:
    return images.flatten(1) @ weights().T


def batch(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand((6, 2, 4, 4), generator=generator)
    return Batch(BLACK + share * (WHITE - BLACK), torch.arange(6) % 3)


def mapper(**changes: Any) -> Mapper:
    return Mapper(PIXELS, MapSettings(**changes), torch.Generator().manual_seed(7))


@settings(max_examples=25, deadline=None)
@given(
    epsilon=st.floats(1e-3, 0.5),
    step=st.sampled_from(["gradient", "sign"]),
    steps=st.integers(1, 4),
    size=st.floats(1e-3, 1e3),
    target=st.sampled_from(["prediction", "label"]),
)
def test_perturbations_stay_in_the_ball(
    epsilon: float, step: str, steps: int, size: float, target: str
) -> None:
    made_by = mapper(epsilon=epsilon, step=step, steps=steps, step_size=size, target=target)
    found = made_by.maps(linear, batch())
    assert found.shape == (6, 2, 4, 4)
    assert float(found.abs().max()) <= epsilon * (1 + 1e-6)
    seen = PIXELS.perturbed(batch().images, found)
    assert bool((seen >= BLACK).all())
    assert bool((seen <= WHITE).all())


@pytest.mark.parametrize("kind", ["integrated-gradients", "smoothgrad"])
def test_gradient_maps_are_scaled_to_epsilon(kind: str) -> None:
    found = mapper(saliency=kind, epsilon=0.2).maps(linear, batch())
    peaks = found.abs().amax(dim=(1, 2, 3))
    torch.testing.assert_close(peaks, torch.full((6,), 0.2))


def test_at_zero_the_gradient_against_the_own_prediction_vanishes() -> None:
    given_batch = batch()
    aim = torch.softmax(linear(given_batch.images), dim=1)
    change = torch.zeros_like(given_batch.images).requires_grad_()
    loss = departure(linear(PIXELS.moved(given_batch.images, change)), aim)
    (slope,) = torch.autograd.grad(loss, change)
    assert float(slope.abs().max()) < 1e-4
    (steep,) = torch.autograd.grad(
        departure(linear(PIXELS.moved(given_batch.images, change)), aim.roll(1, 1)), change
    )
    assert float(steep.abs().max()) > 1.0
    with pytest.raises(HarnessError, match="never moves"):
        made(methods.DARTS, settings={"start": "zero"})
    from_label = mapper(start="zero", target="label", step="sign", step_size=0.01)
    moved = from_label.maps(linear, given_batch).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 0.01))


@pytest.mark.parametrize("target", ["prediction", "label"])
def test_an_attack_raises_its_objective(target: str) -> None:
    made_by = mapper(target=target, steps=7, step="sign", step_size=2 / 255)
    given_batch = batch()
    aim = made_by.aim(linear, given_batch)
    found = made_by.maps(linear, given_batch)
    before = departure(linear(given_batch.images), aim)
    after = departure(linear(PIXELS.perturbed(given_batch.images, found)), aim)
    assert float(after) > float(before)


def test_a_plain_step_by_hand() -> None:
    images = (BLACK + WHITE).expand(6, 2, 4, 4) / 2
    aim = torch.softmax(linear(images), dim=1)
    start = mapper(epsilon=0.2).start(images)
    prediction = torch.softmax(linear(PIXELS.moved(images, start)), dim=1)
    slope = ((prediction - aim) @ weights()).view_as(images) * (WHITE - BLACK)
    expected = (start + 0.01 * slope).clamp(-0.2, 0.2)
    found = mapper(step_size=0.01, epsilon=0.2).maps(linear, Batch(images, batch().labels))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(found, start, atol=1e-4)


def test_integrated_gradients_of_a_linear_network_are_complete() -> None:
    given_batch = batch()
    found = mapper(saliency="integrated-gradients").maps(linear, given_batch)
    classes = linear(given_batch.images).argmax(1)
    whole = weights()[classes].view_as(found) * (given_batch.images - BLACK)
    peak = whole.abs().amax(dim=(1, 2, 3), keepdim=True)
    torch.testing.assert_close(found, 0.03 * whole / peak)


def test_smoothgrad_of_a_linear_network_is_its_weights() -> None:
    found = mapper(saliency="smoothgrad", target="label").maps(linear, batch())
    whole = weights()[batch().labels].view_as(found)
    peak = whole.abs().amax(dim=(1, 2, 3), keepdim=True)
    torch.testing.assert_close(found, 0.03 * whole / peak)


def test_gradient_maps_of_a_curved_network_by_hand() -> None:
    def cubic(images: Tensor) -> Tensor:
        return images.flatten(1) ** 3 @ weights().T

    images = batch().images
    slope = 3 * weights()[batch().labels].view_as(images)
    black = BLACK.expand_as(images)
    # Four midpoints between black and the image.
    points = [black + share * (images - black) for share in (0.125, 0.375, 0.625, 0.875)]
    whole = (images - black) * sum(slope * point**2 for point in points)
    given = {"target": "label", "gradient_samples": 4}
    found = mapper(saliency="integrated-gradients", **given).maps(cubic, batch())
    torch.testing.assert_close(found, scaled(whole))
    generator = torch.Generator().manual_seed(7)
    copies = [
        images + 0.15 * (WHITE - BLACK) * torch.empty_like(images).normal_(generator=generator)
        for _ in range(4)
    ]
    found = mapper(saliency="smoothgrad", **given).maps(cubic, batch())
    torch.testing.assert_close(found, scaled(sum(slope * copy**2 for copy in copies)))


def scaled(whole: Any) -> Tensor:
    found: Tensor = 0.03 * whole / whole.abs().amax(dim=(1, 2, 3), keepdim=True)
    return found


def test_a_map_of_zeros_stays() -> None:
    found = mapper(saliency="smoothgrad").maps(lambda images: 0.0 * linear(images), batch())
    assert not found.any()


def test_reweightings_by_hand() -> None:
    kinds = ("product", "absolute", "addition", "concatenation", "none")
    images = torch.full((1, 2, 1, 1), 2.0)
    found = torch.tensor([[[[0.1]], [[-0.2]]]])
    by = {how: reweighted(images, found, how, PIXELS).flatten().tolist() for how in kinds}
    assert by["product"] == pytest.approx([0.2, -0.4])
    assert by["absolute"] == pytest.approx([0.2, 0.4])
    assert by["addition"] == pytest.approx([2.0 + 0.1 * 2.0, 2.0 - 0.2 * 4.0])
    assert by["concatenation"] == pytest.approx([2.0, 2.0, 0.1, -0.2])
    assert by["none"] == [2.0, 2.0]


def test_an_unknown_range_bounds_no_image() -> None:
    free = PixelRange.of(None, CPU)
    images, change = torch.full((1, 2, 2, 2), 9.0), torch.full((1, 2, 2, 2), 0.5)
    torch.testing.assert_close(free.perturbed(images, change), torch.full_like(images, 9.5))


def test_digits_scale_epsilon_by_the_range_of_their_pixels() -> None:
    data = SupernetData.of(DIGITS.load(), Frame(), CPU)
    black, white = data.pixel_range()
    levels = (data.train.images - black) / (white - black) * 16
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)
    assert (float(levels.min()), float(levels.max())) == (0.0, 16.0)
