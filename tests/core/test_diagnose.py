"""`harness diagnose`: whose supernet is looked at, what is found, printed and written."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from harness.diagnoses.discretisation import discretised
from harness.diagnoses.row import CONVERGENCE, Diagnosed, Wanted, opened, planned
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.suites.suite import load
from harness.supernets import training
from harness.supernets.agreement import mean_tau, taus
from harness.supernets.hessian import dominant_eigenvalue
from harness.tables import answers
from harness.tables.catalog import open_table
from tests.core.supernet_suites import (
    CELLS,
    TRAINED,
    artefacts,
    give,
    method,
    one_line,
    run,
    write,
)

ROWS = (
    method("darts"),
    method("darts-pt", label='"quick"', settings="{ alpha_learning_rate = 0.1 }"),
    method("single-path+sampling"),
)
SEARCHES = """
[[benchmark]]
space = "nas-bench-201"
table = "nas-bench-201-digits"
protocol = "nas-bench-201-digits"
"""
UNTUNED = {"tuning_epochs": 0, "batch_statistics": True}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return write(tmp_path, *ROWS, method("random-search"), supernets=CELLS + TRAINED + SEARCHES)


def spec_of(suite: Path, row: str, **settings: object) -> RunSpec:
    wanted = Wanted(load(str(suite)), "laptop", row, seed=0, task="cells")
    return planned(wanted, settings, open_table, Workshop())


def looked_into(suite: Path, row: str, **settings: object) -> Diagnosed:
    return opened(spec_of(suite, row, **settings), open_table, Workshop())


def diagnose(name: str, suite: Path, *more: object) -> int:
    shared = ("--suite", suite, "--row", "darts", "--task", "cells")
    return give("diagnose", name, *shared, *more)


def read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as opened_file:
        return list(csv.DictReader(opened_file))


# -- whose supernet


def test_it_is_the_supernet_that_the_run_has_trained(
    suite: Path, tmp_path: Path, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = run(suite, tmp_path / "runs.sqlite", "--tasks", "cells", "--methods", "darts,quick")
    with monkeypatch.context() as patch:
        patch.setattr(training, "_train", None)
        found = {row: looked_into(suite, row) for row in ("darts", "quick")}
    for row, diagnosed in found.items():
        assert diagnosed.trained.fresh_epochs == 0
        assert diagnosed.trained.recipe.identity == records[f"{row} cells"].details["supernet"]
    assert len(artefacts(private_home, "supernets")) == 2


def test_a_supernet_that_is_not_there_is_trained_and_kept_for_the_run(
    suite: Path, tmp_path: Path
) -> None:
    assert looked_into(suite, "darts").trained.fresh_epochs == 3
    records = run(suite, tmp_path / "runs.sqlite", "--tasks", "cells", "--methods", "darts")
    assert records["darts cells"].metrics["fresh-supernet-epochs"] == 0


def test_the_settings_of_the_protocol_and_of_the_command_reach_the_diagnosis(suite: Path) -> None:
    selector = spec_of(suite, "quick", edges=2).settings["selector"]
    assert (selector["tuning_epochs"], selector["edges"]) == (1, 2)
    assert spec_of(suite, "quick").settings["trainer"]["alpha_learning_rate"] == 0.1
    assert spec_of(suite, "quick", tuning_epochs=7).settings["selector"]["tuning_epochs"] == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--row", "dart"), "unknown row of suite tiny 'dart'; did you mean 'darts'"),
        (("--row", "random-search"), "random-search searches in a table and trains no supernet"),
        (("--row", "darts"), "row darts has several tasks; pick one with --task: 'cells', 'train"),
        (("--row", "darts", "--task", "cell"), "unknown task of suite tiny 'cell'; did you mean"),
        (("--row", "darts", "--profile", "paper"), "takes part in profile paper"),
        (("--row", "darts", "--device", "cudda"), "device 'cudda' cannot be used here"),
        (
            ("--row", "single-path+sampling", "--task", "cells"),
            "single-path has no architecture parameters",
        ),
    ],
)
def test_what_cannot_be_looked_into_is_one_line(
    options: tuple[str, ...], message: str, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "paper" in options:
        suite.write_text(
            suite.read_text("utf-8").replace("[[supernet]]", '[[supernet]]\nprofiles = ["laptop"]')
            + '\n[profile.paper]\nseeds = "0"\n',
            "utf-8",
        )
    assert give("diagnose", "curvature", "--suite", suite, *options) == 1
    one_line(capsys.readouterr().err, message)


# -- what is found


def test_discretisation_has_the_scores_of_the_trainer_beside_those_of_the_selector(
    suite: Path,
) -> None:
    from adapters.selectors import convergence

    found = discretised(looked_into(suite, "darts", **UNTUNED))
    fresh = looked_into(suite, "darts", **UNTUNED)
    (scores,) = fresh.supernet.trainer.scores()
    settings = convergence.ConvergenceSettings(**fresh.spec.settings["selector"])
    (accuracies,) = convergence.select(fresh.supernet, settings).scores
    assert [edge.name for edge in found] == list(fresh.supernet.space.choice_groups[0].rows)
    assert np.array_equal(np.stack([edge.scores for edge in found]), scores)
    assert np.array_equal(np.stack([edge.accuracies for edge in found]), accuracies)
    assert len(set(accuracies.ravel().tolist())) > 3
    (expected,) = taus([np.asarray(scores)], [accuracies])
    assert np.array_equal([edge.tau_of_scores for edge in found], expected, equal_nan=True)


def test_discretisation_has_the_best_of_the_table_with_each_operation(suite: Path) -> None:
    edges = discretised(looked_into(suite, "darts", **UNTUNED, edges=1))
    assert len(edges) == 1
    (edge,) = edges
    table = open_table("nas-bench-201-digits")
    answer = spec_of(suite, "darts").task.answers[0]
    cells = list(table.architectures())
    values = answers.values(table, answer, table.rows([table.space.parse(cell) for cell in cells]))
    for operation, best in zip(edge.candidates, edge.best, strict=True):
        source = edge.name.split("<-")[1]
        node = int(edge.name.split("<-")[0]) - 1
        held = [f"{operation}~{source}" in cell.split("+")[node] for cell in cells]
        assert best == pytest.approx(values[held].max())
    assert -1 <= edge.tau_of_scores_with_best <= 1
    (expected,) = taus([edge.accuracies[None]], [edge.best[None]])
    assert edge.tau_of_accuracies_with_best == expected[0]


def test_without_a_table_nothing_is_said_of_it(suite: Path) -> None:
    wanted = Wanted(load(str(suite)), "laptop", "darts", seed=0, task="trained")
    spec = planned(wanted, {**UNTUNED, "edges": 2}, open_table, Workshop())
    edges = discretised(opened(spec, open_table, Workshop()))
    assert len(edges) == 2
    assert all(np.isnan(edge.best).all() for edge in edges)
    assert all(np.isnan(edge.tau_of_scores_with_best) for edge in edges)
    assert all(np.isfinite(edge.accuracies).all() for edge in edges)


# -- what is printed and written


def test_discretisation_is_printed_and_written_with_a_picture(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "folder"
    options = ("--edges", 2, "--tuning-epochs", 0, "--output", folder)
    assert diagnose("discretisation", suite, *options) == 0
    captured = capsys.readouterr()
    assert "row darts, task cells, seed 0: supernet of nas-bench-201 trained by darts" in " ".join(
        captured.out.split()
    )
    names = ["discretisation.md", "discretisation.csv", "discretisation.png"]
    assert captured.err.splitlines() == [f"wrote {folder / name}" for name in names]
    assert (folder / names[2]).read_bytes().startswith(b"\x89PNG")
    rows = read(folder / names[1])
    assert len(rows) == 2 * 5
    by_edge = {row["edge"]: float(row["tau"]) for row in rows if row["tau"]}
    page = (folder / names[0]).read_text("utf-8")
    assert page.count("## ") == 2
    mean = mean_tau([np.array(list(by_edge.values()))])
    assert mean is not None
    assert f"{mean:.3f}" in next(line for line in page.splitlines() if line.startswith("| mean"))


def test_shuffling_gives_the_numbers_that_it_prints_again(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = []
    for name in ("one", "two"):
        options = ("--shuffles", 3, "--output", tmp_path / name)
        assert diagnose("shuffling", suite, *options) == 0
        written.append((tmp_path / name / "shuffling.csv").read_text("utf-8"))
    assert written[0] == written[1]
    before, *after = (float(row["accuracy"]) for row in read(tmp_path / "one" / "shuffling.csv"))
    assert len(after) == 3
    printed = " ".join(capsys.readouterr().out.split())
    deviation = np.std(after, ddof=1)
    assert (
        f"{before:.2f} % before, {np.mean(after):.2f} ± {deviation:.2f} % over 3 shuffles"
        in printed
    )
    assert diagnose("shuffling", suite, "--shuffles", 1, "--running-statistics") == 0
    assert f"{before:.2f} % before" not in " ".join(capsys.readouterr().out.split())


def test_curvature_is_that_of_the_trained_supernet_and_what_was_noted_before(
    suite: Path, tmp_path: Path
) -> None:
    protocol = tmp_path / "looked-up.toml"
    text = protocol.read_text("utf-8")
    protocol.write_text(text.replace("[frame]", "[frame]\nhessian_every = 2"), "utf-8")
    assert diagnose("curvature", suite, "--output", tmp_path) == 0
    rows = read(tmp_path / "curvature.csv")
    found = looked_into(suite, "darts")
    noted = [value for value in found.trained.log.eigenvalue if not np.isnan(value)]
    values = [float(row["eigenvalue"]) for row in rows]
    assert values[:-1] == pytest.approx(noted, abs=1e-8)
    assert noted
    end = dominant_eigenvalue(found.supernet.trainer, found.supernet.data)
    assert values[-1] == pytest.approx(end, abs=1e-8)
    assert rows[-1]["epoch"] == "3"


def test_the_selector_that_discretises_is_registered() -> None:
    from harness import registry

    assert CONVERGENCE in registry.names("selectors")
