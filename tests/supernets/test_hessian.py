"""Curvature in alpha, edge shuffling, and agreement of scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from adapters.trainers.differentiable import darts
from adapters.trainers.sampled import single_path, untrained
from harness.conformance.toy_supernet import train_toy
from harness.diagnoses.shuffling import edge_shuffling
from harness.errors import NotApplicable
from harness.supernets import hessian
from harness.supernets.agreement import mean_tau, taus
from harness.supernets.copies import SupernetCopy
from harness.supernets.hessian import dominant_eigenvalue
from harness.supernets.network import Mixture
from tests.supernets.toys import linear, operations


@pytest.fixture(scope="module")
def trained() -> SupernetCopy:
    return train_toy(darts.TRAINER, seed=0)


def dense(trained: SupernetCopy) -> np.ndarray[Any, Any]:
    """The Hessian by torch's own function, shape (9, 9)."""
    images, labels = trained.data.valid.images[:32], trained.data.valid.labels[:32]
    trained.supernet.train()

    def loss(alpha: torch.Tensor) -> torch.Tensor:
        logits = trained.supernet(images, Mixture((torch.softmax(alpha, dim=-1),)))
        return torch.nn.functional.cross_entropy(logits, labels)

    alpha = trained.trainer.alphas()[0].detach()
    dense_hessian: Any = torch.autograd.functional.hessian
    return np.asarray(dense_hessian(loss, alpha).reshape(9, 9).double())


def test_eigenvalue_equals_that_of_the_dense_hessian(
    trained: SupernetCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Far from alpha = 0, where curvature has no symmetry left.
    with torch.no_grad():
        trained.trainer.alphas()[0].add_(torch.tensor([[0.5, -1, 0.3], [1, 0, 0.2], [0, 1, -1]]))
    mine = dominant_eigenvalue(trained.trainer, trained.data)
    monkeypatch.setattr(hessian, "_DENSE", 0)
    lanczos = dominant_eigenvalue(trained.trainer, trained.data)
    decayed = dominant_eigenvalue(trained.trainer, trained.data, weight_decay=0.5)
    expected = np.linalg.eigvalsh(dense(trained))
    assert mine == pytest.approx(expected[-1], rel=1e-4)
    assert lanczos == pytest.approx(expected[-1], rel=1e-3)
    assert decayed == pytest.approx(expected[-1] + 0.5, rel=1e-3)
    assert expected[-1] > 2 * abs(expected[-2]), "else the test could not tell which was found"


def test_measuring_leaves_no_trace(trained: SupernetCopy) -> None:
    trainer, supernet = trained.trainer, trained.supernet
    streams = (trained.generator, trainer.context.generator)
    before = [each.clone() for each in supernet.state_dict().values()]
    states = [each.get_state() for each in streams], trained.rng.bit_generator.state
    supernet.zero_grad(set_to_none=True)
    trainer.alphas()[0].grad = None
    generator = supernet.generator
    first = dominant_eigenvalue(trainer, trained.data)
    assert dominant_eigenvalue(trainer, trained.data) == first
    for old, new in zip(before, supernet.state_dict().values(), strict=True):
        assert torch.equal(old, new)
    assert all(torch.equal(s, g.get_state()) for s, g in zip(states[0], streams, strict=True))
    assert trained.rng.bit_generator.state == states[1]
    assert all(each.grad is None for each in (*supernet.parameters(), *trainer.alphas()))
    assert supernet.training
    assert supernet.generator is generator


def test_trainers_without_architecture_parameters_have_no_curvature() -> None:
    found = train_toy(single_path.TRAINER, seed=0)
    assert np.isnan(dominant_eigenvalue(found.trainer, found.data))


def test_curvature_of_a_loss_that_alpha_does_not_change() -> None:
    """All candidates are worth the same, so the sum of their weights is all that counts."""
    found = linear(operations("normal", "a", "b"), values=[np.ones((5, 2))])
    assert dominant_eigenvalue(found.trainer, found.data) == pytest.approx(0, abs=1e-5)


# -- edge shuffling


def test_shuffling_trained_edges_hurts_and_puts_everything_back() -> None:
    found = train_toy(darts.TRAINER, seed=0)
    before = {name: each.clone() for name, each in found.supernet.state_dict().items()}
    result = edge_shuffling(found, shuffles=6, batch_statistics=True)
    for name, each in found.supernet.state_dict().items():
        assert torch.equal(each, before[name]), name
    assert len(result.after) == 6
    assert result.before > 80
    assert result.mean_after == np.mean(result.after) < result.before
    # Two cells of three pairs of edges: shuffles differ.
    assert len(set(result.after)) > 1


def test_equal_edges_may_change_places_without_harm() -> None:
    found = train_toy(untrained.TRAINER, seed=0)
    for edges in found.supernet.mixed_edges():
        for edge in edges[1:]:
            edge.load_state_dict(edges[0].state_dict())
    result = edge_shuffling(found, shuffles=4)
    assert result.after == (result.before,) * 4


def test_edges_of_different_shapes_are_not_swapped() -> None:
    found = train_toy(untrained.TRAINER, seed=0)
    for cell in found.supernet.mixed_edges():
        for width, edge in enumerate(cell, start=1):
            edge.register_buffer("odd", torch.zeros(width))
    with pytest.raises(NotApplicable, match="no cell"):
        edge_shuffling(found, shuffles=1)
    with pytest.raises(NotApplicable, match="not mix on edges"):
        edge_shuffling(linear(operations("normal", "a"), values=[np.ones((5, 1))]), shuffles=1)


# -- agreement


def test_taus_by_hand() -> None:
    nan = float("nan")
    mine = [np.array([[1.0, 2, 3], [1, 2, 3], [3, nan, 1], [1, 1, 1], [nan, nan, 2]])]
    theirs = [np.array([[10.0, 20, 30], [3, 2, 2], [5, 0, 9], [1, 2, 3], [1, 2, 3]])]
    found = taus(mine, theirs)
    expected = [1, -2 / np.sqrt(3 * 2), -1, nan, nan]
    assert found[0] == pytest.approx(expected, nan_ok=True)
    assert mean_tau(found) == pytest.approx(np.mean(expected[:3]))
    assert mean_tau([np.array([nan])]) is None
