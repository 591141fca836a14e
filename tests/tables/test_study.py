"""The study of a table: its numbers by hand, its sentences by its numbers, its page as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapters.spaces.nas_bench_201 import SPACE
from harness.cli import run
from harness.spaces import Epochs
from harness.tables import catalog
from harness.tables.manifest import TableInfo
from harness.tables.study import Place, agreement, share_of_ties, study
from harness.tables.table import BenchmarkTable
from harness.tables.writer import TableWriter
from leaderboards.studies.table_page import conclusions, page
from leaderboards.studies.table_picture import panels

CELLS = list(SPACE.enumerate())[:300]


def make(
    name: str, noise: float, *, places: dict[tuple[str, str], tuple[int, ...]], seeds: int = 3
) -> BenchmarkTable:
    """Architecture i has accuracy i / 4 and noise by seed; epochs of a 4-epoch schedule."""
    rng = np.random.default_rng(1)
    info = TableInfo(name, "made up", "1", "none", "Made up.")
    folder = catalog.imported(name)
    with TableWriter(folder, space=SPACE, info=info, architectures=CELLS) as writer:
        for (dataset, split), epochs in places.items():
            for seed in range(seeds):
                block = writer.block(
                    metric="accuracy", dataset=dataset, split=split, schedule=4, epochs=epochs,
                    seed=seed, dtype=np.float64,
                )  # fmt: skip
                for row, epoch in zip(block, epochs, strict=True):
                    row[:] = np.arange(300) / 4 * epoch / 4 + rng.normal(0, noise, 300)
        return BenchmarkTable.open(writer.finish(), SPACE)


@pytest.fixture
def table() -> BenchmarkTable:
    places = {("toy", "valid"): (1, 2, 3, 4), ("toy", "test"): (4,)}
    return make("toys", 1.0, places=places)


@pytest.fixture
def other() -> BenchmarkTable:
    return make("nas-bench-201", 0.0, places={("real", "x-test"): (4,)}, seeds=1)


def test_agreement_by_hand() -> None:
    truth = np.array([1.0, 2.0, 3.0, 4.0, np.nan])
    found = agreement(("a", np.array([1.0, 2.0, 4.0, 3.0, 5.0])), ("b", truth))
    assert found is not None
    assert (found.n, found.n_better_half, found.columns) == (4, 2, 1)
    assert found.tau == pytest.approx(4 / 6)
    assert found.tau_better_half == pytest.approx(-1.0)
    assert found.precision == {}
    both = agreement(("a", np.array([[1.0, 2, 4, 3, 5], [1, 2, 3, 4, 5]])), ("b", truth))
    assert both is not None
    assert both.tau == pytest.approx((4 / 6 + 1) / 2)
    assert agreement(("a", np.full(5, np.nan)), ("b", truth)) is None


@pytest.mark.parametrize(
    ("values", "share"),
    [([1, 2, 3], 0.0), ([1, 1, 2], 1 / 3), ([5, 5, 5], 1.0), ([1], 0.0)],
)
def test_share_of_ties(values: list[float], share: float) -> None:
    assert share_of_ties(np.array(values)) == pytest.approx(share)


def test_the_numbers_of_a_table(table: BenchmarkTable, other: BenchmarkTable) -> None:
    found = study(table, [other])
    final = Epochs(4, 4)
    assert [spread.place for spread in found.spreads] == [
        Place("toy", "test", final),
        Place("toy", "valid", final),
    ]
    spread = found.spreads[0]
    assert (spread.n, spread.seeds, spread.ties) == (300, 3, 0.0)
    assert spread.seed_sd == pytest.approx(0.83, abs=0.08)  # the median sd of three normals
    assert spread.best_range == pytest.approx(0.75, abs=0.75)
    assert spread.quantiles[3] == pytest.approx(149.5 / 4, abs=0.5)
    assert [len(ceiling.pairs) for _, ceiling in found.ceilings] == [3, 3]
    assert [one.first for one in found.validation] == [
        "toy/valid 4/4, mean",
        "toy/valid 4/4, one seed",
    ]
    mean, single = (one.tau or 0 for one in found.validation)
    assert mean > single > 0.95
    taus = [one.tau or 0 for one in found.epochs]
    assert len(taus) == 4
    assert taus == sorted(taus)
    assert {one.second for one in found.others} == {"real/x-test 4/4 of nas-bench-201"}
    assert all(one.precision[10] > 0.5 and 100 not in one.precision for one in found.others)


def test_sentences_follow_from_the_numbers() -> None:
    places = {("toy", "test"): (4,)}
    noisy = list(conclusions(study(make("noisy", 5.0, places=places), [])))
    quiet = list(conclusions(study(make("quiet", 0.01, places=places), [])))
    single = list(conclusions(study(make("single", 0.0, places=places, seeds=1), [])))
    assert any("no two of them can be told apart" in sentence for sentence in noisy)
    assert any("only those further apart can be told" in sentence for sentence in quiet)
    assert any("the noise is unknown, the table holds 1 seed(s)" in s for s in single)
    assert "No other table of the space was available" in single[-1]


def test_page_counts_everything(table: BenchmarkTable, other: BenchmarkTable) -> None:
    text = page(study(table, [other]), command="harness x", picture="p.png")
    assert text.count("\n## ") == 6
    assert "![Distribution and agreement](p.png)" in text
    assert table.checksum in text
    assert "nan" not in text
    rows = [line for line in text.splitlines() if line.startswith("| toy")]
    assert len(rows) == 2 + 8 + 2 + 4 + 2
    assert all("300" in row for row in rows if "mean of the pairs" not in row)


def test_picture_shows_every_other_table(table: BenchmarkTable, other: BenchmarkTable) -> None:
    shown = panels(table, [other])
    assert [(panel.x_label, panel.y_label) for panel in shown] == [
        ("toy/test 4/4, percent", "architectures"),
        ("toy/test 4/4, one seed", "another seed"),
        ("toy/test 4/4", "real/x-test 4/4"),
    ]
    assert all(len(panel.x) == 300 for panel in shown)


@pytest.mark.usefixtures("table", "other")
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tables", "study", "toys"]) == 0
    assert "real/x-test 4/4 of nas-bench-201" in capsys.readouterr().out
    file = tmp_path / "new" / "toys.md"
    assert run(["tables", "study", "toys", "--output", str(file)]) == 0
    assert f"harness tables study toys --output {file.as_posix()}" in file.read_text("utf-8")
    assert "](toys.png)" in file.read_text("utf-8")
    assert file.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert run(["tables", "study", "toys", "--output", "x.html"]) == 1
    assert "its file ends in .md" in capsys.readouterr().err
    assert run(["tables", "study", "toys", "--against", "toy"]) == 1
    assert "unknown table 'toy'; did you mean 'toys'" in capsys.readouterr().err
