"""What `harness bench --trainers` says of a search's time and memory."""

from __future__ import annotations

import json

import pytest
import torch

from harness import cli, registry
from harness.bench import trainers as speed_trainers
from harness.bench.supernets import SupernetBench
from harness.bench.trainers import Memory, Question, TrainerCost, trainer_costs
from harness.errors import UnknownName
from harness.spaces import NetworkShape
from harness.supernets.spaces import SupernetOptions, SupernetSpace

SHAPE = NetworkShape(channels=4, cells=1, in_channels=1, resolution=8, patch=2)
SMALL = SupernetBench({"nas-bench-201": SHAPE})
WIDE = SupernetBench(
    {"nas-bench-201": NetworkShape(channels=32, cells=1, in_channels=1, resolution=8, patch=2)}
)


def memory_of(bench: SupernetBench, *names: str, few_images: bool = True) -> dict[str, Memory]:
    question = Question(only=names, times=False, few_images=few_images)
    costs = trainer_costs(bench, question)
    return {cost.name: cost.memory for cost in costs if cost.memory is not None}


def weights() -> int:
    """Of the small supernet."""
    space = registry.load("spaces", "nas-bench-201", SupernetSpace)
    supernet = space.supernet(SHAPE, SupernetOptions())
    return sum(each.numel() for each in supernet.parameters())


def test_trainers_are_held_to_darts() -> None:
    said: list[str] = []
    state = torch.get_rng_state()
    question = Question(only=("darts", "fixed-alpha", "darts-2"), few_images=True)
    costs = trainer_costs(SMALL, question, report=said.append)
    assert torch.equal(torch.get_rng_state(), state)
    assert said == ["darts", "fixed-alpha", "darts-2"]
    found = {cost.name: cost for cost in costs}
    assert set(found) == {"darts", "fixed-alpha", "darts-2"}
    assert found["darts"].relative == 1.0
    assert found["darts"].memory_relative == {"kept": 1.0, "trained": 1.0, "held": 1.0}
    # One pass against five.
    assert costs == sorted(costs, key=lambda cost: cost.relative or 0)
    assert (found["fixed-alpha"].relative or 9) < (found["darts-2"].relative or 0)


def test_a_trainer_that_is_not_defined_says_why() -> None:
    odd = NetworkShape(channels=6, cells=1, in_channels=1, resolution=8, patch=2)
    bench = SupernetBench({"nas-bench-201": odd})
    *_, last = trainer_costs(bench, Question(only=("pc-darts",), times=False, few_images=True))
    assert (last.name, last.step, last.memory) == ("pc-darts", None, None)
    assert "6 channels" in last.note


def test_two_networks_and_one() -> None:
    """SANAS's second network is found without being asked for; nothing else is counted twice."""
    found = memory_of(SMALL, "sanas", "sanas-first-order", "darts-2", "gdas")
    count = weights()
    assert {name: memory.trained for name, memory in found.items()} == {
        "darts": count,
        "darts-2": count,
        "gdas": count,
        "sanas": 2 * count,
        "sanas-first-order": 2 * count,
    }
    # Weights and momentum, of two networks or one; alpha and its moments are the rest.
    assert 0 <= found["sanas"].held - 4 * 4 * count < 0.5 * found["darts"].held
    assert 0 <= found["darts"].held - 2 * 4 * count < 0.5 * found["darts"].held


def test_partial_channels_keep_less() -> None:
    found = memory_of(WIDE, "pc-darts", "it-nas")
    assert 1 / 4 < found["pc-darts"].kept / found["darts"].kept < 1 / 2
    assert found["it-nas"].kept > found["darts"].kept
    assert found["it-nas"].trained > found["darts"].trained


def test_one_architecture_keeps_least() -> None:
    found = memory_of(WIDE, "single-path")
    assert found["single-path"].kept < found["darts"].kept / 2


def test_few_images_stand_for_a_batch() -> None:
    found = memory_of(SMALL, "darts-2", "it-nas", few_images=False)
    worked_out = memory_of(SMALL, "darts-2", "it-nas")
    assert set(found) == {"darts", "darts-2", "it-nas"}
    assert worked_out == found


def test_every_trainer_and_setting_is_one_arm() -> None:
    arms = speed_trainers._asked(Question())
    names = [arm.name for arm in arms]
    assert len(set(names)) == len(names)
    made = {(arm.trainer, str(sorted(arm.settings.items()))) for arm in arms}
    assert len(made) == len(arms)
    by_name = {arm.name: arm for arm in arms}
    assert by_name["sanas"].settings == {"order": "second"}
    assert by_name["sanas-first-order"].settings == {}
    wanted = {"darts", "darts-2", "pc-darts", "balenas", "balenas-2", "it-nas", "sanas-pc"}
    assert wanted <= set(names)
    # What trains nothing, and what another name stands for.
    assert {"untrained", "oracle", "darts-pt", "balenas-tf"} & set(names) == set()


def test_arms_of_a_suite_have_its_labels_and_settings() -> None:
    arms = {arm.name: arm for arm in speed_trainers._asked(Question(suite="ambiguities"))}
    assert arms["it-nas projected token"].trainer == "it-nas"
    assert arms["it-nas projected token"].settings == {"token": "project"}
    assert arms["darts"].settings == {}


def test_a_name_that_is_not_measured() -> None:
    with pytest.raises(UnknownName, match="did you mean 'pc-darts'"):
        trainer_costs(SMALL, Question(only=("pc-dart",)))


COSTS = [
    TrainerCost("darts", 0.02, 1.0, 0.0001, Memory(3 * 2**20, 8000, 2**20), {"kept": 1.0}),
    TrainerCost("other", 0.5, 25.0, 2.5, Memory(2**31, 8e6, 2**20), {"kept": 682.67}),  # type: ignore[arg-type]
    TrainerCost("odd", note="there is no such"),
]
MARKDOWN = """\
| trainer | step, ms | after an epoch, ms | kept, MiB | trained, 1,000 | held, MiB |
| --- | --- | --- | --- | --- | --- |
| `darts` | 20 (1.00) |  | 3 (1.00) | 8 | 1 |
| `other` | 500 (25.00) | 2,500 | 2,048 (682.67) | 8,000 | 1 |

odd: there is no such
"""


def test_the_table_of_trainers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Question] = []

    def answer(bench: SupernetBench, question: Question, **given: object) -> list[TrainerCost]:
        asked.append(question)
        return COSTS

    monkeypatch.setattr(speed_trainers, "trainer_costs", answer)
    command = ["bench", "--trainers", "--space", "darts", "--only", "darts, other", "--memory"]
    assert cli.run([*command, "--few-images", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert asked == [Question("darts", only=("darts", "other"), times=False, few_images=True)]
    assert printed["trainers"][0]["memory"]["trained"] == 8000
    assert printed["space"] == "darts"
    assert cli.run(["bench", "--trainers", "--markdown"]) == 0
    assert capsys.readouterr().out == MARKDOWN
    assert cli.run(["bench", "--trainers"]) == 0
    printed = capsys.readouterr().out
    assert "odd: there is no such" in printed
    assert "20 (1.00)" in printed


def test_what_is_of_trainers_alone_needs_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "--only", "darts"]) == 1
    assert "--only needs --trainers" in capsys.readouterr().err
