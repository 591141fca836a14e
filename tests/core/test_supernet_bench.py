"""What `harness bench` says of supernets."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from harness import cli, speed_supernets
from harness.errors import HarnessError
from harness.spaces import NetworkShape
from harness.speed_supernets import SupernetBench, TrainerCost
from harness.supernets.network import Mixture

SMALL = SupernetBench(
    {
        "nas-bench-201": NetworkShape(channels=4, cells=1, in_channels=1, resolution=8, patch=2),
        "darts": NetworkShape(channels=2, cells=2, in_channels=1, resolution=4),
    }
)


def test_fused_steps_are_measured_beside_plain_ones() -> None:
    figures = speed_supernets.fused_and_plain(SMALL, repeats=2)
    values = {figure.name: figure.value for figure in figures}
    assert len(values) == 6
    for space in SMALL.shapes:
        times = values[f"fused is quicker, {space}"]
        assert times > 0
        assert all(value > 0 for value in values.values())
    assert [figure.target for figure in figures] == [None, None, 1.0] * 2


def test_different_numbers_are_no_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    from adapters.spaces.nas_bench_201.plain import PlainSupernet

    forward = PlainSupernet.forward

    def wrong(self: PlainSupernet, images: Tensor, mixture: Mixture) -> Tensor:
        return forward(self, images, mixture).flip(0)

    monkeypatch.setattr(PlainSupernet, "forward", wrong)
    with pytest.raises(HarnessError, match="different logits"):
        speed_supernets.fused_and_plain(SMALL, repeats=1)


def test_trainers_are_held_to_darts() -> None:
    said: list[str] = []
    state = torch.get_rng_state()
    costs = speed_supernets.trainer_costs(SMALL, only=("darts", "fixed-alpha"), report=said.append)
    assert torch.equal(torch.get_rng_state(), state)
    assert said == ["fixed-alpha", "darts-2"]
    found = {cost.name: cost for cost in costs}
    assert set(found) == {"darts", "fixed-alpha", "darts-2"}
    assert found["darts"].relative == 1.0
    relative = {name: cost.relative for name, cost in found.items()}
    # One pass against five.
    assert costs == sorted(costs, key=lambda cost: cost.relative or 0)
    assert (relative["fixed-alpha"] or 9) < (relative["darts-2"] or 0)


def test_a_trainer_that_is_not_defined_says_why() -> None:
    odd = NetworkShape(channels=6, cells=1, in_channels=1, resolution=8, patch=2)
    bench = SupernetBench({"nas-bench-201": odd})
    *_, last = speed_supernets.trainer_costs(bench, only=("pc-darts",))
    assert (last.name, last.step) == ("pc-darts", None)
    assert "6 channels" in last.note


def test_the_published_shapes() -> None:
    bench = SupernetBench.published(torch.device("cpu"))
    assert {(each.channels, each.resolution) for each in bench.shapes.values()} == {(16, 32)}


@pytest.mark.parametrize("as_json", [True, False])
def test_the_table_of_trainers(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = [TrainerCost("darts", 0.02, 1.0, 0.001), TrainerCost("odd", note="there is no such")]
    monkeypatch.setattr(speed_supernets, "trainer_costs", lambda *given, **named: costs)
    assert cli.run(["bench", "--trainers", *(["--json"] if as_json else [])]) == 0
    printed = capsys.readouterr().out
    if as_json:
        assert json.loads(printed)["trainers"][0]["relative"] == 1.0
    else:
        assert "there is no such" in printed
        assert "1.00" in printed


def test_a_device_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "--trainers", "--device", "abacus"]) == 1
    assert "no device 'abacus'" in capsys.readouterr().err
