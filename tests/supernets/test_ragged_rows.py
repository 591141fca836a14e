"""Rows of a choice group that have different numbers of candidates."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from adapters.selectors import magnitude
from adapters.trainers.differentiable import darts, drnas, gumbel, pr_darts, sdarts
from adapters.trainers.sampled import single_path
from harness.conformance.toy_supernet import RaggedToySpace, train_toy
from harness.diagnoses.discretisation_edges import edges
from harness.errors import NotApplicable
from harness.protocols.search import Answer
from harness.spaces import Epochs
from harness.supernets.choices import ChoiceGroup, narrowed_scores, only_present, widened
from harness.supernets.decisions import Decisions
from harness.supernets.network import Mixture, as_scores, blocks, from_blocks, masked, uniform
from harness.supernets.spaces import narrowed

CHAIN = ChoiceGroup(
    name="chain",
    kind="operation",
    rows=("depth", "width", "kernel"),
    candidates=(("2", "3", "4"), ("16", "24"), ("3",)),
    targets=(1, 2, 3),
)
HERE = np.array([[True, True, True], [True, True, False], [True, False, False]])
FULL = replace(CHAIN, candidates=(("2", "3"), ("16", "24"), ("3", "5")))


def test_a_ragged_group_is_as_wide_as_its_widest_row() -> None:
    assert (CHAIN.shape, CHAIN.widths, CHAIN.ragged) == ((3, 3), (3, 2, 1), True)
    assert (FULL.shape, FULL.widths, FULL.ragged) == ((3, 2), (2, 2, 2), False)
    assert np.array_equal(CHAIN.present, HERE)
    assert FULL.present.all()
    assert np.argwhere(CHAIN.columns_of("3")).tolist() == [[0, 1], [2, 0]]


def test_scores_go_from_narrower_rows_to_wider_ones_and_back() -> None:
    left = (("2", "4"), ("24",), ("3",))
    (narrow,) = narrowed([CHAIN], {"chain": left})
    given = [np.array([[1.0, 2.0], [3.0, np.nan], [4.0, np.nan]])]
    (wide,) = widened([CHAIN], [narrow], given)
    expected = [[1, np.nan, 2], [np.nan, 3, np.nan], [4, np.nan, np.nan]]
    np.testing.assert_array_equal(wide, expected)
    np.testing.assert_array_equal(narrowed_scores([CHAIN], [narrow], [wide]), given)
    with pytest.raises(NotApplicable, match="equally many"):
        narrowed([FULL], {"chain": (("2",), ("16", "24"), ("3",))})
    with pytest.raises(NotApplicable, match="nothing"):
        narrowed([CHAIN], {"chain": (("2",), (), ("3",))})


def test_full_groups_are_not_touched() -> None:
    rows = torch.randn(3, 2)
    assert masked([FULL], [rows], 0.0)[0] is rows
    assert blocks(FULL, rows)[0] is rows
    assert from_blocks(FULL, [rows]) is rows
    scores = [np.ones((3, 2))]
    assert only_present([FULL], scores)[0] is scores[0]


def test_what_a_row_does_not_have_counts_for_nothing() -> None:
    rows = torch.arange(9.0).reshape(3, 3) + 1
    (zeroed,) = masked([CHAIN], [rows], 0.0)
    assert torch.equal(zeroed, rows * torch.from_numpy(HERE))
    assert torch.equal(from_blocks(CHAIN, blocks(CHAIN, rows)), zeroed)
    np.testing.assert_array_equal(as_scores([CHAIN], [rows])[0], np.where(HERE, rows, np.nan))
    even = uniform(CHAIN, 1, torch.device("cpu"))
    assert even.tolist() == [pytest.approx(row) for row in ([1 / 3] * 3, [0.5, 0.5, 0], [1, 0, 0])]


def test_decisions_begin_with_what_there_is() -> None:
    whole = Decisions([CHAIN])
    mixture = Mixture((torch.full((3, 3), 0.5),))
    assert whole(mixture) is mixture
    changed = whole.without(0, 0, 2)(mixture)
    assert changed.active == (((0, 1), (0, 1), (0,)),)
    assert changed.weights[0].tolist() == [[0.5, 0.5, 0], [0.5, 0.5, 0], [0.5, 0, 0]]
    settled = whole.with_settled(0, 1, [1])
    np.testing.assert_array_equal(
        settled.scores()[0], [[0, 0, 0], [0, 1, np.nan], [0, np.nan, np.nan]]
    )


@pytest.mark.parametrize(
    "trainer",
    [
        darts.TRAINER,
        drnas.TRAINER,
        gumbel.SNAS,
        gumbel.GDAS,
        sdarts.RANDOM,
        pr_darts.TRAINER,
        single_path.TRAINER,
    ],
)
def test_each_row_shares_its_weight_among_its_own_candidates(trainer: object) -> None:
    trained = train_toy(trainer, seed=0, space=RaggedToySpace())  # type: ignore[arg-type]
    (group,) = trained.supernet.groups
    for mixture in (trained.trainer.mixture(), trained.trainer.settled_mixture()):
        weights = mixture.weights[0].detach()
        assert not weights[~torch.from_numpy(group.present)].any()
        if trainer is not pr_darts.TRAINER:
            assert weights.sum(dim=1).tolist() == pytest.approx([1.0] * 3)
    assert np.array_equal(np.isnan(trained.trainer.scores()[0]), ~group.present)


def test_the_edges_of_a_diagnosis_have_their_own_candidates() -> None:
    trained = train_toy(darts.TRAINER, seed=0, space=RaggedToySpace())
    scores = [np.asarray(rows) for rows in trained.scores()]
    accuracies = [100 * rows for rows in scores]
    answer = Answer("test", "toy", "test", Epochs(1, 1), 0, "test")
    task = SimpleNamespace(answers=(answer,))
    diagnosed: Any = SimpleNamespace(supernet=trained, table=None, spec=SimpleNamespace(task=task))
    found = edges(diagnosed, scores, accuracies)
    assert tuple(edge.candidates for edge in found) == RaggedToySpace().cell.candidates
    for edge in found:
        assert len(edge.candidates) == len(edge.scores) == len(edge.accuracies) == len(edge.best)
        assert np.isfinite(edge.scores).all()
    assert [edge.tau_of_scores for edge in found[:2]] == [1.0, 1.0]
    assert np.isnan(found[2].tau_of_scores)


def test_alpha_of_nothing_changes_nothing() -> None:
    """Rows of DARTS are softmaxed as if they stood alone."""
    trained = train_toy(darts.TRAINER, seed=0, space=RaggedToySpace())
    (alpha,), (group,) = trained.trainer.alphas(), trained.supernet.groups
    with torch.no_grad():
        alpha[~torch.from_numpy(group.present)] = 50.0
    for row, width in enumerate(group.widths):
        alone = torch.softmax(alpha[row, :width], dim=0)
        mixed = trained.trainer.settled_mixture().weights[0][row]
        assert torch.equal(mixed[:width], alone)
    found = magnitude.SELECTOR.select(trained, magnitude.MagnitudeSettings())
    kept = [int(np.nanargmax(row)) for row in trained.trainer.scores()[0]]
    assert found.architecture == tuple(kept)
    assert np.isnan(found.margins[0][2])
