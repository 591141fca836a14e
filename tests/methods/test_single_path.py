"""Trainers that sample: single path, SETN, ENAS and its controller; draws from a policy."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from adapters.selectors import policy_sampling
from adapters.spaces.darts import DARTS
from adapters.spaces.nas_bench_1shot1 import SPACE_1
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.differentiable import darts, fixed_alpha
from adapters.trainers.sampled import enas, setn, single_path
from adapters.trainers.sampled.controller import Controller, Draw
from harness.conformance.toy_supernet import TOY_FRAME, train_toy
from harness.errors import NotApplicable
from harness.supernets.copies import SupernetCopy
from tests.methods.test_darts import batches, step_of
from tests.methods.trainings import SMALL, TOY, made, run_epoch, set_alpha

# -- single path


def test_architectures_are_drawn_uniformly_but_for_starving_ones() -> None:
    trainer = made(single_path.TRAINER, settings={"redraw_empty": False})
    counts = sum(trainer.mixture().weights[0].numpy() for _ in range(900)) / 900
    np.testing.assert_allclose(counts, 1 / 3, atol=0.07)
    trainer = made(single_path.TRAINER, NAS_BENCH_201)
    none = NAS_BENCH_201.choice_groups[0].columns_of("none")
    for _ in range(300):
        fed = trainer.mixture().weights[0].numpy() * ~none
        assert all(fed[list(rows)].any() for rows in ((0,), (1, 2), (3, 4, 5)))


@pytest.mark.parametrize(
    ("text", "starves"),
    [
        ("conv_1x1/none/conv_1x1", False),
        ("none/conv_1x1/conv_1x1", True),
        ("conv_1x1/none/none", True),
        ("skip_connect/skip_connect/none", False),
    ],
)
def test_a_node_starves_that_gets_none_alone(text: str, starves: bool) -> None:
    assert single_path._starves(TOY, TOY.parse(text)) is starves


@pytest.mark.parametrize("method", [single_path.TRAINER, setn.TRAINER, enas.TRAINER])
def test_a_step_trains_what_was_drawn(method: Any) -> None:
    trainer = made(method, frame=replace(SMALL, weight_decay=0.0))
    train, valid = batches()
    mixtures = []
    draw = trainer.mixture
    trainer.mixture = lambda: mixtures.append(draw()) or mixtures[-1]
    for _ in range(6):
        mixtures.clear()
        trainer.optimizer.state.clear()
        before = {name: each.clone() for name, each in trainer.supernet.named_parameters()}
        trainer.weight_step(step_of(train, valid))
        (mixture,) = mixtures
        kept = mixture.weights[0].argmax(1).tolist()
        assert mixture.active == (tuple((column,) for column in kept),)
        for name, each in trainer.supernet.named_parameters():
            if ".edges." in name:
                row = int(name.split(".")[3])
                if kept[row] != 2:
                    assert torch.equal(each, before[name])


# -- SETN


def test_setn_trains_alpha_as_darts_does() -> None:
    train, valid = batches()
    trainer = made(setn.TRAINER)
    plain = made(darts.TRAINER)
    for each in (trainer, plain):
        set_alpha(each, [[0.5, -1.0, 0.2], [0.0, 0.0, 0.0], [2.0, 1.0, -1.0]])
        each.set_alpha_gradients(step_of(train, valid))
    assert torch.equal(trainer.alphas()[0].grad, plain.alphas()[0].grad)
    before = trainer.alphas()[0].detach().clone()
    trainer.weight_step(step_of(train, valid))
    assert torch.equal(trainer.alphas()[0], before)


def test_setns_weights_do_not_follow_alpha() -> None:
    trainer = made(setn.TRAINER)
    set_alpha(trainer, [[50.0, 0, 0]] * 3)
    counts = sum(trainer.mixture().weights[0].numpy() for _ in range(600)) / 600
    np.testing.assert_allclose(counts, 1 / 3, atol=0.08)


# -- ENAS


def controller_of(decisions: tuple[int, ...] = (2, 3), **settings: Any) -> Controller:
    return Controller(decisions, torch.Generator().manual_seed(1), **settings)


def test_probabilities_of_all_architectures_sum_to_1_and_draws_follow_them() -> None:
    controller = controller_of(temperature=0.05)
    odds = {
        choices: float(controller.judge(choices).log_probability.detach().exp())
        for choices in itertools.product(range(2), range(3))
    }
    assert sum(odds.values()) == pytest.approx(1.0, abs=1e-5)
    assert max(odds.values()) > 1.5 * min(odds.values())
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        drawn = [controller.draw(generator) for _ in range(1200)]
    for choices, probability in odds.items():
        share = np.mean([each.choices == choices for each in drawn])
        assert share == pytest.approx(probability, abs=0.06)
    assert all(
        float(each.log_probability.exp()) == pytest.approx(odds[each.choices], rel=1e-4)
        for each in drawn[:20]
    )


def test_one_decision_by_hand() -> None:
    controller = controller_of((3,))
    output = controller.outputs["3"]
    with torch.no_grad():
        output.weight.zero_()
        output.bias.copy_(torch.tensor([1.0, -2.0, 4.0]))
    logits = 2.5 * np.tanh(np.array([1.0, -2.0, 4.0]) / 5)
    odds = np.exp(logits) / np.exp(logits).sum()
    found = controller.judge((2,))
    assert float(found.log_probability.detach()) == pytest.approx(np.log(odds[2]), rel=1e-5)
    assert float(found.entropy.detach()) == pytest.approx(-(odds * np.log(odds)).sum(), rel=1e-5)
    assert controller.greedy() == (2,)
    # d log p / d bias = (chosen - p) * 2.5 * (1 - tanh^2) / 5
    (gradient,) = torch.autograd.grad(found.log_probability, output.bias)
    slope = 2.5 * (1 - (logits / 2.5) ** 2) / 5
    np.testing.assert_allclose(gradient, (np.array([0, 0, 1]) - odds) * slope, rtol=1e-4)


def test_a_choice_depends_on_those_before_it() -> None:
    controller = controller_of((2, 2), temperature=0.05)
    second = [
        float((controller.judge((first, 0)).log_probability
               - controller.judge((first, 1)).log_probability).detach())
        for first in (0, 1)
    ]  # fmt: skip
    assert abs(second[0] - second[1]) > 1e-4


def draw_of(log_probability: float, entropy: float) -> Draw:
    return Draw((0,), torch.tensor(log_probability, requires_grad=True), torch.tensor(entropy))


@pytest.mark.parametrize("rule", ["epoch", "sample"])
def test_rewards_baselines_and_losses_by_hand(rule: str) -> None:
    trainer = made(enas.TRAINER, settings={"baseline_rule": rule})
    loss, baseline = trainer.policy_loss(draw_of(-2.0, 3.0), 0.5)
    # Without a baseline, accuracy stands for it: the advantage is the entropy's part.
    assert baseline == 0.5
    assert float(loss.detach()) == pytest.approx(2.0 * 3e-4)
    trainer.baseline = 0.4
    loss, baseline = trainer.policy_loss(draw_of(-2.0, 3.0), 0.5)
    assert baseline == pytest.approx(0.99 * 0.4 + 0.01 * 0.5003)
    assert float(loss.detach()) == pytest.approx(2.0 * (0.5003 - baseline))


def rewarded(trainer: Any, accuracies: Any, epochs: int = 1) -> None:
    trainer.accuracy = accuracies
    for epoch in range(epochs):
        run_epoch(trainer, epoch)


@pytest.mark.parametrize("rule", ["epoch", "sample"])
def test_the_baseline_over_two_epochs(rule: str) -> None:
    settings = {
        "baseline_rule": rule,
        "controller_updates": 2,
        "controller_samples": 3,
        "entropy_weight": 0.0,
    }
    trainer = made(enas.TRAINER, settings=settings)
    rewards = [0.1, 0.4, 0.2, 0.9, 0.3, 0.5, 0.6, 0.7, 0.2, 0.1, 0.8, 0.0]
    given = iter(rewards)
    rewarded(trainer, lambda drawn, batch: next(given), epochs=2)
    if rule == "epoch":
        first = np.mean(rewards[:6])
        expected = np.mean([0.99 * first + 0.01 * each for each in rewards[6:]])
    else:
        expected = rewards[0]
        for each in rewards[1:]:
            expected = 0.99 * expected + 0.01 * each
    assert trainer.baseline == pytest.approx(expected)


def test_an_update_averages_its_samples_and_clips() -> None:
    settings = {"controller_updates": 1, "controller_samples": 4, "controller_clip": 1e-3}
    trainer = made(enas.TRAINER, settings=settings)
    trainer.baseline = 0.0
    losses, norms = [], []
    judge = trainer.policy_loss

    def watched(drawn: Draw, accuracy: float) -> Any:
        losses.append(drawn)
        return judge(drawn, accuracy)

    def before_step(*_: Any) -> None:
        gradients = [each.grad.reshape(-1) for each in trainer.controller.parameters()]
        norms.append(torch.cat(gradients))

    trainer.policy_loss = watched
    trainer.controller_optimizer.register_step_pre_hook(before_step)
    twin = made(enas.TRAINER, settings=settings).controller
    rewarded(trainer, lambda drawn, batch: drawn.choices[0] / 2)
    total = 0.0
    for drawn in losses:
        again = twin.judge(drawn.choices)
        reward = drawn.choices[0] / 2 + 1e-4 * float(again.entropy.detach())
        total = total - again.log_probability * 0.99 * reward / 4
    expected = torch.cat(
        [each.reshape(-1) for each in torch.autograd.grad(total, twin.parameters())]
    )
    expected = expected * 1e-3 / (expected.norm() + 1e-6)
    assert len(losses) == 4
    torch.testing.assert_close(norms[0], expected, rtol=1e-3, atol=1e-7)


def test_the_controller_learns_what_is_rewarded() -> None:
    settings = {"controller_updates": 15, "controller_samples": 5, "controller_learning_rate": 0.02}
    trainer = made(enas.TRAINER, settings=settings)
    before = trainer.scores()[0][0]
    rewarded(trainer, lambda drawn, batch: float(drawn.choices[0] == 1), epochs=3)
    after = trainer.scores()[0][0]
    assert after[1] > before[1] + 0.2
    np.testing.assert_allclose(after.sum(), 1.0)


def test_a_reward_is_the_accuracy_of_the_drawn_architecture_alone() -> None:
    trainer = made(enas.TRAINER)
    _, valid = batches()
    drawn = Draw((2, 0, 1), torch.zeros(()), torch.zeros(()))
    with torch.no_grad():
        trainer.supernet.eval()
        logits = trainer.supernet(valid.images, trainer._alone((2, 0, 1)))
        expected = float((logits.argmax(1) == valid.labels).double().mean())
        trainer.supernet.train()
    assert trainer.accuracy(drawn, valid) == pytest.approx(expected)


def test_without_architecture_steps_the_controller_rests() -> None:
    trainer = made(enas.TRAINER)
    before = [each.detach().clone() for each in trainer.controller.parameters()]
    trainer.begin_epoch(0)
    trainer.weight_step(step_of(*batches()))
    trainer.end_epoch(0)
    assert all(map(torch.equal, before, trainer.controller.parameters()))


@pytest.mark.parametrize("space", [NAS_BENCH_201, DARTS, SPACE_1], ids=lambda space: space.name)
@pytest.mark.parametrize("method", [setn.TRAINER, enas.TRAINER])
def test_they_run_on_every_space(space: Any, method: Any) -> None:
    settings = {"controller_updates": 1, "controller_samples": 2} if method is enas.TRAINER else {}
    trainer = made(method, space, settings=settings)
    assert all(map(math.isfinite, run_epoch(trainer, 0)))
    space.one_hot(trainer.draw_architecture(np.random.default_rng(0)))
    assert [rows.shape for rows in trainer.scores()] == [g.shape for g in space.choice_groups]


def test_making_a_controller_leaves_torchs_own_generator_alone() -> None:
    state = torch.get_rng_state()
    first, second = controller_of(), controller_of()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(map(torch.equal, first.parameters(), second.parameters()))
    bound = max(float(each.detach().abs().max()) for each in first.embeddings.parameters())
    assert 0.09 < bound <= 0.1


# -- drawing from what was learnt


def test_architectures_are_drawn_with_scores_as_odds() -> None:
    trainer = made(darts.TRAINER)
    set_alpha(trainer, [[0.5, -1.0, 0.2], [0.0, 0.0, 0.0], [2.0, 1.0, -1.0]])
    rng = np.random.default_rng(3)
    counts = sum(TOY.one_hot(trainer.draw_architecture(rng))[0] for _ in range(2000)) / 2000
    np.testing.assert_allclose(counts, F.softmax(trainer.alphas()[0].detach(), 1), atol=0.04)


def selected(method: Any, **settings: Any) -> Any:
    trained = train_toy(method, seed=0, frame=replace(TOY_FRAME, epochs=1))
    given = policy_sampling.PolicySamplingSettings(batch=64, **settings)
    return trained, lambda: policy_sampling.select(trained, given)


def test_distinct_draws_are_as_many_as_asked_for_or_as_there_are() -> None:
    _, select = selected(setn.TRAINER, samples=10, distinct=True)
    found = select()
    assert found.costs["validation-batches"] == 10
    assert found.notes == ()
    _, select = selected(setn.TRAINER, samples=60, distinct=True)
    found = select()
    assert found.costs["validation-batches"] == TOY.size == 27
    assert found.notes == ("there were 27 different architectures, not 60",)


def test_the_best_of_the_draws_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    _, select = selected(fixed_alpha.TRAINER, samples=20, distinct=True)
    seen: list[Any] = []

    def looked_at(trained: Any, settings: Any, drawn: list[Any]) -> list[float]:
        seen.extend(drawn)
        return [100.0 if each == drawn[7] else 50.0 for each in drawn]

    monkeypatch.setattr(policy_sampling, "on_batches", looked_at)
    found = select()
    assert found.architecture == seen[7]
    assert len(set(seen)) == 20


def test_the_likeliest_are_those_of_the_largest_product(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, select = selected(fixed_alpha.TRAINER, samples=5, rule="likeliest")
    set_alpha(trained.trainer, [[0.5, -1.0, 0.2], [0.1, 0.0, 0.3], [2.0, 1.0, -1.0]])
    (scores,) = trained.trainer.scores()
    products = {cell: np.prod(scores[[0, 1, 2], list(cell)]) for cell in TOY.enumerate()}
    expected = sorted(products, key=lambda cell: -products[cell])[:5]
    seen: list[Any] = []

    def looked_at(trained: Any, settings: Any, drawn: list[Any]) -> list[float]:
        seen.extend(drawn)
        return [1.0] * len(drawn)

    monkeypatch.setattr(policy_sampling, "on_batches", looked_at)
    select()
    assert seen == expected


class _InDarts(SupernetCopy):
    """A supernet that says that it is of a far larger space."""

    space = property(lambda self: DARTS)  # type: ignore[assignment]


def test_a_space_too_large_is_not_listed() -> None:
    trained, _ = selected(fixed_alpha.TRAINER)
    given = policy_sampling.PolicySamplingSettings(rule="likeliest")
    with pytest.raises(NotApplicable, match="use 'drawn'"):
        policy_sampling.select(_InDarts(trained.trainer, trained.data, trained.streams), given)


def test_enas_is_selected_from_its_controllers_draws() -> None:
    method = replace(
        enas.TRAINER,
        create=lambda context, settings: enas.EnasTrainer(
            context, replace(settings, controller_updates=1, controller_samples=2)
        ),
    )
    trained, select = selected(method, samples=10)
    drawn: list[Any] = []
    draw = trained.trainer.draw_architecture
    trained.trainer.draw_architecture = lambda rng: drawn.append(draw(rng)) or drawn[-1]
    found = select()
    assert len(drawn) == 10
    assert found.architecture in drawn
