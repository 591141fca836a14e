"""Objectives: which way is better, what files may say of them, what is judged by them and shown."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from harness import cli, objectives
from harness.errors import BadSuite, MissingCell, UnknownName
from harness.metrics.ranking import kendall_tau
from harness.metrics.regret import optimum_mean, relative_improvement, simple_regret
from harness.objectives import ACCURACY, OBJECTIVES, Objective
from harness.protocols.search import Answer, SearchProtocol
from harness.protocols.search_file import load
from harness.records import codec
from harness.records.record import RunRecord
from harness.records.spec import RunSpec
from harness.records.store import RunStore
from harness.runs.plan import Choice, make_plan
from harness.spaces import Epochs
from harness.suites import suite as suites
from harness.supernets.agreement import best_scores
from harness.supernets.spaces import SupernetSpace
from harness.tables import answers
from harness.tables.catalog import open_table
from harness.tables.table import BenchmarkTable

FLOPS = Answer("FLOPs", "digits", None, None, None, "test", "flops_m")
PROTOCOL = """
source = "a test"
unit = "evaluations"
overrun = "count"
repeats = "pay"
incumbent = "highest-fidelity"

[[task]]
name = "three"
budget = 30.0

[task.signal]
dataset = "{seen}"
split = "{valid}"
schedule = 12
fidelities = [12]
seed = "random"

[task.cost]
dataset = "{seen}"
validation_pass = "free"

[[task.answer]]
name = "accuracy"
dataset = "{judged}"
split = "{test}"
epochs = {epochs}
seed = "mean-available"
role = "test"
"""
QUANTITY = """
[[task.answer]]
name = "{name}"
dataset = "{seen}"
objective = "{objective}"
role = "test"
"""
MADE_UP = {
    "table": "nas-bench-201",
    "seen": "cifar10-valid",
    "valid": "x-valid",
    "judged": "cifar10",
    "test": "ori-test",
    "epochs": 200,
}
SHIPPED = {
    "table": "nas-bench-201-digits",
    "seen": "digits",
    "valid": "valid",
    "judged": "digits",
    "test": "test",
    "epochs": 12,
}
SUITE = """
summary = "three answers"

[[benchmark]]
space = "nas-bench-201"
table = "{table}"
protocol = "three.toml"

[profile.laptop]
seeds = "0-4"

[[method]]
name = "random-search"

[[method]]
name = "regularised-evolution"
settings = {{ population = 5 }}
"""


# -- which way is better


def test_of_accuracy_higher_is_better_and_of_flops_lower() -> None:
    accuracy, flops = OBJECTIVES["accuracy"], objectives.named("flops_m")
    assert accuracy.better(2, 1)
    assert not accuracy.better(1, 1)
    assert flops.better(1, 2)
    assert not flops.better(float("nan"), 1)
    values = [3.0, 1.0, np.nan, 1.0, 3.0]
    assert (accuracy.best(values), accuracy.place_of_best(values)) == (3.0, 0)
    assert (flops.best(values), flops.place_of_best(values)) == (1.0, 1)
    assert flops.best([[2.0, 4.0], [3.0, 1.5]]) == 1.5
    # Accuracies are the numbers that they were, to the last bit.
    numbers = np.random.default_rng(0).normal(size=100)
    assert (accuracy.sign * numbers).tobytes() == numbers.tobytes()
    with pytest.raises(UnknownName, match="did you mean 'flops_m'"):
        objectives.named("flops")
    with pytest.raises(ValueError, match="NaN"):
        flops.best([np.nan])


def test_regret_is_how_much_worse_than_the_best_whatever_the_direction() -> None:
    flops = OBJECTIVES["flops_m"]
    zero = optimum_mean([5.0, 3.0, 4.0], flops)
    assert zero.value == 3.0
    assert simple_regret([5.0, 3.0], zero).tolist() == [2.0, 0.0]
    assert relative_improvement(3.0, 4.0, flops) == 25.0
    assert relative_improvement(3.0, 4.0) == -25.0


# -- what a protocol's file may say


def written(folder: Path, text: str) -> str:
    file = folder / "three.toml"
    file.write_text(text, "utf-8")
    return str(file)


def test_a_quantity_has_neither_split_nor_epochs_nor_seed(tmp_path: Path) -> None:
    text = PROTOCOL.format(**SHIPPED) + QUANTITY.format(
        name="FLOPs", objective="flops_m", **SHIPPED
    )
    _, file = load(written(tmp_path, text))
    assert file.task[0].answer[1].answer() == FLOPS
    wrong = {
        'split = "test"\n': "key 'split' is missing; accuracy has one of each",
        'role = "test"\nsplit = "test"': "key 'split' is too much; a data set has one flops_m",
        'objective = "flops"': "unknown objective 'flops'; did you mean 'flops_m'",
    }
    told = list(wrong)
    changed = (
        text.replace(told[0], "", 1),
        text.rstrip() + '\nsplit = "test"\n',
        text.replace('objective = "flops_m"', told[2]),
    )
    for content, said in zip(changed, wrong.values(), strict=True):
        with pytest.raises(BadSuite, match=said) as caught:
            load(written(tmp_path, content))
        assert len(str(caught.value).splitlines()) == 1


# -- identities and stored rows


def protocol(*judged: Answer) -> SearchProtocol:
    _, file = load("nas-bench-201-digits")
    spec = suites.load("nas-bench-201")
    plan = make_plan(spec, Choice("laptop"), open_table)
    rules = plan.specs[0].protocol
    assert isinstance(rules, SearchProtocol)
    assert file.source
    return dataclasses.replace(rules, tasks=(dataclasses.replace(rules.tasks[0], answers=judged),))


def spec_of(rules: SearchProtocol) -> RunSpec:
    return RunSpec("random-search", 1, {}, "nas-bench-201", "t", "0", rules, 0)


def test_answers_in_accuracy_are_hashed_and_stored_as_before_there_were_objectives() -> None:
    accuracy = Answer("test", "digits", "test", Epochs(12, 12), "mean", "test")
    plain, other = spec_of(protocol(accuracy)), spec_of(protocol(accuracy, FLOPS))
    loss = spec_of(protocol(dataclasses.replace(accuracy, objective="loss")))
    assert len({plain.comparison, other.comparison, loss.comparison}) == 3
    _, stored = codec.shared_row(plain)
    assert b"objective" not in stored
    kept = json.loads(stored)["protocol"]["tasks"][0]["answers"][0]
    assert list(kept) == ["name", "dataset", "split", "epochs", "seed", "role"]
    assert plain.identity == identity_without_objectives(plain)


def identity_without_objectives(spec: RunSpec) -> str:
    """As it was computed when an answer had six fields."""
    from harness.digests import digest
    from harness.records.spec import CODE_PROTOCOL

    content = dataclasses.asdict(spec.protocol)  # type: ignore[call-overload]
    for answer in content["tasks"][0]["answers"]:
        del answer["objective"]
    return digest(
        {
            "code_protocol": CODE_PROTOCOL,
            "space": spec.space,
            "table_checksum": spec.table_checksum,
            "protocol": content,
            "method": spec.method,
            "method_version": spec.method_version,
            "settings": spec.settings,
            "seed": spec.seed,
        }
    )


def test_an_answer_of_before_is_one_in_accuracy() -> None:
    old = b'{"name":"a","dataset":"d","split":"s","epochs":[1,2],"seed":"mean","role":"test"}'
    found = msgspec.json.decode(old, type=Answer)
    assert found == Answer("a", "d", "s", Epochs(1, 2), "mean", "test")
    assert found.objective == ACCURACY
    assert msgspec.json.decode(msgspec.json.encode(FLOPS), type=Answer) == FLOPS


# -- what a table holds


def test_a_table_answers_in_every_objective_that_it_has() -> None:
    table = open_table("nas-bench-201-digits")
    rows = table.rows_of_keys(table.keys[:5])
    expected = table.costs(rows, quantity="flops_m", dataset="digits")
    np.testing.assert_array_equal(answers.values(table, FLOPS, rows), expected)
    assert answers.definite(FLOPS, table) == FLOPS
    assert answers.seeds(table, FLOPS) == ()
    assert len(answers.column(table, FLOPS)) == table.manifest.rows
    for lacking in ("latency_seconds", "loss"):
        answer = Answer("x", "digits", "other", Epochs(12, 12), "mean", "test", lacking)
        with pytest.raises(MissingCell):
            answers.definite(answer, table)


def test_the_best_scores_of_an_edge_are_those_of_the_fewest_flops() -> None:
    table = open_table("nas-bench-201-digits")
    space = table.space
    assert isinstance(space, SupernetSpace)
    (found,) = best_scores(table, space, FLOPS)
    flops = answers.column(table, FLOPS)
    # With a 3x3 convolution on an edge, the fewest are those with nothing else.
    names = space.choice_groups[0].candidates[0]
    costly, free = names.index("nor_conv_3x3"), names.index("none")
    assert np.all(found[:, free] == -flops.min())
    assert np.all(found[:, costly] < found[:, free])
    assert np.all(found[:, costly] == found[0, costly])


# -- from the file to the leaderboard


def run(folder: Path, place: dict[str, object], **quantities: str) -> list[RunRecord]:
    """`harness run` of a suite and a protocol in a folder of a user's own; the records."""
    text = PROTOCOL.format(**place)
    for name, objective in quantities.items():
        text += QUANTITY.format(name=name, objective=objective, **place)
    written(folder, text)
    suite = folder / "mine.toml"
    suite.write_text(SUITE.format(**place), "utf-8")
    store = folder / "runs.sqlite"
    given = ("run", "--suite", suite, "--store", store, "--workers", "1", "--quiet")
    assert cli.run([str(each) for each in given]) == 0
    with RunStore.open(store, create=False) as opened:
        return opened.records(suite="mine", profile="laptop", history=True)


def board(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    capsys.readouterr()
    given = ("leaderboard", "--suite", folder / "mine.toml", "--store", folder / "runs.sqlite")
    assert cli.run([*map(str, given), *more]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "quantities"),
    [
        (MADE_UP, {"FLOPs": "flops_m", "latency": "latency_seconds"}),
        (SHIPPED, {"FLOPs": "flops_m", "parameters": "parameters_m"}),
    ],
    ids=["made-up", "shipped"],
)
def test_several_answers_of_one_search_are_looked_up_ranked_and_shown(
    place: dict[str, object],
    quantities: dict[str, str],
    tmp_path: Path,
    table_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = run(tmp_path, place, **quantities)
    table = open_table(str(place["table"]))
    assert len(records) == 10
    for record in records:
        trajectory = record.trajectory
        assert trajectory is not None
        assert list(trajectory.answers) == ["accuracy", *quantities]
        found = [table.space.parse(text) for text in trajectory.architectures]
        for name, quantity in quantities.items():
            costs = table.costs(table.rows(found), quantity=quantity, dataset=str(place["seen"]))
            np.testing.assert_array_equal(trajectory.answers[name], costs)
        assert record.metrics["tau/FLOPs"] == pytest.approx(tau(record, table, str(place["seen"])))
    for name, quantity in quantities.items():
        means = {
            label: float(
                np.mean([each.final(name) for each in records if each.spec.label == label])
            )
            for label in ("random-search", "regularised-evolution")
        }
        ascending = sorted(means, key=lambda label: means[label])
        shown = board(tmp_path, capsys).split(f"three: {name}")[1]
        assert shown.index(ascending[0]) < shown.index(ascending[1])
        assert f"{quantity} of {place['seen']}, in {OBJECTIVES[quantity].unit}" in shown
        assert "lower is better" in shown
    rows = json.loads(board(tmp_path, capsys, "--format", "json"))["tables"][1]["rows"]
    ranked = [row for row in rows if row["kind"] == "measured"]
    assert [row["answer"] for row in ranked] == ["FLOPs", "FLOPs"]
    assert ranked[0]["mean"] <= ranked[1]["mean"]
    for row in ranked:
        ended = finals(records, row["label"], "FLOPs")
        assert row["best"] == pytest.approx(min(ended))
        least = float(table.cost_column(quantity="flops_m", dataset=str(place["seen"])).min())
        assert row["regret"] == pytest.approx(np.mean(ended) - least)


def finals(records: list[RunRecord], label: str, answer: str) -> list[float]:
    return [each.final(answer) for each in records if each.spec.label == label]


def tau(record: RunRecord, table: BenchmarkTable, dataset: str) -> float | None:
    """Of what the search saw with fewer FLOPs, over the architectures that it evaluated."""
    history = record.history
    assert history is not None
    keys, first = np.unique(history.keys, return_index=True)
    flops = table.costs(table.rows_of_keys(keys), quantity="flops_m", dataset=dataset)
    return kendall_tau(history.validation[first], -np.asarray(flops, np.float64)).value


def test_every_objective_says_its_unit() -> None:
    for name, each in OBJECTIVES.items():
        assert isinstance(each, Objective)
        assert each.name == name
        assert each.unit.strip()
        assert each.direction in ("higher", "lower")
        # What follows from the architecture alone is no result of a training.
        assert not (each.cheap and each.of_training)
