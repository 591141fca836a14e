"""A selection of several architectures: kept, judged one by one, and shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import registry
from harness.supernets.selectors import (
    Chosen,
    Selection,
    SelectorMethod,
    TrainedSupernet,
    margins,
)
from harness.tables.catalog import open_table
from tests.core.supernet_suites import (
    CELLS,
    TRAINED,
    artefacts,
    content,
    contents,
    give,
    method,
    run,
    write,
)


@dataclass(frozen=True)
class NoSettings:
    """There is nothing to choose."""


def select(trained: TrainedSupernet, settings: NoSettings) -> Selection:
    """The trainer's answer, with two architectures drawn at random and the answer again."""
    scores = list(trained.scores())
    answer = trained.space.discretise(scores, trained.edge_scores())
    family = (
        Chosen("few FLOPs", trained.space.sample(trained.rng), {"flops_m": 0.25}),
        Chosen("high accuracy", answer, {"accuracy": 50.0, "flops_m": 0.5}),
    )
    gaps = margins(trained.space.choice_groups, scores)
    return Selection(answer, scores, gaps, family=family)


SELECTOR = SelectorMethod(
    summary="A front of two", source="a test", settings=NoSettings, select=select
)


@pytest.fixture(autouse=True)
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if a package with the selector were installed; results lie in a home of their own."""
    folder = tmp_path / "fronts-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: fronts\nVersion: 1.0\n")
    entry = f"[nas_harness.selectors]\nfront = {__name__}:SELECTOR\n"
    (folder / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("NAS_HARNESS_HOME", str(tmp_path / "home"))
    registry._entries.cache_clear()
    yield
    monkeypatch.undo()
    registry._entries.cache_clear()


def shown(suite: Path, store: Path, folder: Path) -> list[dict[str, Any]]:
    """The rows of the table of selections."""
    given = ("--suite", suite, "--store", store, "--table", "selections")
    assert give("leaderboard", *given, "--format", "json", "--output", folder / "rows.json") == 0
    content = json.loads((folder / "rows.json").read_text("utf-8"))
    return [row for view in content["tables"] for row in view["rows"]]


def test_every_architecture_is_looked_up_kept_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = write(tmp_path, method("darts+front"), method("darts"))
    with (tmp_path / "looked-up.toml").open("a", encoding="utf-8") as file:
        file.write(
            '\n[[answer]]\nname = "flops"\ndataset = "digits"\nrole = "test"\n'
            'objective = "flops_m"\n'
        )
    found = run(suite, tmp_path / "runs.sqlite")
    record = found["darts+front cells"]
    table = open_table("nas-bench-201-digits")
    few, high = record.details["family"]
    for each in (few, high):
        architecture = table.space.parse(each["architecture"])
        flops = table.cost(architecture, quantity="flops_m", dataset="digits")
        assert each["answers"]["flops"] == flops
        assert set(each["answers"]) == {"test", "validation", "flops"}
    assert (few["purpose"], few["expected"]) == ("few FLOPs", {"flops_m": 0.25})
    trajectory = record.trajectory
    assert trajectory is not None
    assert high["architecture"] == trajectory.architectures[-1]
    assert high["answers"] == {name: values[-1] for name, values in trajectory.answers.items()}
    # The answer is that of the trainer's own rule, of which the family changes nothing.
    assert "family" not in found["darts cells"].details
    assert record.final("test") == found["darts cells"].final("test")

    rows = shown(suite, tmp_path / "runs.sqlite", tmp_path)
    told = [(row["label"], row["purpose"], row["answer"], row["mean"]) for row in rows]
    expected = [
        ("darts+front", None, high["answers"]),
        ("darts+front", "few FLOPs", few["answers"]),
        ("darts+front", "high accuracy", high["answers"]),
        ("darts", None, high["answers"]),
    ]
    assert told == [
        (label, purpose, answer, pytest.approx(values[answer]))
        for answer in ("test", "validation", "flops")
        for label, purpose, values in expected
    ]
    capsys.readouterr()
    given = ("--suite", suite, "--store", tmp_path / "runs.sqlite", "--table", "selections")
    assert give("leaderboard", *given) == 0
    assert "few FLOPs" in capsys.readouterr().out


def test_every_architecture_is_trained(tmp_path: Path) -> None:
    suite = write(tmp_path, method("untrained+front"), supernets=TRAINED)
    (record,) = run(suite, tmp_path / "runs.sqlite").values()
    few, high = record.details["family"]
    assert few["architecture"] != high["architecture"]
    assert high["answers"] == {"test": record.final("test")}
    assert set(few["answers"]) == {"test"}
    # Two networks were trained: the answer stands in the family once more.
    assert record.metrics["trainings"] == 2
    assert len(artefacts(tmp_path / "home", "architectures")) == 2


def test_a_kept_family_is_read_again_and_a_selection_without_one_still_is(tmp_path: Path) -> None:
    suite = write(tmp_path, method("darts+front"), supernets=CELLS + TRAINED)
    first = run(suite, tmp_path / "first.sqlite")
    again = run(suite, tmp_path / "again.sqlite")
    assert contents(again) == contents(first)
    for kept in artefacts(tmp_path / "home", "selections"):
        state = torch.load(kept / "state.pt", weights_only=True)
        # As selections were kept before there were families.
        del state["family"]
        torch.save(state, kept / "state.pt")
    old = run(suite, tmp_path / "old.sqlite")
    for name, record in old.items():
        told = content(first[name])
        del told["details"]["family"]
        assert content(record) == told
