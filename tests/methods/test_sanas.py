"""SANAS: the limits in which it is its base, the intervals of its levels, its gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.differentiable import darts, unrolled
from adapters.trainers.sampled import untrained
from adapters.trainers.sanas import methods
from adapters.trainers.sanas.trainer import SanasTrainer
from harness.conformance.toy_supernet import toy_dataset
from harness.errors import HarnessError, NotApplicable
from harness.supernets.data import Batch, SupernetData
from harness.supernets.network import Mixture
from harness.supernets.trainers import Step
from tests.methods.trainings import (
    CPU,
    SMALL,
    Trains,
    assert_same,
    made,
    run_epoch,
    train,
)

__all__ = ["train"]

EVERY_BATCH: dict[str, Any] = {"alpha_every": 1, "second_every": 1, "alpha_from_epoch": 0}
PLAIN = replace(SMALL, momentum=0.0, clip=0.0, weight_decay=0.0)
STEADY: dict[str, Any] = {"start": "zero", "target": "label"}
"""Maps without chance."""
BASES = {
    "darts": methods.DARTS,
    "pc-darts": methods.PC_DARTS,
    "p-darts": methods.P_DARTS,
    "pr-darts": methods.PR_DARTS,
}


def batches() -> tuple[Batch, Batch]:
    data = SupernetData.of(toy_dataset(), SMALL, CPU)
    splits = (data.train, data.valid)
    return tuple(Batch(split.images[:24], split.labels[:24]) for split in splits)  # type: ignore[return-value]


def step_of(trainer: SanasTrainer, **changes: Any) -> Step:
    train_batch, valid = batches()
    given = {"epoch": 0, "index": 0, "progress": 0.0, "learning_rate": 0.1, **changes}
    trainer.begin_epoch(given["epoch"])
    return Step(train=train_batch, draw_valid=lambda: valid, **given)


def gradients(trainer: SanasTrainer, step: Step) -> list[Tensor]:
    found = trainer.validation_gradients(step, step.draw_valid())
    assert all(each is not None for each in found)
    return [each for each in found if each is not None]


def same(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("order", ["first", "second"])
def test_the_first_network_alone_is_darts_step_by_step(order: str) -> None:
    base = made(darts.TRAINER, settings={"order": order})
    alone = {"gamma": 1.0, "second_weight": 0.0, "alpha_every": 1, "order": order}
    trainer = made(methods.DARTS, settings=alone)
    assert same(trainer.alphas(), base.alphas())
    for epoch in range(3):
        assert run_epoch(trainer, epoch) == run_epoch(base, epoch)
        assert same(trainer.alphas(), base.alphas())
    assert same(list(trainer.supernet.parameters()), list(base.supernet.parameters()))


def test_the_second_network_leaves_the_first_alone_until_alpha_moves() -> None:
    resting = {"alpha_from_epoch": 9}
    base = made(darts.TRAINER, settings=resting)
    trainer = made(methods.DARTS, settings={**EVERY_BATCH, **resting})
    assert run_epoch(trainer, 0) == run_epoch(base, 0)
    mine, theirs = trainer.supernet.state_dict(), base.supernet.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_without_gamma_alpha_follows_the_second_network_alone() -> None:
    trainer = made(methods.DARTS, settings={"gamma": 0.0})
    step = step_of(trainer)
    with torch.no_grad():
        for weight in trainer.supernet.parameters():
            weight.mul_(3.0)
    images, labels = step.draw_valid()
    loss = F.cross_entropy(trainer.second.supernet(images, trainer.mixture()), labels)
    expected = torch.autograd.grad(loss, trainer.alphas())
    assert same(gradients(trainer, step), expected)


def test_gamma_weighs_the_first_networks_loss() -> None:
    found = {}
    for gamma, second in ((0.0, 1.0), (1.0, 0.0), (2.0, 0.5)):
        trainer = made(methods.DARTS, settings={"gamma": gamma, "second_weight": second})
        found[gamma] = gradients(trainer, step_of(trainer))[0]
    torch.testing.assert_close(found[2.0], 2 * found[1.0] + 0.5 * found[0.0])


def test_the_second_order_gradient_is_that_of_the_unrolled_losses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # DARTS's radius is too wide for three digits on a network with kinks.
    monkeypatch.setattr(unrolled, "RADIUS", 1e-6)
    trainer = made(methods.DARTS, settings={"order": "second", "gamma": 2.0})
    for network in trainer.supernets():
        network.double()
    trainer._alphas = [torch.tensor([[0.3, -0.2, 0.5]] * 3).double().requires_grad_()]
    step = step_of(trainer)
    step = replace(step, train=in_double(step.train))
    valid = in_double(step.draw_valid())
    found = trainer.validation_gradients(step, valid)[0]
    assert found is not None
    trainer.begin_epoch(0)
    seen = (step.train, trainer.reweighted(step.train))

    def unrolled_loss(alpha: Tensor) -> Tensor:
        mixture = Mixture((torch.softmax(alpha, dim=1),))
        parts = zip(trainer.supernets(), seen, strict=True)
        first, second = (loss_ahead(network, mixture, batch, valid) for network, batch in parts)
        return 2.0 * first + second

    alpha = trainer.alphas()[0].detach()
    changes = 1e-5 * torch.eye(alpha.numel(), dtype=torch.float64).view(-1, *alpha.shape)
    differences = [unrolled_loss(alpha + each) - unrolled_loss(alpha - each) for each in changes]
    expected = torch.stack(differences).view_as(alpha) / 2e-5
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)


def in_double(batch: Batch) -> Batch:
    return batch._replace(images=batch.images.double())


def loss_ahead(network: Any, mixture: Mixture, batch: Batch, valid: Batch) -> Tensor:
    """The validation loss after one plain step with weight decay, momentum still being zero."""
    named = dict(network.named_parameters())
    loss = F.cross_entropy(network(batch.images, mixture), batch.labels)
    slopes = torch.autograd.grad(loss, list(named.values()))
    ahead = {
        name: each - 0.1 * (slope + SMALL.weight_decay * each)
        for (name, each), slope in zip(named.items(), slopes, strict=True)
    }
    buffers = {name: each.clone() for name, each in network.named_buffers()}
    logits = torch.func.functional_call(network, {**ahead, **buffers}, (valid.images, mixture))
    return F.cross_entropy(logits, valid.labels).detach()


def test_levels_take_their_steps_by_their_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = made(methods.DARTS)
    order: list[str] = []

    def maps(batch: Batch) -> Tensor:
        order.append("maps")
        return batch.images

    monkeypatch.setattr(trainer, "maps", maps)
    monkeypatch.setattr(trainer.second, "step", lambda batch, rate: order.append("second"))
    monkeypatch.setattr(trainer, "set_alpha_gradients", lambda step: order.append("alpha"))
    step = step_of(trainer)
    for _ in range(16):
        trainer.architecture_step(step)
        order.append("first")
        trainer.weight_step(step)
    # A step of alpha after so many batches; where both are due, maps and second weights come first.
    batch = "first"
    third = "first maps second"
    five = [batch, batch, third, batch, batch]
    ten = [third, batch, batch, third, batch]
    fifteen = [batch, third, batch, batch, third]
    expected = ["alpha", *five, "alpha", *ten, "alpha", *fifteen, "alpha", batch]
    assert " ".join(order) == " ".join(expected)


@pytest.mark.parametrize("name", BASES)
def test_every_base_trains_and_resumes_to_the_same_numbers(name: str, train: Trains) -> None:
    frame = replace(SMALL, epochs=3, train_images=32, valid_images=32)
    given = {**EVERY_BATCH, "order": "second"}
    whole, cut = (
        train(BASES[name], NAS_BENCH_201, frame, cut=each, **given) for each in ((), (2,))
    )
    assert_same(whole, cut)
    states = [each.trainer.state_dict()["second"] for each in (whole, cut)]
    for mine, theirs in zip(*(state["supernet"].values() for state in states), strict=True):
        assert torch.equal(mine, theirs)
    momenta = [state["optimizer"]["state"] for state in states]
    assert momenta[0]
    for place, mine in momenta[0].items():
        assert torch.equal(mine["momentum_buffer"], momenta[1][place]["momentum_buffer"])


def test_a_stage_of_p_darts_has_two_networks_of_one_design() -> None:
    trainer = made(methods.P_DARTS, NAS_BENCH_201, replace(SMALL, epochs=6), settings=EVERY_BATCH)
    for epoch in range(5):
        run_epoch(trainer, epoch)
    first, second = trainer.supernets()
    assert first.groups == second.groups
    assert first.groups[0].shape == (6, 2)
    assert first.skip_dropout == second.skip_dropout > 0
    shapes = [
        {name: each.shape for name, each in net.state_dict().items()} for net in trainer.supernets()
    ]
    assert shapes[0] == shapes[1]
    assert not same(list(first.parameters()), list(second.parameters()))


@pytest.mark.parametrize("reweighting", ["addition", "absolute", "concatenation", "none"])
def test_every_reweighting_trains(reweighting: str) -> None:
    trainer = made(methods.DARTS, settings={**EVERY_BATCH, "reweighting": reweighting})
    before = [each.clone() for each in trainer.second.supernet.parameters()]
    run_epoch(trainer, 0)
    after = list(trainer.second.supernet.parameters())
    assert not same(before, after)
    channels = 4 if reweighting == "concatenation" else 2
    assert trainer.second.supernet.stem.weight.shape[1] == channels
    assert trainer.supernet.stem.weight.shape[1] == 2


def test_separate_trains_the_first_network_then_the_others() -> None:
    settings = {**EVERY_BATCH, "optimisation": "separate", "alpha_learning_rate": 0.1}
    trainer = made(methods.DARTS, settings=settings)
    first, second = (list(net.parameters()) for net in trainer.supernets())
    moved = []
    for epoch in range(4):
        kept = [[each.detach().clone() for each in part] for part in (first, second)]
        alpha = [each.detach().clone() for each in trainer.alphas()]
        run_epoch(trainer, epoch)
        parts = zip((first, second, trainer.alphas()), (*kept, alpha), strict=True)
        moved.append([not same(now, before) for now, before in parts])
    assert moved == [[True, False, False]] * 2 + [[False, True, True]] * 2


def test_multi_task_takes_one_step_of_both_networks_on_the_sum() -> None:
    given = {"optimisation": "multi-task", "second_every": 1, "saliency_task": 0.0}
    trainer = made(methods.DARTS, frame=PLAIN, settings={**given, "second_task": 0.25})
    step = step_of(trainer, learning_rate=PLAIN.learning_rate)
    first, second = trainer.supernets()
    before = [each.detach().clone() for each in first.parameters()]
    expected = trainer.loss(step.train, trainer.mixture())
    slopes = torch.autograd.grad(expected, list(first.parameters()))
    kept = [each.detach().clone() for each in second.parameters()]
    # The first network's own loss is what is told, and without the attack all that moves it.
    assert trainer.weight_step(step) == float(expected.detach())
    for now, then, slope in zip(first.parameters(), before, slopes, strict=True):
        torch.testing.assert_close(now.detach(), then - PLAIN.learning_rate * slope)
    assert not same(list(second.parameters()), kept)
    attacked = made(methods.DARTS, frame=PLAIN, settings={**given, "saliency_task": 0.5})
    attacked.weight_step(step_of(attacked, learning_rate=PLAIN.learning_rate))
    assert not same(list(attacked.supernet.parameters()), list(first.parameters()))
    with pytest.raises(HarnessError, match="multi-task needs adversarial"):
        made(methods.DARTS, settings={"optimisation": "multi-task", "saliency": "smoothgrad"})


@pytest.mark.parametrize("clip", [0.0, 0.01])
def test_the_second_network_descends_on_reweighted_train_images(clip: float) -> None:
    trainer = made(methods.DARTS, frame=replace(PLAIN, clip=clip), settings=EVERY_BATCH | STEADY)
    step = step_of(trainer)
    second = list(trainer.second.supernet.parameters())
    before = [each.detach().clone() for each in second]
    trainer.weight_step(step)
    moved = [now.detach() - then for now, then in zip(second, before, strict=True)]
    # Maps are by the first network after its step, which is where it still stands.
    seen = trainer.reweighted(step.train)
    torch.testing.assert_close(seen.images, step.train.images * trainer.maps(step.train))
    with torch.no_grad():
        for each, then in zip(second, before, strict=True):
            each.copy_(then)
    loss = F.cross_entropy(
        trainer.second.supernet(seen.images, trainer.mixture()), step.train.labels
    )
    slopes = torch.autograd.grad(loss, second)
    norm = torch.sqrt(torch.stack([slope.square().sum() for slope in slopes]).sum())
    assert float(norm) > 0.01
    shrink = clip / norm if clip else 1.0
    for change, slope in zip(moved, slopes, strict=True):
        torch.testing.assert_close(change, -step.learning_rate * shrink * slope)


def test_validation_images_of_the_second_network_can_be_reweighted() -> None:
    found = []
    for images in ("plain", "reweighted"):
        settings = {"gamma": 0.0, "valid_images": images, **STEADY}
        trainer = made(methods.DARTS, settings=settings)
        step = step_of(trainer)
        found.append(gradients(trainer, step)[0])
        if images == "reweighted":
            valid = trainer.reweighted(step.draw_valid())
            loss = F.cross_entropy(
                trainer.second.supernet(valid.images, trainer.mixture()), valid.labels
            )
            assert torch.equal(found[1], torch.autograd.grad(loss, trainer.alphas())[0])
    assert not torch.allclose(found[0], found[1])


def test_multi_task_climbs_the_attack_and_descends_both_losses_by_hand() -> None:
    given = {"optimisation": "multi-task", "second_every": 1, "step_size": 1e-3}
    trainer = made(methods.DARTS, frame=PLAIN, settings=given)
    step = step_of(trainer)
    images, labels = step.train
    first, second = trainer.supernets()
    mixture = trainer.mixture()
    stream = torch.Generator()
    stream.set_state(trainer._generator.get_state())
    start = torch.empty_like(images).uniform_(-0.03, 0.03, generator=stream)
    aim = torch.softmax(first(images, mixture), dim=1).detach()

    def attack(change: Tensor) -> Tensor:
        logits = first(trainer.pixels.perturbed(images, change), mixture)
        return F.cross_entropy(logits, aim, reduction="sum")

    def seen(change: Tensor, reduction: str) -> Tensor:
        return F.cross_entropy(second(images * change, mixture), labels, reduction=reduction)

    change = start.clone().requires_grad_()
    (slope,) = torch.autograd.grad(0.5 * attack(change) - seen(change, "sum"), change)
    change = (start + 1e-3 * slope).clamp(-0.03, 0.03)
    assert not torch.allclose(change, start, atol=1e-3)
    total = F.cross_entropy(first(images, mixture), labels) + seen(change, "mean")
    total = total - 0.5 * attack(change) / len(labels)
    weights = [*first.parameters(), *second.parameters()]
    before = [each.detach().clone() for each in weights]
    slopes = torch.autograd.grad(total, weights)
    trainer.weight_step(step)
    # The first network's rate is the loop's to set; the second's is the step's.
    rates = [PLAIN.learning_rate] * len(list(first.parameters()))
    rates += [step.learning_rate] * len(list(second.parameters()))
    for now, then, down, rate in zip(weights, before, slopes, rates, strict=True):
        torch.testing.assert_close(now.detach(), then - rate * down, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"alpha_every": 0}, "alpha_every of the trainer is 0"),
        ({"second_every": -2}, "second_every of the trainer is -2"),
        ({"gamma": 0.0, "second_weight": 0.0}, "alpha would have no loss"),
        ({"gamma": -1.0}, "gamma of the trainer is -1.0"),
        ({"second_weight": math.nan}, "second_weight of the trainer is nan"),
        ({"separate_share": 1.0}, "separate_share of the trainer is 1.0"),
        ({"separate_share": -0.5}, "separate_share of the trainer is -0.5"),
        ({"epsilon": 0.0}, "epsilon of the trainer is 0.0"),
        ({"epsilon": math.nan}, "epsilon of the trainer is nan"),
        ({"steps": 0}, "steps of the trainer is 0"),
        ({"gradient_samples": 0}, "gradient_samples of the trainer is 0"),
        ({"step_size": -1.0}, "step_size of the trainer is -1.0"),
    ],
    ids=str,
)
def test_levels_that_would_never_take_a_step_are_refused(
    settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(HarnessError, match=told):
        made(methods.DARTS, settings=settings)


def test_a_base_without_alpha_by_gradients_is_refused() -> None:
    with pytest.raises(NotApplicable, match="single paths does not"):
        methods.over(untrained.TRAINER, "single paths")


def test_settings_of_base_and_levels_are_told_together() -> None:
    given = methods.PC_DARTS.settings()
    assert (given.partial_channels, given.alpha_from_epoch) == (4, 15)
    assert (given.gamma, given.epsilon) == (2.0, 0.03)
    assert (given.alpha_every, given.second_every) == (5, 3)
