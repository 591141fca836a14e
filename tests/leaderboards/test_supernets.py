"""Supernet methods on a leaderboard: their columns, the table over tasks, captions, blanks."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pytest

from harness.protocols.frame import Frame
from harness.protocols.search import Answer
from harness.protocols.supernet import SupernetProtocol, SupernetTask
from harness.records.record import RunRecord, Trajectory
from harness.records.spec import RunSpec
from harness.spaces import Epochs
from harness.tables.table import BenchmarkTable
from leaderboards.board import build
from leaderboards.measures import supernets
from leaderboards.model import Leaderboard, Section
from leaderboards.pages.render import Format, render
from leaderboards.pages.view import View
from leaderboards.plots.anytime import anytime_info
from leaderboards.report import section_tables, section_views
from leaderboards.sections.context import contexts
from leaderboards.tables.main import main_views, overall_views
from leaderboards.tables.tasks import task_views
from tests.leaderboards.making import TEST_ANSWER, VALIDATION_ANSWER, done
from tests.leaderboards.making import protocol as searched

FORMATS: tuple[Format, ...] = get_args(Format)
TRAINED = Answer("test", "digits", "test", Epochs(8, 8), 0, "test")
ALL_SKIPS = (
    "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1), ('skip_connect', 0), "
    "('skip_connect', 1), ('skip_connect', 0), ('skip_connect', 1), ('skip_connect', 0), "
    "('skip_connect', 1)], normal_concat=range(2, 6), reduce=[('skip_connect', 0), "
    "('skip_connect', 1), ('skip_connect', 0), ('skip_connect', 1), ('skip_connect', 0), "
    "('skip_connect', 1), ('skip_connect', 0), ('skip_connect', 1)], reduce_concat=range(2, 6))"
)
CELL = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
OWN = [measure.key for measure in supernets.MEASURES]
FRAME = Frame(epochs=12, batch=80, learning_rate=0.1, channels=4, cells=3)


def protocol(name: str, *answers: Answer, published: bool = False) -> SupernetProtocol:
    trained = not answers
    task = SupernetTask(
        name=name,
        dataset="digits",
        dataset_digest="d" * 32,
        frame=FRAME,
        evaluation="somewhere/small.toml" if trained else "",
        evaluation_identity="e" * 32 if trained else "",
        evaluation_seeds=(0, 1) if trained else (),
        answers=answers or (TRAINED,),
    )
    return SupernetProtocol("own", "made up", published, (task,))


def run(
    label: str, seed: int, rules: SupernetProtocol, accuracy: float | None, **more: Any
) -> RunRecord:
    """A run that ended at an accuracy, or failed where there is none."""
    metrics: Mapping[str, float] = {
        "evaluations": 1.0,
        "cost": 13.0,
        "share-of-skips": 0.25,
        "supernet-seconds": 5.0,
        "selection-seconds": 2.0,
        "margin": 0.5,
        **more.pop("metrics", {}),
    }
    table = more.pop("table_checksum", "")
    answers = {answer.name: np.array([accuracy or 0.0]) for answer in rules.tasks[0].answers}
    selected = CELL if table else ALL_SKIPS
    steps = np.array([13.0]), np.array([1]), (selected,), np.array([np.nan]), answers
    return RunRecord(
        spec=RunSpec(
            method=label,
            method_version=1,
            settings={"trainer": {}, "selector": {}, "frame": {}},
            space="nas-bench-201" if table else "s2",
            table="toy" if table else "",
            table_checksum=table,
            protocol=rules,
            seed=seed,
            label=label,
        ),
        status="failed" if accuracy is None else "done",
        reason="" if accuracy is not None else "no luck",
        trajectory=None if accuracy is None else Trajectory(*steps),
        history=None,
        metrics={} if accuracy is None else dict(metrics),
        provenance={},
        seconds=7.0,
    )


def trained(label: str, seed: int, task: str, accuracy: float | None, **more: float) -> RunRecord:
    metrics = {"trainings": 1.0, "parameters-m": 0.008, **more}
    return run(label, seed, protocol(task), accuracy, metrics=metrics)


def ranking(board: Leaderboard) -> list[Section]:
    """The sections of supernets that their tasks rank by."""
    return [each for each in board.sections if each.primary and each.where.kind == "supernet"]


@pytest.fixture
def runs() -> list[RunRecord]:
    """``good`` everywhere; ``half`` failed once; ``late`` in one task only."""
    return [
        trained("good", 0, "s1 digits", 98.0),
        trained("good", 1, "s1 digits", 96.0, trainings=0.0),
        trained("half", 0, "s1 digits", 90.0, **{"share-of-skips": 1.0}),
        trained("half", 1, "s1 digits", None),
        trained("good", 0, "s2 digits", 95.0),
        trained("good", 1, "s2 digits", 95.0),
        trained("half", 0, "s2 digits", 97.0),
        trained("half", 1, "s2 digits", 97.0),
        trained("late", 0, "s2 digits", 99.0),
        trained("late", 1, "s2 digits", 99.0),
    ]


@pytest.fixture
def two_tasks(runs: list[RunRecord]) -> Leaderboard:
    return build(runs, {})


def test_a_row_tells_what_the_supernet_and_the_selection_gave(two_tasks: Leaderboard) -> None:
    first = two_tasks.sections[0]
    assert [(row["rank"], row.label) for row in first.rows] == [(1, "good"), (2, "half")]
    good, half = first.rows
    assert {key: good[key] for key in OWN} == {
        "error": 3.0,
        "skips": 25.0,
        "parameters": 0.008,
        "tau_operations": None,
        "margin": 0.5,
        "trainings": 1.0,
        "supernet_seconds": 5.0,
        "selection_seconds": 2.0,
    }
    assert (half["error"], half["skips"]) == (10.0, 100.0)
    assert (good["regret"], good["area"], first.facts) == (None, None, None)


def test_a_metric_that_a_run_lacks_is_blank() -> None:
    rules = protocol("s2 digits")
    runs = [run("a", 0, rules, 90.0, metrics={"tau/operations": 1.0}), run("a", 1, rules, 92.0)]
    (row,) = build(runs, {}).sections[0].rows
    assert (row["tau_operations"], row["trainings"]) == (None, None)
    assert row["margin"] == 0.5


def test_an_answer_that_is_no_accuracy_has_no_error(tables: dict[str, BenchmarkTable]) -> None:
    (checksum,) = tables
    size = Answer("size", "toy", None, None, None, "test", "parameters_m")
    runs = [run("a", 0, protocol("cells", TEST_ANSWER, size), 0.5, table_checksum=checksum)]
    accuracy, parameters = build(runs, {}).sections
    assert (accuracy.rows[0]["error"], parameters.rows[0]["error"]) == (99.5, None)


def rows(view: View) -> dict[str, Mapping[str, Any]]:
    return {str(row["label"]): row for row in view.rows}


def test_methods_against_tasks(two_tasks: Leaderboard) -> None:
    (view,) = task_views(ranking(two_tasks))
    assert [column.key for column in view.columns] == [
        "label",
        *("error s1 digits", "skips s1 digits", "error s2 digits", "skips s2 digits"),
        "mean",
    ]
    found = rows(view)
    assert list(found) == ["good", "half", "late"]
    assert found["good"] == {
        "label": "good",
        "error s1 digits": "3.00±1.41",
        "skips s1 digits": 25.0,
        "error s2 digits": "5.00±0.00",
        "skips s2 digits": 25.0,
        "mean": 4.0,
    }
    # A failed run shows as a missing seed, and no mean is made of what is not whole.
    assert found["half"]["error s1 digits"] == "10.00 (n=1)"
    assert found["half"]["mean"] is None
    assert found["late"] == {
        "label": "late",
        "error s1 digits": None,
        "skips s1 digits": None,
        "error s2 digits": "1.00±0.00",
        "skips s2 digits": 25.0,
        "mean": None,
    }


def test_one_task_or_none_of_supernets_has_no_table_over_tasks(records: list[RunRecord]) -> None:
    assert task_views(ranking(build([trained("a", 0, "s1 digits", 90.0)], {}))) == []
    assert task_views(ranking(build(records, {}))) == []
    both = [*records, trained("a", 0, "s1 digits", 90.0)]
    assert task_views(ranking(build(both, {}))) == []


def test_searchers_have_no_supernet_columns(
    records: list[RunRecord], tables: dict[str, BenchmarkTable]
) -> None:
    (searchers,) = main_views(build(records, tables))
    (supernets,) = main_views(build([trained("a", 0, "s1 digits", 90.0)], {}))
    assert set(OWN) & {column.key for column in searchers.columns} == set()
    assert set(OWN) <= {column.key for column in supernets.columns}
    values = rows(supernets)["a"]
    assert (values["error"], values["trainings"], values["parameters"]) == (10.0, 1.0, 0.008)


def test_captions_of_trained_architectures(two_tasks: Leaderboard) -> None:
    lines = list(two_tasks.sections[0].captions)
    assert lines == [
        "space s2, data set digits; selected architectures are trained by evaluation small, "
        "seeds 0, 1",
        "protocol own (made up): supernets of 3 cells and 4 channels, 12 epochs, batch 80, "
        "learning rate 0.1 to 0.001",
        "answer digits/test after 8/8 epochs, seed=0 (test)",
    ]


def test_a_table_gives_supernets_regret_and_no_exact_random_search(
    tables: dict[str, BenchmarkTable],
) -> None:
    (checksum,) = tables
    rules = protocol("cells", TEST_ANSWER, VALIDATION_ANSWER, published=True)
    runs = [
        run("oracle", 0, rules, 94.0, table_checksum=checksum, metrics={"tau/operations": 1.0}),
        run("darts", 0, rules, 80.0, table_checksum=checksum, metrics={"tau/operations": -0.5}),
        run("darts", 1, rules, 90.0, table_checksum=checksum, metrics={"tau/operations": 0.5}),
    ]
    section = build(runs, tables).sections[0]
    assert section.references == ()
    oracle, darts = section.rows
    assert (oracle.label, oracle["regret"], oracle["rank"]) == ("oracle", 0.0, 1)
    assert darts["regret"] == pytest.approx(9.0)
    assert darts["tau_operations"] == 0.0
    lines = section.captions
    assert lines[0].endswith(
        f"are looked up in table toy, checksum {checksum}, release 1.0, 4 architectures"
    )
    assert lines[1].endswith("0.001, methods in their published frames")
    (view,) = (each for each in main_views(build(runs, tables)) if "test" in each.title)
    assert [column.head for column in view.columns if column.key == "regret"] == [
        "regret\noptimum\n=mean"
    ]


def test_searches_and_supernets_are_ranked_over_their_own_tasks(
    runs: list[RunRecord], tables: dict[str, BenchmarkTable]
) -> None:
    (checksum,) = tables
    searches = [
        done("search", seed, (91.0,), searched(task=task), table_checksum=checksum)
        for task in ("first", "second")
        for seed in range(2)
    ]
    one_task = [each for each in runs if each.spec.task.name == "s2 digits"]
    board = build([*searches, *one_task], tables)
    assert [(row.label, row.of, row.mean_rank) for row in board.overall] == [("search", 2, 1.0)]
    (view,) = overall_views(board)
    assert "ranked apart" in view.notes[-1]
    both = build([*searches, *runs], tables)
    assert {row.of for row in both.overall} == {2}
    assert {row.label for row in both.overall} > {"search"}
    alone = build([*searches[:2], *one_task], tables)
    assert alone.overall == ()
    assert "no method takes part in both" in alone.no_overall


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_takes_supernets(form: Format, two_tasks: Leaderboard) -> None:
    views = [*main_views(two_tasks), *overall_views(two_tasks), *task_views(ranking(two_tasks))]
    text = render(views, form, title="supernets", every=True)
    assert "good" in text
    assert re.search(r"\bnan\b", text, re.IGNORECASE) is None


@pytest.mark.parametrize("kind", sorted(section_tables()))
def test_every_kind_of_table_takes_supernets(
    kind: str, runs: list[RunRecord], tables: dict[str, BenchmarkTable]
) -> None:
    (checksum,) = tables
    rules = protocol("cells", TEST_ANSWER)
    looked_up = [run("a", seed, rules, 90.0, table_checksum=checksum) for seed in range(3)]
    views = section_views(kind, contexts([*runs, *looked_up], tables, "test"))
    assert len(views) == 3
    assert json.loads(render(views, "json", title="supernets"))["tables"]


def test_blank_is_not_zero_in_csv_and_json(two_tasks: Leaderboard) -> None:
    views = main_views(two_tasks)
    read = list(csv.DictReader(io.StringIO(render(views, "csv", title=""))))
    assert {row["tau_operations"] for row in read} == {""}
    assert [row["error"] for row in read[:2]] == ["3.0", "10.0"]
    tables = json.loads(render(views, "json", title=""))["tables"]
    assert {row["tau_operations"] for table in tables for row in table["rows"]} == {None}


def test_supernets_are_drawn_over_epochs(tables: dict[str, BenchmarkTable]) -> None:
    (checksum,) = tables
    rules = protocol("cells", TEST_ANSWER)
    runs = [run("a", seed, rules, 90.0 + seed, table_checksum=checksum) for seed in range(3)]
    (panel,) = anytime_info(runs, tables).panels
    assert not panel.log_x
    assert panel.x.tolist() == list(range(13))
    # The runs end an epoch behind the budget, so that the line never begins.
    assert np.isnan(panel.lines[0].y).all()
