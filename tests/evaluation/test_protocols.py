"""Evaluation protocols: the published numbers, schedules by hand, and files that are refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import BadSuite, HarnessError, UnknownName
from harness.protocols.evaluation import (
    PRESETS,
    EvaluationProtocol,
    Rules,
    evaluation_protocol,
    load,
)
from tests.docs.pages import ROOT
from tests.evaluation.toys import toy_protocol

FOLDER = ROOT / "harness" / "protocols" / "evaluations"
DARTS = {
    "train_on": "train+valid",
    "channels": 36,
    "cells": 20,
    "epochs": 600,
    "batch": 96,
    "drop_last": False,
    "learning_rate": 0.025,
    "final_learning_rate": 0.0,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 3e-4,
    "clip": 5.0,
    "crop_padding": 4,
    "flip": True,
    "cutout": 16,
    "drop_path": 0.2,
    "auxiliary_weight": 0.4,
    "precision": "float32",
}


def rules(protocol: EvaluationProtocol) -> dict[str, Any]:
    content = msgspec.structs.asdict(protocol)
    return {key: content[key] for key in content if key not in ("name", "summary", "source")}


def test_the_folder_holds_these_protocols() -> None:
    assert PRESETS.names() == ["darts", "digits-small", "robustdarts"]
    assert sorted(file.stem for file in FOLDER.glob("*.toml")) == PRESETS.names()


def test_darts_is_as_published() -> None:
    for dataset in ("cifar10", "cifar100"):
        assert rules(evaluation_protocol("darts", space="darts", dataset=dataset)) == DARTS


@pytest.mark.parametrize(
    ("space", "dataset", "cells", "channels"),
    [
        ("s1", "cifar10", 20, 36),
        ("s2", "cifar10", 20, 16),
        ("s3", "cifar10", 20, 36),
        ("s4", "cifar10", 20, 16),
        ("s3", "cifar10-jpeg", 20, 36),
        *[(f"s{i}", dataset, 8, 16) for i in (1, 2, 3, 4) for dataset in ("cifar100", "svhn")],
    ],
)
def test_robustdarts_is_as_published(space: str, dataset: str, cells: int, channels: int) -> None:
    found = rules(evaluation_protocol("robustdarts", space=space, dataset=dataset))
    assert found == {**DARTS, "cells": cells, "channels": channels}


def test_the_learning_rate_falls_along_half_a_cosine() -> None:
    # cos 45 degrees is 0.70710678: 0.05 (1 + 0.70710678) = 0.08535534.
    protocol = toy_protocol(epochs=4, learning_rate=0.1, final_learning_rate=0.0)
    rates = [protocol.learning_rate_at(epoch) for epoch in range(4)]
    assert rates == pytest.approx([0.1, 0.08535534, 0.05, 0.01464466])
    higher = toy_protocol(epochs=4, learning_rate=0.1, final_learning_rate=0.02)
    assert higher.learning_rate_at(2) == pytest.approx(0.06)


def test_drop_path_grows_from_zero() -> None:
    protocol = toy_protocol(epochs=4, drop_path=0.2)
    rates = [protocol.drop_path_at(epoch) for epoch in range(4)]
    assert rates == pytest.approx([0.0, 0.05, 0.1, 0.15])


def test_every_number_changes_the_identity_and_no_word_does() -> None:
    protocol = toy_protocol()
    for name in msgspec.structs.asdict(protocol):
        value = getattr(protocol, name)
        other: Any = f"{value}!" if isinstance(value, str) else value + 1
        changed = msgspec.structs.replace(protocol, **{name: other})
        is_word = name in ("name", "summary", "source")
        assert (changed.identity == protocol.identity) == is_word, name


def written(folder: Path, change: str = "", name: str = "own") -> Path:
    """The file of ``darts`` with a line replaced, or lines added at the end."""
    text = (FOLDER / "darts.toml").read_text("utf-8")
    key = change.partition(" ")[0]
    line = re.search(rf"^{re.escape(key)} .*$", text, re.MULTILINE) if key else None
    text = text.replace(line[0], change) if line else f"{text}{change}\n"
    path = folder / f"{name}.toml"
    path.write_text(text, "utf-8")
    return path


def resolved(path: Path) -> EvaluationProtocol:
    return evaluation_protocol(str(path), space="darts", dataset="cifar10")


def test_a_file_of_ones_own_is_a_protocol(tmp_path: Path) -> None:
    protocol = resolved(written(tmp_path, "epochs = 50"))
    assert (protocol.name, protocol.epochs, protocol.cells) == ("own", 50, 20)


OVERRIDE = '[[override]]\nspaces = ["darts"]\n'


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("epocs = 3", "unknown key 'epocs'; did you mean 'epochs'?"),
        ("epochs = 0", "epochs is 0; it must be 1 to 100,000"),
        ('epochs = "many"', "epochs is 'many'; it must be of type int"),
        ("batch = 1", "batch is 1; it must be 2 to"),
        ("cutout = 3", "cutout is 3; it must be 0 to 1,000, a multiple of 2"),
        ("clip = inf", "clip is inf; it must be finite, at least 0"),
        ("weight_decay = nan", "weight_decay is nan; it must be finite, at least 0"),
        ("drop_path = 1.0", "drop_path is 1.0; it must be at least 0, below 1"),
        ('train_on = "test"', "train_on is 'test'; it must be train or train+valid"),
        ('precision = "float16"', "it must be bfloat16 or float32"),
        ("momentum = 0.0\nnesterov = true\n#", "nesterov needs a momentum"),
        ("final_learning_rate = 0.1", "it must be at most the learning_rate"),
        (OVERRIDE, "key 'change' is missing"),
        (f"{OVERRIDE}change = {{ cels = 3 }}", "override 1: unknown key 'cels'"),
        (f"{OVERRIDE}change = {{ cells = 0 }}", "override 1: cells is 0; it must be"),
        (f'{OVERRIDE}change = {{ name = "x" }}', "override 1 changes the name"),
        (f"{OVERRIDE}change = {{ }}\nspace = 3", "unknown key 'space'"),
    ],
)
def test_wrong_files_are_refused_in_one_line(tmp_path: Path, change: str, said: str) -> None:
    path = written(tmp_path, change)
    if "nesterov = true" in change:
        path.write_text(path.read_text("utf-8").replace("nesterov = false", ""), "utf-8")
    with pytest.raises(BadSuite) as caught:
        resolved(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", Rules.__struct_fields__)
def test_no_number_has_a_default(tmp_path: Path, key: str) -> None:
    path = written(tmp_path, f"{key} ")
    text = "\n".join(line for line in path.read_text("utf-8").splitlines() if line != f"{key} ")
    path.write_text(text, "utf-8")
    with pytest.raises(BadSuite, match=f"key '{key}' is missing"):
        resolved(path)


def test_of_two_overrides_the_later_wins(tmp_path: Path) -> None:
    twice = (
        f"{OVERRIDE}change = {{ cells = 3, epochs = 4 }}\n[[override]]\nchange = {{ cells = 5 }}"
    )
    protocol = resolved(written(tmp_path, twice))
    assert (protocol.cells, protocol.epochs) == (5, 4)
    elsewhere = evaluation_protocol(str(tmp_path / "own.toml"), space="s1", dataset="svhn")
    assert (elsewhere.cells, elsewhere.epochs) == (5, 600)


def test_unknown_names_are_told_their_neighbours() -> None:
    with pytest.raises(UnknownName, match="did you mean 'darts'"):
        evaluation_protocol("dart", space="darts", dataset="cifar10")


def test_a_file_may_not_take_the_name_of_a_shipped_protocol(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="ships and says otherwise"):
        resolved(written(tmp_path, "epochs = 50", name="darts"))
    assert resolved(written(tmp_path, name="darts")).epochs == 600


def test_the_page_shows_the_files_numbers() -> None:
    """The table of docs/evaluation.md has a column for each protocol and a row for each number."""
    page = (ROOT / "docs" / "evaluation.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    header = next(row for row in rows if row.startswith("| key |"))
    names = re.findall(r"`([\w-]+)`", header)
    assert names == PRESETS.names()
    shown = {cells[1].strip(" `"): cells[2:-1] for cells in (row.split("|") for row in rows)}
    for column, name in enumerate(names):
        _, content = load(name)
        for key, value in msgspec.structs.asdict(content).items():
            if key not in ("summary", "source", "override"):
                text = str(value).lower() if isinstance(value, bool) else str(value)
                assert shown[key][column].strip() == text, (name, key)
