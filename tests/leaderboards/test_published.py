"""The papers' numbers stand only where the setting is theirs in every switch."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from harness import registry
from harness.metrics.statistics import FEWEST_SHARED
from harness.protocols import supernet_file
from harness.protocols.frame import Frame
from harness.protocols.search import Answer
from harness.protocols.supernet import SupernetProtocol, SupernetTask
from harness.records.record import RunRecord, Trajectory
from harness.records.spec import RunSpec
from harness.spaces import Epochs
from harness.supernets.methods import SupernetMethod
from harness.supernets.trainers import TrainerMethod
from leaderboards.board import build
from leaderboards.model import Section
from leaderboards.published.numbers import Setting, numbers
from leaderboards.tables.main import main_views
from tests.leaderboards.making import done, protocol

C10_TEST = Answer("cifar10 test", "cifar10", "ori-test", Epochs(200, 200), "mean", "test")


def rules(**changes: Any) -> Any:
    chosen = {
        "name": "nas-bench-201",
        "budget": 12000.0,
        "searched_on": "cifar10-valid",
        "answers": (C10_TEST,),
    }
    return protocol(**{**chosen, **changes})


def fixed(setting: Setting) -> frozenset[tuple[str, str | float]]:
    return frozenset(setting.items())


def section_of(*records: RunRecord) -> Section:
    (section,) = build(records, {}).sections
    return section


def test_a_number_stands_beside_its_method() -> None:
    section = section_of(
        done("regularised-evolution", 0, (94.0,), rules()),
        done("local-search", 0, (93.0,), rules()),
    )
    evolution, local = section.rows
    assert evolution.published is not None
    assert (evolution.published.mean, evolution.published.sd) == (93.92, 0.30)
    assert local.published is None
    (view,) = main_views(build([done("random-search", 0, (93.8,), rules())], {}))
    assert view.rows[0]["difference"] == pytest.approx(93.8 - 93.70)


def test_published_methods_without_a_row_are_references() -> None:
    section = section_of(done("random-search", 0, (93.8,), rules()))
    assert {each.label: each.mean for each in section.references} == {
        "regularised-evolution, as published": 93.92,
        "reinforce, as published": 93.85,
        "bohb, as published": 93.61,
    }
    assert all("unverified: from memory" in each.note for each in section.references)


def test_hyperband_tpe_is_not_bohb() -> None:
    section = section_of(done("hyperband-tpe", 0, (93.6,), rules()))
    assert section.rows[0].published is None
    assert "bohb, as published" in {each.label for each in section.references}


def test_a_method_with_other_settings_is_not_the_published_one() -> None:
    record = done("reinforce", 0, (93.6,), rules(), given=("learning_rate",))
    assert section_of(record).rows[0].published is None


@pytest.mark.parametrize(
    "change",
    [
        {"name": "own"},
        {"budget": 11999.0},
        {"overrun": "discard"},
        {"repeats": "free"},
        {"unit": "evaluations"},
        {"searched_on": "cifar100"},
        {"answers": (Answer("x", "cifar10", "ori-test", Epochs(200, 200), "mean", "validation"),)},
        {"answers": (Answer("x", "digits", "test", Epochs(200, 200), "mean", "test"),)},
    ],
)
def test_one_switch_apart_nothing_stands_beside(change: dict[str, Any]) -> None:
    section = section_of(done("random-search", 0, (93.8,), rules(**change)))
    assert section.rows[0].published is None
    assert section.references == ()


def test_nats_bench_has_its_own_budgets() -> None:
    on = {"name": "nats-bench", "budget": 40000.0, "searched_on": "cifar100"}
    answer = Answer("cifar100 test", "cifar100", "x-test", Epochs(200, 200), "mean", "test")
    record = done("reinforce", 0, (71.0,), rules(**on, answers=(answer,)))
    found = section_of(record).rows[0].published
    assert found is not None
    assert (found.mean, found.sd) == (71.86, None)


def test_the_files_hold_what_the_papers_printed() -> None:
    searches = [number for number in numbers() if "protocol" in number.setting]
    # 6 cells and 3 cells of four methods each; two of NATS-Bench's rows without a deviation.
    assert len(searches) == 24 + 12
    assert sum(number.sd is None for number in searches) == 6
    assert len({(number.method, fixed(number.setting)) for number in searches}) == 36
    assert all(10 < number.mean < 100 and number.runs == 500 for number in searches)


# -- supernets


def supernets(**changes: Any) -> SupernetProtocol:
    """By default the published search of NAS-Bench-201, judged by CIFAR-10 test."""
    chosen = {"name": "nas-bench-201", "dataset": "cifar10", "answers": (C10_TEST,), **changes}
    name = str(chosen.pop("name"))
    task = SupernetTask(
        name="task",
        dataset_digest="d" * 32,
        frame=Frame(epochs=50),
        evaluation="",
        evaluation_identity="",
        evaluation_seeds=(),
        **chosen,
    )
    return SupernetProtocol(name, "made up", True, (task,))


def trained(method: str, value: float, rules: SupernetProtocol, **changes: Any) -> RunRecord:
    """A run that ended at ``value``; on NAS-Bench-201 and its table unless said otherwise."""
    where = {"space": "nas-bench-201", "table": "nas-bench-201", "table_checksum": "0123456789"}
    answers = {answer.name: np.array([value]) for answer in rules.tasks[0].answers}
    return RunRecord(
        spec=RunSpec(
            method=method,
            method_version=1,
            settings={"trainer": {}, "selector": {}, "frame": {}},
            protocol=rules,
            seed=0,
            label=method,
            **{**where, **changes},
        ),
        status="done",
        reason="",
        trajectory=Trajectory(np.array([50.0]), np.array([1]), ("a",), np.array([np.nan]), answers),
        history=None,
        metrics={"evaluations": 1.0, "cost": 50.0, "share-of-skips": 1.0},
        provenance={},
        seconds=1.0,
    )


def test_supernets_stand_beside_what_was_printed_of_them() -> None:
    section = section_of(trained("balenas", 93.0, supernets()), trained("darts", 54.3, supernets()))
    balenas, darts = section.rows
    assert balenas.published is not None
    assert (balenas.published.mean, balenas.published.sd, balenas.published.runs) == (
        93.62,
        0.12,
        4,
    )
    assert darts.published is not None
    assert (darts.published.mean, darts.published.source) == (54.30, "BaLeNAS, Table 1")
    found = {each.label: each for each in section.references}
    assert found["it-nas, as published"].mean == 93.65
    assert found["darts-pt, as published"].mean == pytest.approx(88.11)
    # Two papers copy different rows of GDAS, and the same one of DARTS and SETN.
    assert found["gdas, as published"].mean == 93.51
    assert found["gdas in IT-NAS, Table 5, as published"].mean == 93.61
    assert [label for label in found if label.startswith(("darts,", "darts in", "setn"))] == [
        "setn, as published"
    ]
    assert (
        "6 runs; verified: read in the paper; token and what" in found["it-nas, as published"].note
    )
    assert "runs not told" in found["gdas, as published"].note
    assert any("Vadam's own prior" in note for note in section.notes)


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        ({"name": "nas-bench-201-digits"}, {}),
        ({"dataset": "digits"}, {}),
        ({}, {"table": "nas-bench-201-digits"}),
        ({}, {"space": "s1"}),
        ({"answers": (Answer("x", "digits", "test", Epochs(12, 12), "mean", "test"),)}, {}),
        ({"name": "robustdarts"}, {}),
    ],
)
def test_supernets_of_another_protocol_or_data_set_have_nothing_beside(
    rules: dict[str, Any], where: dict[str, Any]
) -> None:
    section = section_of(trained("balenas", 93.0, supernets(**rules), **where))
    assert section.rows[0].published is None
    assert section.references == ()
    assert not any("BaLeNAS" in note for note in section.notes)


def test_supernets_with_other_settings_are_other_methods() -> None:
    section = section_of(trained("balenas", 93.0, supernets(), given=("frame.epochs",)))
    assert section.rows[0].published is None
    assert "balenas, as published" in {each.label for each in section.references}


@pytest.mark.parametrize(
    ("dataset", "space", "printed"),
    [
        ("cifar10", "s4", {"darts": 7.20, "darts-pt": 2.64, "it-nas": 3.36}),
        ("cifar100", "s1", {"darts": 29.46, "darts-pt": 24.48, "it-nas": 23.31}),
        ("svhn", "s3", {"darts": 3.41, "darts-pt-fixed-alpha": 2.32, "it-nas": 2.38}),
    ],
)
def test_errors_in_the_robust_spaces(dataset: str, space: str, printed: dict[str, float]) -> None:
    answer = Answer("test", dataset, "test", Epochs(600, 600), 1, "test")
    rules = supernets(name="robustdarts", dataset=dataset, answers=(answer,))
    anew = {"space": space, "table": "", "table_checksum": ""}
    section = section_of(trained("random-selection", 90.0, rules, **anew))
    found = {each.label: each.mean for each in section.references}
    for method, error in printed.items():
        assert found[f"{method}, as published"] == pytest.approx(100 - error)
    # Two papers print the same number of DARTS.
    assert len(found) == 9


def test_what_is_published_of_supernets() -> None:
    found = [number for number in numbers() if "supernet_protocol" in number.setting]
    assert len({(number.method, fixed(number.setting), number.source) for number in found}) == len(
        found
    )
    assert {number.method for number in found} <= set(registry.names("methods"))
    settings = {fixed(number.setting) for number in found}
    # Six answers of NAS-Bench-201; four spaces on three data sets.
    assert len(settings) == 6 + 12
    assert all(number.differs for number in found)
    # DARTS's answer is the cell of skip connections alone: the table has 54.297, 15.607, 16.322.
    collapsed = {n.setting["dataset"]: n.mean for n in found if n.method == "darts" and n.sd == 0.0}
    assert collapsed["cifar100"] == 15.61


def test_the_epochs_that_are_told_as_ours_are_ours() -> None:
    told = 0
    for number in numbers():
        ours = re.search(r"(?:ours:|and) (?:.* )?(\d+) epochs", number.differs)
        if ours is None:
            continue
        space = str(number.setting["space"])
        method = registry.load("methods", number.method, SupernetMethod)
        trainer = registry.load("trainers", method.trainer, TrainerMethod)
        name, file = supernet_file.load(str(number.setting["supernet_protocol"]))
        assert file.published_frames, name
        epochs = file.frame_for(space).epochs
        for frame in (trainer.frame, method.frame):
            epochs = frame.get(space, frame.get("", {})).get("epochs", epochs)
        assert epochs == int(ours[1]), f"{number.method}: {number.differs}"
        told += 1
    assert told > 40


def test_few_seeds_are_said_to_be_compared_unpaired() -> None:
    records = [
        done(name, seed, (value + seed,), rules())
        for name, value in (("random-search", 90.0), ("reinforce", 91.0))
        for seed in range(FEWEST_SHARED - 1)
    ]
    (view,) = main_views(build(records, {}))
    assert any("Mann-Whitney" in line for line in view.notes)
