"""IT-NAS: the transformer of an edge, what becomes of its attention, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adapters.selectors import indicator, magnitude, perturbation
from adapters.spaces.darts import DARTS, S3, S4
from adapters.spaces.nas_bench_1shot1 import SPACE_1
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.differentiable import darts
from adapters.trainers.it_nas import trainer
from adapters.trainers.it_nas.importance import latest, selected, transformers
from adapters.trainers.it_nas.lite_transformer import LiteTransformer
from adapters.trainers.it_nas.settings import ItNasSettings
from harness.conformance.toy_supernet import TOY_FRAME, TOY_SHAPE, ToySpace, train_toy
from harness.errors import HarnessError, NotApplicable
from harness.randomness.on_torch import torch_seeded
from harness.settings import make_settings
from harness.supernets.copies import SupernetCopy
from harness.supernets.spaces import AnySupernetSpace, EdgeSite, SupernetOptions
from tests.methods.trainings import SMALL, Trains, assert_same, made, run_epoch, train

__all__ = ["train"]

SITE = EdgeSite(0, "cell", 1, ("none", "skip_connect", "conv_1x1"), channels=6, resolution=4)
EVERY = [
    {},
    {"token": "project", "token_width": 5},
    {"returned": "mean"},
    {"returned": "output-vector", "norm": "pre"},
    {"residual": False, "position": "none"},
    {"token": "project", "norm": "pre", "position": "sinusoidal", "none": "drop"},
]


def edge(columns: tuple[int, ...] = (0, 1, 2), **settings: Any) -> LiteTransformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LiteTransformer(SITE, ItNasSettings(**settings), columns)


def maps(count: int = 3, batch: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [3 * torch.randn(batch, 6, 4, 4, generator=generator) for _ in range(count)]


@pytest.mark.parametrize("settings", EVERY, ids=str)
def test_a_row_of_attention_sums_to_one_with_the_indicator(settings: dict[str, Any]) -> None:
    joined = edge(**settings)
    given = maps()
    mixed = joined(given, torch.ones(3))
    assert mixed.shape == given[0].shape
    assert joined.last is not None
    assert joined.last.shape == (2, 4)
    assert torch.allclose(joined.last.sum(1), torch.ones(2))
    assert joined.last[:, 1:].sum() < 2


@pytest.mark.parametrize("token", ["pool", "project"])
def test_the_attention_is_that_of_eq_4(token: str) -> None:
    joined = edge(token=token, token_width=5, residual=False)
    given = maps()
    mixed = joined(given, torch.ones(3))
    with torch.no_grad():
        joined.position.copy_(torch.randn(joined.position.shape))
    mixed = joined(given, torch.ones(3))
    for image in range(2):
        tokens: list[Tensor] = [joined.indicator]
        for each in given:
            whole = each[image]
            if token == "project":
                tokens.append(joined.embed.get_submodule("linear")(whole.flatten()))
            else:
                tokens.append(whole.mean((1, 2)))
        x = torch.stack(tokens) + joined.position
        asked = joined.query(x[0])
        products = torch.stack([asked @ joined.key(one) for one in x]) / len(asked) ** 0.5
        row = products.exp() / products.exp().sum()
        assert joined.last is not None
        assert torch.allclose(joined.last[image], row, atol=1e-6)
        expected = sum(row[1 + place] * each[image] for place, each in enumerate(given))
        assert torch.allclose(mixed[image], expected, atol=1e-5)


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("returned", ["weighted", "mean", "output-vector"])
def test_what_goes_on_by_hand(returned: str, norm: str) -> None:
    joined = edge(returned=returned, norm=norm, feed_forward=3)
    encoder = joined.encoder
    assert encoder is not None
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in joined.parameters():
            parameter.normal_(generator=generator)
    given = maps()
    mixed = joined(given, torch.ones(3))
    tokens = joined.tokens(given)
    # Norms behind the sums, or before the layers.
    seen = tokens if joined.first_norm is None else joined.first_norm(tokens)
    assert (joined.first_norm is None) is (norm == "post")
    products = joined.query(seen) @ joined.key(seen).transpose(1, 2) / 6**0.5
    rows = products.softmax(dim=-1)
    x = tokens + rows @ encoder.value(seen)
    hidden, activation, out = encoder.feed_forward
    assert hidden.weight.shape == (3 * 6, 6)
    if norm == "post":
        assert encoder.attention_norm is not None
        x = encoder.attention_norm(x)
        x = encoder.feed_forward_norm(x + out(activation(hidden(x))))
    else:
        x = x + out(activation(hidden(encoder.feed_forward_norm(x))))
    shares = rows[:, 0, 1:] if returned == "weighted" else torch.full((2, 3), 1 / 3)
    told = x[:, 1:].mean(1) if returned == "mean" else x[:, 0]
    expected = (torch.stack(given, dim=1) * shares[:, :, None, None, None]).sum(1)
    expected = expected + encoder.back(told)[:, :, None, None]
    torch.testing.assert_close(mixed, expected, rtol=1e-4, atol=1e-4)


def test_equal_tokens_get_equal_attention() -> None:
    joined = edge()
    one = maps(1)[0]
    joined([one, one, one], torch.ones(3))
    assert joined.last is not None
    assert torch.allclose(joined.last[:, 1:], joined.last[:, 1:2].expand(-1, 3))
    assert not torch.allclose(joined.last[:, 0], joined.last[:, 1])


@pytest.mark.parametrize("settings", EVERY[:5], ids=str)
def test_with_positions_of_zero_the_order_of_candidates_does_not_count(
    settings: dict[str, Any],
) -> None:
    joined = edge(**settings)
    given = maps()
    mixed = joined(given, torch.ones(3))
    row = joined.last
    turned = joined([given[2], given[0], given[1]], torch.ones(3))
    assert row is not None
    assert joined.last is not None
    assert torch.allclose(joined.last, row[:, [0, 3, 1, 2]], atol=1e-6)
    assert torch.allclose(turned, mixed, atol=1e-5)


def test_with_other_positions_it_does() -> None:
    joined = edge(position="sinusoidal")
    given = maps()
    assert not torch.allclose(
        joined(given, torch.ones(3)), joined(given[::-1], torch.ones(3)), atol=1e-4
    )


@pytest.mark.parametrize("settings", EVERY, ids=str)
def test_a_gradient_reaches_every_parameter(settings: dict[str, Any]) -> None:
    joined = edge(**settings)
    (joined(maps(), torch.ones(3)) * maps(1)[0]).sum().backward()
    for name, parameter in joined.named_parameters():
        assert parameter.grad is not None, name
        # The softmax does not see what all keys have in common.
        if name != "key.bias":
            assert parameter.grad.abs().max() > 0, name


def test_a_candidate_of_weight_zero_is_no_token() -> None:
    joined = edge(position="none")
    given = maps()
    mixed = joined(given, torch.tensor([1.0, 0.0, 1.0]))
    row = joined.last
    fewer = edge((0, 2), position="none")
    assert torch.allclose(fewer(given, torch.ones(3)), mixed, atol=1e-6)
    assert row is not None
    assert fewer.last is not None
    assert row[:, 2].tolist() == [0.0, 0.0]
    assert torch.allclose(fewer.last, row[:, [0, 1, 3]], atol=1e-6)


@pytest.mark.parametrize(
    ("space", "none", "tokens"),
    [
        (NAS_BENCH_201, "auto", 5),
        (NAS_BENCH_201, "drop", 4),
        (DARTS, "auto", 7),
        (DARTS, "keep", 8),
        (S3, "auto", 2),
        (S3, "keep", 3),
        (S4, "auto", 2),
        (SPACE_1, "auto", 3),
    ],
)
def test_none_has_a_token_where_it_can_be_chosen(
    space: AnySupernetSpace, none: str, tokens: int
) -> None:
    asked = trainer.options(space, ItNasSettings(none=none))
    group = space.choice_groups[0]
    site = EdgeSite(0, group.name, 0, group.candidates[0], channels=4, resolution=8)
    assert asked.combiner is not None
    made_edge = asked.combiner(site)
    assert isinstance(made_edge, LiteTransformer)
    assert len(made_edge.columns) == tokens


@pytest.mark.parametrize("space", [NAS_BENCH_201, DARTS, S3, S4, SPACE_1], ids=lambda s: s.name)
def test_it_trains_every_space_and_the_indicator_selects(
    train: Trains, space: AnySupernetSpace
) -> None:
    frame = replace(SMALL, epochs=1, batch=32)
    trained = train(trainer.TRAINER, space, frame)
    given = as_given(trained)
    found = indicator.select(given, indicator.IndicatorSettings(subsets=3))
    assert space.parse(space.format(found.architecture)) == found.architecture
    for group, rows in zip(space.choice_groups, found.scores, strict=True):
        assert rows.shape == group.shape
    share = 1 - found.costs["attention-to-itself"]
    # One cell: DARTS's spaces have no other kind of it in this supernet.
    there = {part.site.group for part in transformers(trained.supernet)}
    sums = [
        np.nansum(rows, axis=1).mean()
        for group, rows in zip(space.choice_groups, found.scores, strict=True)
        if group.name in there
    ]
    assert 0.5 < share < 1
    assert np.mean(sums) == pytest.approx(share)
    assert found.costs["least-margin"] >= 0


def as_given(trained: Any) -> SupernetCopy:
    toy = train_toy(darts.TRAINER, seed=0, frame=replace(TOY_FRAME, epochs=1))
    return SupernetCopy(trained.trainer, toy.data, toy.streams)


def test_the_importance_is_the_mean_over_images_and_cells_by_hand() -> None:
    given = train_toy(trainer.TRAINER, seed=0)
    found = indicator.select(given, indicator.IndicatorSettings())
    edges = [part for part in given.supernet.modules() if isinstance(part, LiteTransformer)]
    assert [(part.site.cell, part.site.row) for part in edges] == [
        (cell, row) for cell in range(2) for row in range(3)
    ]
    supernet = given.supernet.eval()
    images = given.data.valid.normalised(torch.arange(len(given.data.valid.labels)))
    rows: dict[int, list[np.ndarray[Any, Any]]] = {0: [], 1: [], 2: []}
    with torch.no_grad():
        for image in images:
            supernet(image[None], given.trainer.settled_mixture())
            for part in edges:
                assert part.last is not None
                rows[part.site.row].append(part.last[0, 1:].double().numpy())
    expected = np.array([np.mean(rows[row], axis=0) for row in range(3)])
    assert found.scores[0] == pytest.approx(expected, abs=1e-6)
    assert found.architecture == tuple(expected.argmax(1))


def test_the_second_pass_is_in_double_precision_and_in_evaluation_mode() -> None:
    given = train_toy(trainer.TRAINER, seed=0)
    seen = []
    forward = given.supernet.forward

    def watched(images: Tensor, mixture: Any) -> Tensor:
        norms = [part for part in given.supernet.modules() if isinstance(part, nn.BatchNorm2d)]
        assert norms
        seen.append((images.dtype, {norm.training for norm in norms}, given.supernet.training))
        logits: Tensor = forward(images, mixture)
        return logits

    given.supernet.forward = watched  # type: ignore[method-assign]
    for batch_statistics in (False, True):
        seen.clear()
        settings = indicator.IndicatorSettings(batch_statistics=batch_statistics)
        indicator.select(given, settings)
        half = len(seen) // 2
        assert {each[0] for each in seen[:half]} == {torch.float32}
        assert {each[0] for each in seen[half:]} == {torch.float64}
        assert all(each[1:] == ({batch_statistics}, False) for each in seen)


def test_selecting_leaves_the_supernet_as_it_was() -> None:
    given = train_toy(trainer.TRAINER, seed=0)
    before = {name: value.clone() for name, value in given.supernet.state_dict().items()}
    indicator.select(given, indicator.IndicatorSettings())
    for name, value in given.supernet.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert given.supernet.training


def test_near_ties_are_told_and_wide_margins_too(monkeypatch: pytest.MonkeyPatch) -> None:
    given = train_toy(trainer.TRAINER, seed=0)
    noise = np.random.default_rng(0).normal(scale=0.02, size=(128, 3, 4))
    close = np.full((128, 3, 4), 0.25) + noise
    wide = np.add(close, [0.0, 0.3, 0.0, 0.0])
    for attention, changes in ((close, True), (wide, False)):
        monkeypatch.setattr(indicator, "_measured", lambda *_, a=attention: {"cell": a})
        found = indicator.select(given, indicator.IndicatorSettings())
        assert (found.costs["changed-by-subset"] > 0) is changes
        assert (found.costs["architecture-changed-by-subset"] > 0) is changes
        assert found.costs["changed-in-double"] == 0
        assert found.costs["changed-by-order"] == 0
        assert (found.costs["least-margin"] > 0.2) is not changes


def test_an_exact_tie_falls_to_rounding() -> None:
    # Two candidates with the same hundred values in another order: equal but for rounding.
    values = np.random.default_rng(0).uniform(0.1, 0.3, size=(1000, 40))
    attention = np.stack(
        [np.full_like(values, 0.2), values, np.random.default_rng(1).permutation(values)], axis=2
    )
    assert 0.1 < indicator._changed_by_order([GROUP40], {"cell": attention}) < 0.9


GROUP40 = replace(
    ToySpace().choice_groups[0],
    rows=tuple(str(row) for row in range(40)),
    candidates=(("a", "b"),) * 40,
    targets=(1,) * 40,
)


def test_an_edge_that_a_pass_left_out_is_no_number() -> None:
    supernet = made(trainer.TRAINER).supernet
    found = transformers(supernet)
    assert latest(supernet.groups, found) == {}
    mixture = made(trainer.TRAINER).mixture()
    everything = ((0, 1, 2),) * 2
    images = torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    supernet(images, replace(mixture, active=((*everything, ()),)))
    attention = latest(supernet.groups, found)["cell"]
    assert attention.shape == (5, 3, 4)
    assert torch.allclose(attention[:, :2].sum(2), torch.ones(5, 2, dtype=torch.float64))
    assert attention[:, 2].isnan().all()


def test_rows_without_a_score_select_nothing() -> None:
    scores = np.array([[np.nan, 0.1, 0.2], [np.nan, np.nan, np.nan]])
    assert selected(scores).tolist() == [2, -1]
    other = np.array([[0.3, 0.1, 0.2], [np.nan, np.nan, np.nan]])
    assert indicator.share_changed([scores], [other]) == 0.5


@pytest.mark.parametrize("settings", [{}, EVERY[1], EVERY[3]], ids=str)
def test_a_search_that_was_cut_off_ends_the_same(train: Trains, settings: dict[str, Any]) -> None:
    whole = train(trainer.TRAINER, **settings)
    again = train(trainer.TRAINER, cut=(1, 3), **settings)
    assert_same(whole, again)
    assert np.array_equal(whole.trainer.scores()[0], again.trainer.scores()[0])


@pytest.mark.parametrize("trained_on", ["train", "valid"])
def test_inputs_of_1shot1_keep_an_alpha_that_is_trained(train: Trains, trained_on: str) -> None:
    frame = replace(SMALL, epochs=2, batch=32)
    settings = {"inputs_trained_on": trained_on, "alpha_learning_rate": 0.05}
    whole = train(trainer.TRAINER, SPACE_1, frame, **settings)
    assert len(whole.trainer.alphas()) == len(SPACE_1.choice_groups) - 1
    assert all(alpha.detach().abs().max() > 0.02 for alpha in whole.trainer.alphas())
    assert_same(whole, train(trainer.TRAINER, SPACE_1, frame, cut=(1,), **settings))


def test_scores_while_training_are_the_epochs_mean_attention() -> None:
    searching = made(trainer.TRAINER)
    assert np.all(searching.scores()[0] == 0.25)
    rows = []
    step = searching.weight_step

    def watched(given: Any) -> float:
        loss: float = step(given)
        rows.append(latest(searching.supernet.groups, transformers(searching.supernet))["cell"])
        return loss

    searching.weight_step = watched
    run_epoch(searching, 0)
    rows.clear()
    run_epoch(searching, 1)
    expected = torch.cat(rows).mean(0)[:, 1:].numpy()
    assert searching.scores()[0] == pytest.approx(expected)


def test_other_selectors_ask_its_supernet_too() -> None:
    given = train_toy(trainer.TRAINER, seed=0)
    space = given.space
    by_training = magnitude.select(given, magnitude.MagnitudeSettings())
    assert by_training.architecture == space.discretise(given.trainer.scores())
    settings = perturbation.PerturbationSettings(tuning_epochs=1)
    found = perturbation.select(given, settings)
    assert space.parse(space.format(found.architecture)) == found.architecture


def test_a_supernet_without_indicators_is_refused() -> None:
    trained = train_toy(darts.TRAINER, seed=0)
    with pytest.raises(NotApplicable, match="it-nas"):
        indicator.select(trained, indicator.IndicatorSettings())


@pytest.mark.parametrize(
    "settings", [{"token_width": 0}, {"token_width": -3}, {"feed_forward": 0}], ids=str
)
def test_layers_without_width_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(HarnessError, match="it must be 1 to"):
        made(trainer.TRAINER, settings={"token": "project", **settings})


def test_fewer_halves_than_none_are_refused() -> None:
    given = train_toy(trainer.TRAINER, seed=0)
    with pytest.raises(HarnessError, match="subsets of indicator is -1"):
        make_settings("indicator", indicator.IndicatorSettings, {"subsets": -1})
    found = indicator.select(given, indicator.IndicatorSettings(subsets=0, double=False))
    assert not {"changed-by-subset", "changed-in-double"} & set(found.costs)


def test_what_the_transformers_add_to_the_weights() -> None:
    space, shape = ToySpace(), replace(TOY_SHAPE, cells=1)
    given = trainer.options(space, ItNasSettings(residual=False))
    with torch_seeded(0):
        networks = [space.supernet(shape, each) for each in (given, SupernetOptions())]
    larger, plain = (sum(each.numel() for each in network.parameters()) for network in networks)
    width = shape.channels
    # Query and key, the indicator, and four positions, on three edges.
    assert larger - plain == 3 * (2 * (width * width + width) + width + 4 * width)


def test_a_token_of_the_whole_map_would_take_a_gibibyte_an_edge() -> None:
    def whole_map(channels: int, resolution: int) -> int:
        return (channels * resolution**2) ** 2

    assert 4 * whole_map(16, 32) == 2**30
    whole = LiteTransformer(
        EdgeSite(0, "cell", 0, ("a", "b"), channels=2, resolution=4),
        ItNasSettings(token="project", token_width=32),
        (0, 1),
    )
    assert isinstance(whole.query, nn.Linear)
    assert whole.query.weight.numel() == whole_map(2, 4)
