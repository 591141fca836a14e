"""Tests that every search space must pass, as a suite that its author runs with pytest.

    from harness.conformance.spaces import SpaceConformance

    class TestMySpace(SpaceConformance):
        @pytest.fixture
        def space(self):
            return MySpace()

Override the other fixtures where the defaults do not suit the space. For assertions that explain
themselves, put ``pytest.register_assert_rewrite("harness.conformance.spaces")`` into a conftest.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
import torch

from harness.errors import BadArchitecture, UnknownName
from harness.randomness.on_torch import torch_seeded
from harness.spaces import AnySpace, NetworkShape

ENUMERABLE = 100_000
"""Spaces up to this size are enumerated completely."""


class SpaceConformance:
    """The suite for search spaces: subclass it, and give it a ``space`` fixture."""

    @pytest.fixture
    def space(self) -> AnySpace:
        """The space under test."""
        raise NotImplementedError("override the fixture `space` of SpaceConformance")

    @pytest.fixture
    def shape(self) -> NetworkShape:
        """The skeleton of the networks that are built: small, so that the suite is quick."""
        return NetworkShape(classes=7, channels=4, cells=1, resolution=16)

    @pytest.fixture
    def encodings(self) -> tuple[str, ...]:
        """The encodings that the space offers."""
        return ("one-hot",)

    @pytest.fixture
    def bad_strings(self) -> tuple[str, ...]:
        """Texts that the space must refuse to read."""
        return ("", " ", "no architecture at all", "\x00\n\n")

    @pytest.fixture
    def architectures(self, space: AnySpace) -> list[Any]:
        """The architectures for checks of single ones."""
        return _sample(space, 30, seed=1)

    # -- values and notation

    def test_architectures_are_values(self, space: AnySpace, architectures: list[Any]) -> None:
        for architecture in architectures:
            twin = space.parse(space.format(architecture))
            assert twin == architecture
            assert hash(twin) == hash(architecture)

    def test_format_is_one_line_and_parse_its_inverse(
        self, space: AnySpace, architectures: list[Any]
    ) -> None:
        for architecture in architectures:
            text = space.format(architecture)
            assert text
            assert len(text.splitlines()) == 1
            assert space.format(space.parse(text)) == text

    def test_bad_strings_are_refused_in_one_line(
        self, space: AnySpace, bad_strings: tuple[str, ...]
    ) -> None:
        for text in bad_strings:
            with pytest.raises(BadArchitecture) as caught:
                space.parse(text)
            assert len(str(caught.value).splitlines()) == 1

    # -- decisions, keys, encodings

    def test_decisions_describe_an_architecture(
        self, space: AnySpace, architectures: list[Any]
    ) -> None:
        for architecture in architectures:
            choices = space.to_decisions(architecture)
            assert len(choices) == len(space.decisions)
            assert all(0 <= c < n for c, n in zip(choices, space.decisions, strict=True))
            assert space.from_decisions(choices) == architecture

    def test_keys_tell_architectures_apart(self, space: AnySpace, architectures: list[Any]) -> None:
        keys = {space.key(architecture) for architecture in architectures}
        assert len(keys) == len(set(architectures))
        assert all(0 <= key < 2**63 for key in keys)

    def test_encodings_have_one_shape(
        self, space: AnySpace, architectures: list[Any], encodings: tuple[str, ...]
    ) -> None:
        assert "one-hot" in encodings
        for encoding in encodings:
            rows = [space.encode(architecture, encoding=encoding) for architecture in architectures]
            assert {row.shape for row in rows} == {rows[0].shape}
            assert rows[0].ndim == 1
            assert all(row.dtype == np.float32 and np.isfinite(row).all() for row in rows)

    def test_one_hot_sets_one_feature_a_decision(
        self, space: AnySpace, architectures: list[Any]
    ) -> None:
        ends = np.cumsum(space.decisions)
        for architecture in architectures:
            features = space.encode(architecture, encoding="one-hot")
            chosen = np.flatnonzero(features)
            assert features[chosen].tolist() == [1.0] * len(space.decisions)
            starts = ends - np.array(space.decisions)
            assert (chosen - starts).tolist() == list(space.to_decisions(architecture))

    def test_unknown_encoding_is_refused(self, space: AnySpace, architectures: list[Any]) -> None:
        with pytest.raises(UnknownName):
            space.encode(architectures[0], encoding="no such encoding")

    # -- random choices

    def test_equal_generators_give_equal_draws(self, space: AnySpace) -> None:
        first, second = _sample(space, 2, seed=3)
        draws: list[Callable[[np.random.Generator], Any]] = [
            space.sample,
            partial(space.crossover, first, second),
            *(partial(space.mutate, first, distribution=name) for name in space.mutations),
        ]
        for draw in draws:
            once, again = np.random.default_rng(5), np.random.default_rng(5)
            assert [draw(once) for _ in range(20)] == [draw(again) for _ in range(20)]
            assert once.bit_generator.state == again.bit_generator.state

    def test_samples_take_every_choice_as_often_as_the_space_has_it(self, space: AnySpace) -> None:
        if space.size > ENUMERABLE:
            pytest.skip(f"{space.size} architectures are too many to count choices in")
        draws = 2000
        everything = [space.to_decisions(architecture) for architecture in space.enumerate()]
        drawn = [space.to_decisions(sample) for sample in _sample(space, draws, seed=7)]
        for decision, choices in enumerate(space.decisions):
            share = _shares(everything, decision, choices)
            deviation = np.sqrt(share * (1 - share) / draws)
            # Six standard deviations: a correct sampler fails once in some hundred million.
            assert (np.abs(_shares(drawn, decision, choices) - share) <= 6 * deviation).all()

    def test_mutation_gives_a_neighbour(self, space: AnySpace, architectures: list[Any]) -> None:
        rng = np.random.default_rng(11)
        assert space.mutations
        for architecture in architectures[:10]:
            near = set(space.neighbours(architecture))
            for name in space.mutations:
                children = {space.mutate(architecture, rng, distribution=name) for _ in range(20)}
                assert children <= near
                assert len(children) > 1 or len(near) == 1

    def test_unknown_mutation_is_refused(self, space: AnySpace, architectures: list[Any]) -> None:
        with pytest.raises(UnknownName):
            space.mutate(architectures[0], np.random.default_rng(0), distribution="no such one")

    def test_crossover_takes_each_decision_from_a_parent(
        self, space: AnySpace, architectures: list[Any]
    ) -> None:
        rng = np.random.default_rng(13)
        for first, second in pairwise(architectures):
            assert space.crossover(first, first, rng) == first
            parents = (space.to_decisions(first), space.to_decisions(second))
            child = space.to_decisions(space.crossover(first, second, rng))
            assert all(mine in theirs for mine, *theirs in zip(child, *parents, strict=True))

    # -- neighbours, enumeration, canonical form

    def test_neighbours_differ_in_one_decision(
        self, space: AnySpace, architectures: list[Any]
    ) -> None:
        for architecture in architectures:
            near = space.neighbours(architecture)
            assert len(set(near)) == len(near)
            choices = space.to_decisions(architecture)
            for other in near:
                differing = zip(choices, space.to_decisions(other), strict=True)
                assert sum(mine != theirs for mine, theirs in differing) == 1

    def test_neighbours_are_mutual_and_in_a_fixed_order(
        self, space: AnySpace, architectures: list[Any]
    ) -> None:
        for architecture in architectures[:5]:
            near = list(space.neighbours(architecture))
            assert list(space.neighbours(architecture)) == near
            assert all(architecture in space.neighbours(other) for other in near)

    def test_enumerate_gives_every_architecture_once(self, space: AnySpace) -> None:
        if space.size > ENUMERABLE:
            pytest.skip(f"{space.size} architectures are too many to enumerate")
        everything = list(space.enumerate())
        assert len(everything) == space.size
        assert len(set(everything)) == space.size
        assert len({space.key(architecture) for architecture in everything}) == space.size
        assert len({space.format(architecture) for architecture in everything}) == space.size
        assert set(_sample(space, 200, seed=17)) <= set(everything)
        assert list(islice(space.enumerate(), 50)) == everything[:50]

    def test_canonical_is_a_hashable_function_of_the_value(
        self, space: AnySpace, architectures: list[Any]
    ) -> None:
        for architecture in architectures:
            canonical = space.canonical(architecture)
            assert isinstance(canonical, Hashable)
            assert space.canonical(space.parse(space.format(architecture))) == canonical

    # -- networks

    def test_networks_classify_a_batch(
        self, space: AnySpace, architectures: list[Any], shape: NetworkShape
    ) -> None:
        size = (2, shape.in_channels, shape.resolution, shape.resolution)
        images = torch.rand(size, generator=torch.Generator().manual_seed(0))
        for architecture in architectures[:5]:
            logits = space.build(architecture, shape)(images)
            assert logits.shape == (2, shape.classes)
            assert logits.isfinite().all()

    def test_networks_start_from_torchs_generator(
        self, space: AnySpace, architectures: list[Any], shape: NetworkShape
    ) -> None:
        weights = []
        for seed in (1, 1, 2):
            with torch_seeded(seed):
                network = space.build(architectures[0], shape)
            weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])


def _sample(space: AnySpace, count: int, *, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


def _shares(chosen: Sequence[tuple[int, ...]], decision: int, choices: int) -> Any:
    """The frequency of each choice of a decision, shape (choices,), adding up to 1."""
    taken = [row[decision] for row in chosen]
    return np.bincount(taken, minlength=choices) / len(taken)
