"""Progressive DrNAS: its schedule, what widening carries over, the limit in which it is DrNAS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from adapters.spaces.darts import DARTS
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.differentiable import drnas, drnas_progressive
from adapters.trainers.differentiable.drnas_progressive import partial_channels
from harness.errors import NotApplicable
from tests.methods.trainings import (
    SMALL,
    TOY,
    Trains,
    assert_same,
    made,
    run_epoch,
    set_alpha,
    train,
)

__all__ = ["train"]

SETTINGS = drnas_progressive.ProgressiveDrnasSettings()


def test_the_published_stages() -> None:
    cell = made(drnas_progressive.TRAINER, NAS_BENCH_201, replace(SMALL, epochs=100))
    assert [cell.begins(stage) for stage in range(3)] == [0, 50, 100]
    assert [cell.stage_supernet(stage).options.partial_channels for stage in (0, 1)] == [4, 2]
    assert cell.resting_epochs(50) == 10
    # The learning rate falls over both stages together.
    assert cell.learning_rate(50) == cell.context.frame.learning_rate_at(50)
    assert partial_channels(DARTS, SETTINGS) == (6, 4)


def test_in_the_darts_space_seven_operations_become_four() -> None:
    settings = {"first_partial_channels": 4, "last_partial_channels": 2}
    trainer = made(drnas_progressive.TRAINER, DARTS, replace(SMALL, epochs=50), settings=settings)
    assert [group.shape for group in trainer.supernet.groups] == [(14, 7)] * 2
    assert "none" not in trainer.supernet.groups[0].candidates[0]
    trainer.begin_epoch(25)
    assert [group.shape for group in trainer.supernet.groups] == [(14, 4)] * 2
    assert np.isnan(trainer.scores()[0]).sum() == 14 * 4


def test_each_edge_keeps_the_candidates_of_largest_alpha_with_their_moments() -> None:
    trainer = made(drnas_progressive.TRAINER, NAS_BENCH_201, replace(SMALL, epochs=4))
    for epoch in (0, 1):
        run_epoch(trainer, epoch)
    before = np.array([[5.0, 1.0, 4.0, 3.0, 2.0]] * 5 + [[0.0, 1.0, 2.0, 3.0, 4.0]])
    set_alpha(trainer, before)
    (moment,) = (trainer.alpha_optimizer.state[alpha]["exp_avg"] for alpha in trainer.alphas())
    assert moment.abs().min() > 0
    trainer.begin_epoch(2)
    assert trainer.alphas()[0].tolist() == [[5.0, 4.0, 3.0]] * 5 + [[2.0, 3.0, 4.0]]
    state = trainer.alpha_optimizer.state[trainer.alphas()[0]]
    assert torch.equal(state["exp_avg"], torch.cat([moment[:5, [0, 2, 3]], moment[5:, 2:]]))
    assert int(state["step"]) == 4
    names = NAS_BENCH_201.choice_groups[0].candidates[0]
    assert trainer.candidates["cell"][5] == names[2:]


def test_widening_repeats_channels_weights_statistics_and_momentum_alike() -> None:
    trainer = made(drnas_progressive.TRAINER, NAS_BENCH_201, replace(SMALL, epochs=4))
    for epoch in (0, 1):
        run_epoch(trainer, epoch)
    set_alpha(trainer, np.tile([0.0, 0.0, 1.0, 2.0, 3.0], (6, 1)))
    old = dict(trainer.supernet.named_parameters())
    old_buffers = dict(trainer.supernet.named_buffers())
    momentum = {
        name: trainer.optimizer.state[each]["momentum_buffer"] for name, each in old.items()
    }
    trainer.begin_epoch(2)
    name = "cells.0.edges.1<-0.nor_conv_3x3.conv.weight"
    new = dict(trainer.supernet.named_parameters())[name]
    assert old[name].shape == (1, 1, 3, 3)
    assert new.shape == (2, 2, 3, 3)
    assert torch.equal(new, old[name].expand(2, 2, 3, 3))
    buffer = trainer.optimizer.state[new]["momentum_buffer"]
    assert torch.equal(buffer, momentum[name].expand(2, 2, 3, 3))
    mean = "cells.0.edges.1<-0.nor_conv_3x3.norm.running_mean"
    assert torch.equal(dict(trainer.supernet.named_buffers())[mean], old_buffers[mean].expand(2))
    stem = trainer.supernet.stem[0].weight
    assert torch.equal(stem, old["stem.0.weight"])
    assert torch.equal(trainer.optimizer.state[stem]["momentum_buffer"], momentum["stem.0.weight"])


def test_a_wider_tensor_begins_with_the_old_one_and_repeats_the_same_channels_everywhere() -> None:
    before, after = (
        torch.nn.Sequential(torch.nn.Conv2d(3, width, 1), torch.nn.Conv2d(width, 5, 1))
        for width in (4, 10)
    )
    rng = np.random.default_rng(0)
    optimizer = torch.optim.SGD(after.parameters(), lr=0.1)
    drnas_progressive.widen(before, after, {}, optimizer, rng)  # type: ignore[arg-type]
    chosen = [0, 1, 2, 3, *np.random.default_rng(0).integers(4, size=6).tolist()]
    assert torch.equal(after[0].weight, before[0].weight[chosen])
    assert torch.equal(after[0].bias, before[0].bias[chosen])
    assert torch.equal(after[1].weight, before[1].weight[:, chosen])
    assert torch.equal(after[1].bias, before[1].bias)


def test_a_supernet_that_renames_its_weights_is_refused() -> None:
    # The toy supernet numbers an edge's candidates; `none`, which has no weights, is the first.
    trainer = made(drnas_progressive.TRAINER, TOY, settings={"first_partial_channels": 1})
    trainer.settings = replace(trainer.settings, last_partial_channels=1)
    set_alpha(trainer, [[0.0, 1.0, 2.0]] * 3)
    with pytest.raises(NotApplicable, match="calls its weights otherwise"):
        trainer.begin_epoch(2)


def test_with_one_stage_it_is_drnas_on_partial_channels(train: Trains) -> None:
    alone = train(
        drnas_progressive.TRAINER,
        NAS_BENCH_201,
        replace(SMALL, epochs=3),
        stages=1,
        alpha_from_epoch=0,
    )
    plain = train(drnas.TRAINER, NAS_BENCH_201, replace(SMALL, epochs=3), partial_channels=4)
    assert_same(alone, plain)


def test_a_training_cut_off_in_either_stage_ends_the_same(train: Trains) -> None:
    frame = replace(SMALL, epochs=6)
    whole = train(drnas_progressive.TRAINER, NAS_BENCH_201, frame)
    parts = train(drnas_progressive.TRAINER, NAS_BENCH_201, frame, cut=(1, 3, 4))
    assert parts.supernet.groups[0].shape == (6, 3)
    assert_same(whole, parts)
