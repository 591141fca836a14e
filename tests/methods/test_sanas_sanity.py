"""The sanity check of saliency maps, their pictures, and the command that draws both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.stats import spearmanr

from adapters.diagnoses import saliency as command
from adapters.diagnoses.saliency_pictures import heat_column, image_column, table
from adapters.diagnoses.saliency_sanity import NOTHING, cascade, layers, rank_correlations
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.sanas import methods
from adapters.trainers.sanas.maps import Pixels
from adapters.trainers.sanas.trainer import SanasTrainer
from harness.conformance.toy_supernet import toy_dataset
from harness.errors import HarnessError
from harness.records.spec import RunSpec
from harness.supernets.data import Batch, SupernetData
from tests.methods.trainings import CPU, SMALL, made, run_epoch

STEADY = {"start": "zero", "target": "label", "step_size": 1e-3}
"""Maps without randomness."""


def some() -> Batch:
    split = SupernetData.of(toy_dataset(), SMALL, CPU).valid
    return Batch(split.images[:5], split.labels[:5])


def trained() -> SanasTrainer:
    trainer: SanasTrainer = made(methods.DARTS, settings=STEADY)
    run_epoch(trainer, 0)
    return trainer


def test_layers_are_lost_from_the_top_and_come_back() -> None:
    trainer = trained()
    before = {name: each.clone() for name, each in trainer.supernet.state_dict().items()}
    found = cascade(trainer, some(), torch.Generator().manual_seed(0), starts=1)
    assert [each.layer for each in found] == [NOTHING, "head", "cells.1", "cells.0", "stem"]
    assert found[0].correlations == pytest.approx(np.ones(5))
    assert all((each.correlations < 0.999).all() for each in found[1:])
    after = trainer.supernet.state_dict()
    assert all(torch.equal(values, after[name]) for name, values in before.items())
    assert trainer.supernet.training


def test_maps_that_begin_at_random_are_not_alike_by_their_start() -> None:
    # With a bound that the step hardly moves in, the map is its start.
    settings = {"step_size": 0.0}
    trainer: SanasTrainer = made(methods.DARTS, settings=settings)
    found = cascade(trainer, some(), torch.Generator().manual_seed(0), starts=1)
    assert max(abs(each.correlations).max() for each in found) < 0.8


def test_layers_of_a_published_space() -> None:
    trainer = made(methods.DARTS, NAS_BENCH_201)
    images = torch.zeros((2, 2, 4, 4))
    batch = Batch(images, torch.zeros(2, dtype=torch.int64))
    assert layers(trainer, batch) == ["stem", "cells.0", "head"]


def test_rank_correlations_are_spearmans_of_magnitudes() -> None:
    generator = torch.Generator().manual_seed(3)
    first, second = torch.randn((2, 4, 1, 3, 3), generator=generator).unbind()
    second[3] = 0.5
    found = rank_correlations(first, second)
    for place in range(3):
        one, other = (maps[place].abs().flatten().tolist() for maps in (first, second))
        assert found[place] == pytest.approx(spearmanr(one, other).statistic)
    assert np.isnan(found[3])


def test_pictures_show_pixels_and_magnitudes() -> None:
    pixels = Pixels(torch.tensor([[[-1.0]]]), torch.tensor([[[3.0]]]))
    shown = image_column(torch.tensor([[[[-1.0, 1.0], [3.0, 9.0]]]]), pixels).pictures
    assert shown.shape == (1, 2, 2, 3)
    assert shown[0, :, :, 1].tolist() == [[0.0, 0.5], [1.0, 1.0]]
    heat = heat_column("heat", torch.tensor([[[[0.0, -2.0]], [[1.0, 2.0]]], [[[0.0, 0.0]]] * 2]))
    assert heat.pictures.tolist() == [[[0.25, 1.0]], [[0.0, 0.0]]]


def test_the_command_writes_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = trained(), some()
    monkeypatch.setattr(command, "trained_with", lambda wanted: given)
    words = ["--output", str(tmp_path / "new"), "--starts", "1"]
    result = CliRunner().invoke(command.main, words)
    assert result.exit_code == 0, result.output
    names = {each.name: each for each in (tmp_path / "new").iterdir()}
    assert set(names) == {"maps.png", "sanity.png", "sanity-maps.png", "sanity.md"}
    assert names["maps.png"].read_bytes().startswith(b"\x89PNG")
    assert names["sanity.md"].read_text() in result.output
    assert "| nothing | 1.000 | 0.000 |" in result.output


def test_a_user_error_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(wanted: object) -> tuple[SanasTrainer, Batch]:
        raise HarnessError("row darts-2 makes no saliency maps; take a row of SANAS")

    monkeypatch.setattr(command, "trained_with", refuse)
    result = CliRunner().invoke(command.main, ["--output", str(tmp_path)])
    assert (result.exit_code, result.output) == (
        1,
        "Error: row darts-2 makes no saliency maps; take a row of SANAS\n",
    )


@pytest.mark.parametrize(
    ("suite", "row"), [("saliency", "darts-2"), ("nas-bench-201", "random-search")]
)
def test_a_row_that_makes_no_maps_is_refused_before_it_is_trained(
    suite: str, row: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(command, "trained_for")
    words = ["--suite", suite, "--row", row, "--output", str(tmp_path)]
    result = CliRunner().invoke(command.main, words)
    assert (result.exit_code, result.output) == (
        1,
        f"Error: row {row} makes no saliency maps; take a row of SANAS\n",
    )


def test_any_task_of_a_suite_can_be_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def noted(spec: RunSpec, workshop: object) -> None:
        asked.append(spec.space)
        raise HarnessError("that is all")

    monkeypatch.setattr(command, "trained_for", noted)
    words = ["--suite", "robustness", "--output", str(tmp_path)]
    for task in ([], ["--task", "s3 digits"]):
        CliRunner().invoke(command.main, [*words, *task])
    assert asked == ["s1", "s3"]
    result = CliRunner().invoke(command.main, [*words, "--task", "s5"])
    assert result.output.startswith("Error: unknown task of suite robustness 's5'")


def test_a_table_tells_each_layer() -> None:
    trainer = trained()
    found = cascade(trainer, some(), torch.Generator().manual_seed(0), starts=1)
    lines = table(found).splitlines()
    assert len(lines) == 2 + len(found)
    assert lines[3].startswith("| head |")
