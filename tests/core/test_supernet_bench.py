"""What `harness bench` says of supernets beside plain ones, and on what it measures them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness import cli
from harness.bench import supernets as speed_supernets
from harness.bench.supernets import SupernetBench
from harness.errors import HarnessError
from harness.spaces import NetworkShape
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
    from adapters.spaces.nas_bench_201.plain import PlainNasBench201Supernet

    forward = PlainNasBench201Supernet.forward

    def wrong(self: PlainNasBench201Supernet, images: Tensor, mixture: Mixture) -> Tensor:
        return forward(self, images, mixture).flip(0)

    monkeypatch.setattr(PlainNasBench201Supernet, "forward", wrong)
    with pytest.raises(HarnessError, match="different logits"):
        speed_supernets.fused_and_plain(SMALL, repeats=1)


def test_the_published_shapes() -> None:
    bench = SupernetBench.published(torch.device("cpu"))
    assert {(each.channels, each.resolution) for each in bench.shapes.values()} == {(16, 32)}


def test_a_device_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "--trainers", "--device", "abacus"]) == 1
    assert "device 'abacus' cannot be used here" in capsys.readouterr().err


def test_a_space_that_is_not_measured() -> None:
    with pytest.raises(HarnessError, match="unknown space to measure 'dart'; did you mean 'darts'"):
        SMALL.shape("dart")
