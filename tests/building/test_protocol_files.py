"""A training protocol of one's own: a file that says everything, or one line of what is wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from harness.cli import run
from harness.errors import BadSuite, HarnessError
from harness.protocols.table_training import TrainingProtocol, training_protocol
from harness.tables import catalog
from harness.tables.building.plan import BuildPlan
from harness.tables.building.retraining import plan_of
from tests.building.toys import ToyTrainer, toy_plan

FLAT = training_protocol("flat-12")


def write(path: Path, **changed: Any) -> Path:
    """``flat-12`` as a file, with some keys changed; None leaves one out."""
    content = {**dataclasses.asdict(FLAT), **changed}
    del content["name"]
    lines = [
        f"{key} = {value!r}".replace("'", '"')
        for key, value in content.items()
        if value is not None
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_a_file_says_all_that_a_protocol_is(tmp_path: Path) -> None:
    own = training_protocol(str(write(tmp_path / "own.toml", epochs=3)))
    assert own == dataclasses.replace(FLAT, name="own", epochs=3)
    same = training_protocol(str(write(tmp_path / "same.toml")))
    assert same.identity == FLAT.identity != own.identity


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"momentun": 3}, "unknown key 'momentun'; did you mean 'momentum'?"),
        ({"patch": None}, "key 'patch' is missing"),
        ({"epochs": 0}, "epochs is 0; it must be 1 to 100,000"),
        ({"batch": 1.5}, "batch is 1.5; it must be of type int, 1 to 1,000,000"),
        ({"momentum": 1.0}, "momentum is 1.0; it must be above 0, below 1"),
        ({"momentum": 0.0}, "momentum is 0.0; it must be above 0, below 1"),
        ({"learning_rate": -0.1}, "learning_rate is -0.1; it must be above 0"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    file = write(tmp_path / "own.toml", **changed)
    with pytest.raises(BadSuite) as caught:
        training_protocol(str(file))
    assert str(caught.value) == f"{file}: {said}"


def test_a_shipped_name_means_one_protocol(tmp_path: Path) -> None:
    assert training_protocol(str(write(tmp_path / "flat-12.toml"))).identity == FLAT.identity
    with pytest.raises(HarnessError, match="'flat-12' is the name of a protocol that ships"):
        training_protocol(str(write(tmp_path / "flat-12.toml", cells=3)))


def test_a_table_built_by_a_file_can_be_checked_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = ToyTrainer(tmp_path / "diary")

    def planned(space: str, dataset: str, protocol: TrainingProtocol) -> BuildPlan:
        return dataclasses.replace(toy_plan(trainer), protocol=protocol)

    monkeypatch.setattr(BuildPlan, "of", planned)
    file = write(tmp_path / "short.toml", epochs=2)
    options = ["--seeds", "0", "--name", "toy", "--protocol", str(file)]
    assert run(["tables", "build", "nas-bench-201", *options]) == 0
    file.unlink()
    table = catalog.open_table("toy")
    assert plan_of(table).protocol == dataclasses.replace(FLAT, name="short", epochs=2)
    assert {block.epochs for block in table.manifest.blocks} == {(1, 2)}
    assert run(["tables", "verify", "toy", "--sample", "2"]) == 0
    assert run(["tables", "info", "toy"]) == 0
    assert "by short, " in capsys.readouterr().out
