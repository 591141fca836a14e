"""The sanity check of saliency maps, their pictures, and the diagnosis that has both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from adapters.diagnoses import saliency
from adapters.diagnoses.saliency_pictures import heat_column, image_column
from adapters.diagnoses.saliency_sanity import NOTHING, cascade, layers, rank_correlations
from adapters.spaces.nas_bench_201 import SPACE as NAS_BENCH_201
from adapters.trainers.sanas import methods
from adapters.trainers.sanas.maps import PixelRange
from adapters.trainers.sanas.trainer import SanasTrainer
from harness.conformance.toy_supernet import toy_dataset
from harness.supernets.data import Batch, SupernetData
from tests.core.supernet_suites import artefacts, give, method, one_line, write
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
    pixels = PixelRange(torch.tensor([[[-1.0]]]), torch.tensor([[[3.0]]]))
    shown = image_column(torch.tensor([[[[-1.0, 1.0], [3.0, 9.0]]]]), pixels).pictures
    assert shown.shape == (1, 2, 2, 3)
    assert shown[0, :, :, 1].tolist() == [[0.0, 0.5], [1.0, 1.0]]
    heat = heat_column("heat", torch.tensor([[[[0.0, -2.0]], [[1.0, 2.0]]], [[[0.0, 0.0]]] * 2]))
    assert heat.pictures.tolist() == [[[0.25, 1.0]], [[0.0, 0.0]]]


def test_the_findings_are_a_table_and_three_pictures() -> None:
    found = saliency.found(trained(), some(), seed=0, starts=1)
    (table,) = found.tables
    assert [row["layer"] for row in table.rows] == [NOTHING, "head", "cells.1", "cells.0", "stem"]
    assert table.rows[0] == {
        "layer": NOTHING,
        "correlation": pytest.approx(1.0),
        "deviation": pytest.approx(0.0),
    }
    assert set(found.pictures) == {"maps", "sanity", "sanity-maps"}
    titles = {name: _titles(draw()) for name, draw in found.pictures.items()}
    assert titles["maps"] == ["image", "adversarial", "integrated\ngradients", "smoothgrad"]
    assert titles["sanity-maps"] == ["image", *(row["layer"] for row in table.rows)]


def _titles(figure: Figure) -> list[str]:
    return [title for axes in figure.axes if (title := axes.get_title())]


def test_the_seed_draws_the_maps() -> None:
    def correlations(seed: int) -> list[object]:
        trainer: SanasTrainer = made(methods.DARTS)
        (table,) = saliency.found(trainer, some(), seed=seed, starts=1).tables
        return [row["correlation"] for row in table.rows]

    assert correlations(0) == correlations(0) != correlations(1)


def test_the_images_are_the_first_of_the_validation_split() -> None:
    data = SupernetData.of(toy_dataset(), SMALL, CPU)
    batch = saliency.first_images(data, 3)
    assert torch.equal(batch.images, data.valid.images[:3])
    assert torch.equal(batch.labels, data.valid.labels[:3])


def test_the_command_examines_a_row_of_sanas(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = write(tmp_path, method("sanas"))
    folder = tmp_path / "found"
    words = ("--suite", suite, "--row", "sanas", "--images", 2, "--starts", 1, "--output", folder)
    assert give("diagnose", "saliency", *words) == 0
    assert "sanity check of saliency maps" in capsys.readouterr().out
    tables = [f"saliency.{ending}" for ending in ("md", "csv", "json")]
    pictures = [f"{name}.png" for name in ("maps", "sanity", "sanity-maps")]
    assert {each.name for each in folder.iterdir()} == {*tables, *pictures}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("darts", "row darts makes no saliency maps; take a row of SANAS"),
        ("single-path+sampling", "row single-path+sampling makes no saliency maps; take a row"),
    ],
)
def test_a_row_that_makes_no_maps_is_refused_before_it_is_trained(
    row: str,
    message: str,
    tmp_path: Path,
    private_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    suite = write(tmp_path, method(row))
    assert give("diagnose", "saliency", "--suite", suite, "--row", row) == 1
    one_line(capsys.readouterr().err, message)
    assert artefacts(private_home, "supernets") == []


@pytest.mark.parametrize("name", ["images", "starts"])
def test_of_nothing_there_are_no_maps(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = write(tmp_path, method("sanas"))
    assert give("diagnose", "saliency", "--suite", suite, "--row", "sanas", f"--{name}", 0) == 1
    one_line(capsys.readouterr().err, f"setting {name} of saliency is 0; it must be 1 to")
