"""`harness diagnose`: whose supernet is examined, what is found, printed and written."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import registry
from harness.diagnoses.contract import Diagnosis
from harness.diagnoses.discretisation_edges import (
    CONVERGENCE,
    DiscretisationSettings,
    Edge,
    discretised,
)
from harness.diagnoses.discretisation_picture import style
from harness.diagnoses.row import Diagnosed, Wanted, common_settings, opened, planned
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.settings import filled
from harness.suites.suite import load
from harness.supernets import training
from harness.supernets.agreement import mean_tau, taus
from harness.supernets.hessian import dominant_eigenvalue
from harness.tables import answers
from harness.tables.catalog import open_table
from tests.core.distributions import install
from tests.core.supernet_suites import (
    CELLS,
    TRAINED,
    artefacts,
    give,
    method,
    one_line,
    run,
    specs,
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
UNTUNED = DiscretisationSettings(tuning_epochs=0)
ONE_EDGE = DiscretisationSettings(tuning_epochs=0, edges=1)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return write(tmp_path, *ROWS, method("random-search"), supernets=CELLS + TRAINED + SEARCHES)


def wanted(suite: Path, row: str, task: str = "cells") -> Wanted:
    return Wanted(load(str(suite)), "laptop", row, seed=0, task=task)


def spec_of(suite: Path, row: str, task: str = "cells") -> RunSpec:
    return planned(wanted(suite, row, task), open_table, Workshop())


def common_of(suite: Path, row: str) -> dict[str, Any]:
    return dict(common_settings(wanted(suite, row), spec_of(suite, row)))


def looked_into(suite: Path, row: str, task: str = "cells") -> Diagnosed:
    return opened(spec_of(suite, row, task), common_of(suite, row), open_table, Workshop())


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


def test_it_is_the_run_that_the_suite_plans(suite: Path, tmp_path: Path) -> None:
    # Of DARTS and DARTS+PT only the latter has a published frame of its own on NAS-Bench-201.
    protocol = tmp_path / "looked-up.toml"
    text = protocol.read_text("utf-8")
    protocol.write_text(f"published_frames = true\n{text}", "utf-8")
    runs = {spec.label: spec for spec in specs(suite, Workshop()) if spec.task.name == "cells"}
    found = {row: spec_of(suite, row) for row in ("darts", "quick")}
    assert {row: spec.identity for row, spec in found.items()} == {
        row: runs[row].identity for row in found
    }
    assert found["darts"].settings["frame"] != found["quick"].settings["frame"]


def test_the_settings_of_the_protocol_and_of_the_command_reach_the_diagnosis(suite: Path) -> None:
    common = common_of(suite, "quick")
    assert common == {"tuning_epochs": 1}

    def settings(**given: int) -> DiscretisationSettings:
        found: DiscretisationSettings = filled("mine", DiscretisationSettings, common, given)
        return found

    assert settings(edges=2) == DiscretisationSettings(edges=2, tuning_epochs=1)
    assert settings(tuning_epochs=7) == DiscretisationSettings(tuning_epochs=7)


def test_a_protocol_that_stands_in_for_another_gives_its_own_settings(
    suite: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    text = (tmp_path / "looked-up.toml").read_text("utf-8")
    other.write_text(text.replace("tuning_epochs = 1", "tuning_epochs = 9"), "utf-8")
    entry = CELLS.replace("looked-up", "other").replace("-digits", "")
    for_real = entry + CELLS + 'stands_in_for = "nas-bench-201"\n'
    stand_in = write(tmp_path, *ROWS, supernets=for_real)
    assert common_of(stand_in, "darts") == {"tuning_epochs": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--row", "dart"), "unknown row of suite tiny 'dart'; did you mean 'darts'"),
        (("--row", "random-search"), "random-search searches in a table and trains no supernet"),
        (("--row", "darts", "--profle", "paper"), "--profle"),
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

    found = discretised(looked_into(suite, "darts"), UNTUNED)
    fresh = looked_into(suite, "darts")
    (scores,) = fresh.supernet.trainer.scores()
    settings = convergence.ConvergenceSettings(tuning_epochs=0, batch_statistics=True)
    (accuracies,) = convergence.select(fresh.supernet, settings).scores
    assert [edge.name for edge in found] == list(fresh.supernet.space.choice_groups[0].rows)
    assert np.array_equal(np.stack([edge.scores for edge in found]), scores)
    assert np.array_equal(np.stack([edge.accuracies for edge in found]), accuracies)
    assert len(set(accuracies.ravel().tolist())) > 3
    (expected,) = taus([np.asarray(scores)], [accuracies])
    assert np.array_equal([edge.tau_of_scores for edge in found], expected, equal_nan=True)


def test_discretisation_has_the_best_of_the_table_with_each_operation(suite: Path) -> None:
    edges = discretised(looked_into(suite, "darts"), ONE_EDGE)
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
    edges: list[Edge] = discretised(looked_into(suite, "darts", task="trained"), ONE_EDGE)
    assert len(edges) == 1
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
    names = [f"discretisation.{ending}" for ending in ("md", "csv", "json", "png")]
    assert captured.err.splitlines() == [f"wrote {folder / name}" for name in names]
    assert (folder / names[3]).read_bytes().startswith(b"\x89PNG")
    tables = json.loads((folder / names[2]).read_text("utf-8"))["tables"]
    assert [table["title"][:14] for table in tables] == ["discretisation", "agreement on e"]
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
    assert CONVERGENCE in registry.names("selectors")


def test_no_two_of_twenty_operations_look_alike() -> None:
    assert len({style(number) for number in range(20)}) == 20


# -- a diagnosis of a stranger's

STRANGERS = """
from dataclasses import dataclass
from typing import Literal

from matplotlib.figure import Figure

from harness.diagnoses.contract import Diagnosis, Findings, FoundTable, Heading
from harness.errors import NotApplicable
from harness.settings import Count, Positive, setting


@dataclass(frozen=True)
class Settings:
    factor: Positive = setting(2.0, "what the counts are multiplied by")
    tuning_epochs: Count = setting(5, "told, not used")
    unit: Literal["weights", "thousands"] = setting("weights", "what is counted")
    alphas: bool = setting(False, "with those of alpha")


def examine(diagnosed, settings):
    count = sum(each.numel() for each in diagnosed.supernet.supernet.parameters())
    row = {"what": settings.unit, "count": round(settings.factor * count),
           "epochs": settings.tuning_epochs, "alphas": str(settings.alphas), "blank": None}
    headings = [Heading(key, key, digits=None) for key in row]
    return Findings((FoundTable("sizes", tuple(headings), (row,)),), {"empty": Figure})


def check(spec):
    if spec.label == "quick":
        raise NotApplicable("row quick is too quick to be counted")


COUNTED = Diagnosis("How many weights?", "All are counted.", Settings, examine, check)


@dataclass(frozen=True)
class Clashing:
    seed: Count = setting(1, "a seed of its own")


CLASHING = Diagnosis("Whose seed?", "Two are asked for.", Clashing, examine)
"""
ENTRIES = """
[nas_harness.diagnoses]
counted = strangers_diagnosis:COUNTED
clashing = strangers_diagnosis:CLASHING
broken = tests.core.broken_package:DIAGNOSIS
other = strangers_diagnosis:Settings
"""


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package of someone else's that registers diagnoses, good and bad ones."""
    site = tmp_path / "site"
    files = {"strangers_diagnosis.py": STRANGERS}
    install(site, "strangers-diagnosis", "1.0", files, entry_points=ENTRIES)
    monkeypatch.syspath_prepend(site)
    registry._entries.cache_clear()
    yield
    registry._entries.cache_clear()


@pytest.mark.usefixtures("stranger")
def test_a_strangers_diagnosis_is_listed_and_made(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert give("diagnose", "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "counted How many weights?" in told
    assert "RuntimeError: broken on import" in told
    assert diagnose("counted", suite, "--output", tmp_path / "found", "--alphas") == 0
    (row,) = read(tmp_path / "found" / "counted.csv")
    supernet = looked_into(suite, "darts").supernet.supernet
    weights = sum(each.numel() for each in supernet.parameters())
    assert (row["what"], row["count"], row["alphas"]) == ("weights", str(2 * weights), "True")
    # The protocol sets tuning_epochs for all that have such a setting.
    assert (row["epochs"], row["seed"]) == ("1", "0")
    assert (tmp_path / "found" / "empty.png").read_bytes().startswith(b"\x89PNG")
    assert diagnose("counted", suite, "--tuning-epochs", 3, "--unit", "thousands") == 0
    assert "thousands" in capsys.readouterr().out


@pytest.mark.usefixtures("stranger")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("counte",), "unknown diagnosis 'counte'; did you mean 'counted'"),
        (("broken",), "diagnosis 'broken' cannot be loaded from tests.core.broken_package"),
        (("other",), "is a type, not a Diagnosis"),
        (("clashing",), "diagnosis clashing has a setting 'seed', which is an option of"),
        (("counted", "--unit", "tons"), "'tons' is not one of 'weights', 'thousands'"),
        (("counted", "--factor", "much"), "--factor"),
        (("counted", "--row", "quick"), "row quick is too quick to be counted"),
    ],
)
def test_what_a_strangers_diagnosis_refuses_is_one_line(
    words: tuple[str, ...],
    message: str,
    suite: Path,
    private_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert diagnose(words[0], suite, *words[1:]) == 1
    one_line(capsys.readouterr().err, message)
    assert artefacts(private_home, "supernets") == []


@pytest.mark.parametrize("name", registry.names("diagnoses"))
def test_every_diagnosis_says_what_it_is(name: str) -> None:
    diagnosis = registry.load("diagnoses", name, Diagnosis)
    assert diagnosis.summary
    assert diagnosis.text
