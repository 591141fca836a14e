"""The spaces of DARTS and RobustDARTS: their sizes, notation, decisions and discretisation."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.spaces.darts import (
    DARTS,
    PUBLISHED,
    S1,
    S2,
    S3,
    S4,
    DartsSpace,
    Genotype,
    published,
)
from harness.conformance.spaces import SpaceConformance
from harness.errors import BadArchitecture, HarnessError, UnknownName

SPACES = (DARTS, S1, S2, S3, S4)

V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('max_pool_3x3', 1), ('skip_connect', 2)], reduce_concat=range(2, 6))"
)


class TestConformance(SpaceConformance):
    @pytest.fixture(params=SPACES, ids=lambda space: space.name)
    def space(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    @pytest.fixture
    def bad_strings(self) -> tuple[str, ...]:
        return (
            "",
            " ",
            "Genotype()",
            "__import__('os').getcwd()",
            "\x00\n\n",
            "(" * 3000,
            "[" * 99,
        )


spaces = st.sampled_from(SPACES)


@st.composite
def genotypes(draw: st.DrawFn) -> tuple[DartsSpace, Genotype]:
    space = draw(spaces)
    return space, space.from_key(draw(st.integers(0, space.size - 1)))


# -- sizes and keys


def test_sizes() -> None:
    assert DARTS.size == 1_037_664_180**2
    assert [space.size for space in SPACES[1:]] == [46_080**2] * 4


@given(genotypes())
def test_keys_and_notation_go_both_ways(drawn: tuple[DartsSpace, Genotype]) -> None:
    space, genotype = drawn
    assert space.from_key(space.key(genotype)) == genotype
    assert space.parse(space.format(genotype)) == genotype


def test_enumeration_is_lazy_and_starts_at_key_zero() -> None:
    for space in SPACES:
        assert [space.key(each) for each in islice(space.enumerate(), 300)] == list(range(300))
    with pytest.raises(HarnessError, match="key"):
        S2.from_key(S2.size)


# -- notation


def test_published_notations_are_read() -> None:
    v2 = published("DARTS_V2")
    assert str(v2) == V2
    start = "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)"
    assert V2.startswith(start)
    unordered = "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0)" + V2[len(start) :]
    for text in (
        unordered,
        V2.replace("range(2, 6)", "[2, 3, 4, 5]"),
        V2.replace("range(2, 6)", "range(2,6)").replace("'", '"'),
        "genotype = " + V2.replace("Genotype", "genotype"),
    ):
        assert DARTS.parse(text) == v2
    assert {len(published(name).normal) for name in PUBLISHED} == {8}
    with pytest.raises(UnknownName, match="DARTS_V2"):
        published("DARTS_V3")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("('sep_conv_3x3', 0), ", "", "eight .* 7 of them"),
        ("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)", "0 to 4 are earlier"),
        ("('dil_conv_3x3', 2)", "('dil_conv_3x3', -1)", "0 to 4 are earlier"),
        ("('dil_conv_3x3', 2)", "('dil_conv_3x3', True)", "must be a pair"),
        ("('dil_conv_3x3', 2)", "('dil_conv_3x3', 0)", "reads node 0 twice"),
        ("('dil_conv_3x3', 2)", "('dil_conv_7x7', 2)", "darts allows .* dil_conv_5x5"),
        ("('dil_conv_3x3', 2)", "('none', 2)", "darts allows"),
        ("('dil_conv_3x3', 2)", "'dil_conv_3x3'", "must be a pair"),
        ("normal_concat=range(2, 6)", "normal_concat=range(3, 6)", "normal_concat must be"),
        ("normal_concat=range(2, 6)", "normal_concat=print(2, 6)", "normal_concat must be"),
        ("normal_concat=range(2, 6), ", "", "no normal_concat"),
        ("normal_concat=", "normal_conct=", "did you mean 'normal_concat'"),
        ("reduce_concat=range(2, 6))", "**{})", "one too many"),
        ("Genotype(", "Genotyp(", "is not a genotype"),
        ("reduce_concat=range(2, 6))", "reduce_concat=range(2, 6)", "is not a genotype"),
    ],
)
def test_what_is_wrong_with_a_genotype_is_said(old: str, new: str, said: str) -> None:
    assert old in V2
    with pytest.raises(BadArchitecture, match=said) as caught:
        DARTS.parse(V2.replace(old, new, 1))
    assert len(str(caught.value).splitlines()) == 1


def test_a_genotype_of_another_space_is_refused() -> None:
    with pytest.raises(BadArchitecture, match="s1 allows skip_connect or dil_conv_3x3 on the edge"):
        S1.parse(V2)
    with pytest.raises(BadArchitecture, match="s4 allows noise or sep_conv_3x3"):
        S4.parse(V2.replace("dil_conv_3x3", "sep_conv_3x3"))


@pytest.mark.parametrize("inputs", [[("skip_connect", 0)], [("skip_connect", 1)] * 8])
def test_a_genotype_that_is_none_cannot_be_made(inputs: list[tuple[str, int]]) -> None:
    with pytest.raises(ValueError, match=r"eight inputs|two earlier nodes"):
        Genotype(tuple(inputs), tuple(inputs))


# -- one function, several genotypes


def test_renumbered_nodes_are_one_function() -> None:
    normal = list(published("DARTS_V2").normal)
    # Nodes 2 and 3 read 0 and 1 alone; node 5 reads node 2.
    assert {source for _, source in normal[:4]} == {0, 1}
    first = [("max_pool_3x3", 0), ("skip_connect", 1)]
    kept = Genotype((*first, *normal[2:]), published("DARTS_V2").reduce)
    swapped = Genotype(
        (*normal[2:4], *first, *normal[4:7], ("dil_conv_3x3", 3)), published("DARTS_V2").reduce
    )
    other = Genotype((*normal[2:4], *first, *normal[4:]), published("DARTS_V2").reduce)
    assert kept != swapped
    assert DARTS.canonical(kept) == DARTS.canonical(swapped)
    assert DARTS.canonical(kept) != DARTS.canonical(other)


@given(genotypes())
def test_canonical_is_a_fixed_point(drawn: tuple[DartsSpace, Genotype]) -> None:
    space, genotype = drawn
    found = space.canonical(genotype)
    # In S1 the edges differ in what they allow, so that a renumbered genotype may leave it.
    if space in (DARTS, S2):
        assert space.canonical(space.parse(found)) == found


# -- choices


def test_groups_are_the_published_edges() -> None:
    normal, reduce = DARTS.choice_groups
    assert (normal.name, reduce.name) == ("normal", "reduce")
    assert normal.shape == (14, 8)
    assert normal.targets == (2,) * 2 + (3,) * 3 + (4,) * 4 + (5,) * 5
    assert normal.rows[:5] == ("2<-0", "2<-1", "3<-0", "3<-1", "3<-2")
    assert normal.edges_per_node == 2
    assert [space.choice_groups[0].shape[1] for space in SPACES] == [8, 2, 2, 3, 2]
    assert S1.choice_groups[0].candidates[12] == ("dil_conv_3x3", "dil_conv_5x5")
    assert S1.choice_groups[1].candidates[6] == ("max_pool_3x3", "sep_conv_3x3")


@given(genotypes())
def test_discretising_one_hot_weights_gives_the_genotype(
    drawn: tuple[DartsSpace, Genotype],
) -> None:
    space, genotype = drawn
    weights = space.one_hot(genotype)
    assert [each.shape for each in weights] == [group.shape for group in space.choice_groups]
    assert [each.sum() for each in weights] == [8.0, 8.0]
    assert space.discretise(weights) == genotype


def test_the_two_best_edges_are_kept_and_none_never_is() -> None:
    scores = np.zeros((14, 8))
    scores[:, 0] = 9.0
    scores[5:9, 4] = [0.1, 0.4, 0.2, 0.3]
    genotype = DARTS.discretise([scores, np.zeros((14, 8))])
    assert genotype.normal[4:6] == (("sep_conv_3x3", 1), ("sep_conv_3x3", 3))
    # Ties go to the first edge and the first operation.
    assert genotype.reduce == tuple(("max_pool_3x3", source) for source in (0, 1) * 4)


def test_edges_may_be_ranked_apart_and_nan_is_never_taken() -> None:
    scores = np.full((14, 2), 0.5)
    scores[:, 1] = 0.4
    scores[9, 0] = np.nan
    ranks = np.arange(14.0)
    ranks[13] = np.nan
    genotype = S2.discretise([scores, scores], [ranks, None])
    assert genotype.normal[6:] == (("skip_connect", 2), ("skip_connect", 3))
    assert genotype.reduce[6:] == (("skip_connect", 1), ("skip_connect", 2))
    scores[10:] = np.nan
    with pytest.raises(ValueError, match="node 5 of normal has 1 edges"):
        S2.discretise([scores, scores])


def test_share_of_skips() -> None:
    assert DARTS.share_of_skips(published("DARTS_V2")) == 5 / 16
