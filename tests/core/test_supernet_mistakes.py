"""What a user can get wrong with supernets: one clear line, or a failed row beside the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from harness import registry
from harness.records.record import RunRecord
from harness.suites import suite as suites
from harness.supernets.driver import Driver
from tests.core.supernet_suites import (
    CELLS,
    PROFILE,
    TRAINED,
    artefacts,
    give,
    method,
    one_line,
    run,
    write,
)

SHOTS = """
[[supernet]]
space = "nas-bench-1shot1-1"
dataset = "digits"
protocol = "looked-up.toml"
table = "nas-bench-1shot1-1-digits"
name = "cells"
"""


def refused(suite: Path, capsys: pytest.CaptureFixture[str], *more: object) -> str:
    """The one line that ``harness run`` ends with before anything runs."""
    capsys.readouterr()
    assert give("run", "--suite", suite, "--dry-run", *more) == 1
    error = capsys.readouterr().err
    one_line(error)
    return error


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (method("dart+magnitude"), "unknown trainer 'dart'; did you mean 'darts'"),
        (method("darts+magnitud"), "unknown selector 'magnitud'; did you mean 'magnitude'"),
        (method("darts+"), "unknown selector ''"),
        (method("darst"), "unknown method 'darst'"),
        (method("darts", frame="{ epoch = 3 }"), "'epoch'; did you mean 'epochs'"),
        (method("darts", frame="{ epochs = 0 }"), "darts's training frame is 0; it must be 1 to"),
        (method("darts", frame='{ epochs = "3" }'), "must be of type int"),
        (method("darts", settings="{ alpha_rate = 1.0 }"), "darts with magnitude 'alpha_rate'"),
        (method("darts", settings='{ order = "third" }'), "it must be first or second"),
        (method("random-search"), "random-search searches a [[benchmark]], and none takes part"),
    ],
)
def test_a_method_that_cannot_be_is_refused_before_anything_runs(
    wanted: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(write(tmp_path, wanted), capsys)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('dataset = "digits"', 'dataset = "digit"'), "unknown data set 'digit'"),
        (('space = "nas-bench-201"', 'space = "nas-bench-210"'), "unknown space 'nas-bench-210'"),
        (('space = "nas-bench-201"', 'space = "s1"'), "is of space nas-bench-201, not s1"),
        (('table = "nas-bench-201-digits"', 'table = "digits"'), "unknown table 'digits'"),
        (('table = "nas-bench-201-digits"', ""), "looked-up only looks architectures up, and"),
        (('"looked-up.toml"', '"trained.toml"'), "no [[answer]] to look up"),
        (('"looked-up.toml"', '"nas-bench-201-digit"'), "did you mean 'nas-bench-201-digits'"),
        (('"looked-up.toml"', '"none.toml"'), "none.toml"),
        (("table =", "tabel ="), "unknown key 'tabel'"),
        (("[[supernet]]", '[[supernet]]\nprofiles = ["paper"]'), "takes part in profile laptop"),
    ],
)
def test_a_supernet_entry_that_does_not_fit_is_one_line(
    change: tuple[str, str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = write(tmp_path, method("darts"), supernets=CELLS.replace(*change))
    assert message in refused(suite, capsys)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("learning_rate =", "learning_rat ="), "did you mean 'learning_rate'"),
        (("epochs = 3", "epochs = 0"), "setting epochs of [frame] is 0; it must be 1 to"),
        (("tuning_epochs = 1", "tuning_epoch = 1"), "'tuning_epoch'; did you mean 'tuning_epochs'"),
        (("tuning_epochs = 1", 'tuning_epochs = "1"'), "must be of type int"),
        (("[frame]", "[settings.dart]\norder = 1\n[frame]"), "unknown trainer or selector 'dart'"),
        (("[frame]", '[settings.darts]\nodrer = "first"\n[frame]'), "did you mean 'order'"),
        (('evaluation = "two-epochs.toml"', ""), "needs an [[answer]] to look up, or an evaluat"),
        (('"two-epochs.toml"', '"robust-darts"'), "did you mean 'robustdarts'"),
        (('"two-epochs.toml"', '"three.toml"'), "three.toml"),
        (("[settings]", "evaluation_seeds = []\n[settings]"), "give at least one"),
        (("[frame]", "[space.s22]\nepochs = 2\n[frame]"), "unknown space 's22'; did you mean"),
        (("[frame]", "[space.s2]\nepochs = -2\n[frame]"), "is -2; it must be 1 to"),
        (("[frame]", "[frames]"), "unknown key 'frames'; did you mean 'frame'"),
    ],
)
def test_a_supernet_protocol_that_cannot_be_is_one_line(
    change: tuple[str, str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = write(tmp_path, method("darts-pt"), supernets=TRAINED)
    protocol = tmp_path / "trained.toml"
    text = protocol.read_text("utf-8")
    assert change[0] in text
    protocol.write_text(text.replace(*change), "utf-8")
    assert message in refused(suite, capsys)


def test_a_data_folder_that_lacks_the_files_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "data"
    empty.mkdir()
    error = refused(Path("robustness"), capsys, "--profile", "paper", "--data", empty)
    assert str(empty) in error
    assert "cifar10" in error


def test_a_device_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    suite = write(tmp_path, method("darts"))
    said = refused(suite, capsys, "--device", "cuda")
    assert "device 'cuda' cannot be used here: torch" in said
    assert "without --device all is done on the CPU" in said


def test_a_genotype_of_another_space_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    cell = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    assert give("train", "s2", cell) == 1
    one_line(capsys.readouterr().err)
    genotype = "Genotype(normal=[], normal_concat=[2], reduce=[], reduce_concat=[2])"
    assert give("train", "nas-bench-201", genotype) == 1
    one_line(capsys.readouterr().err)


def failed_and_done(records: dict[str, RunRecord]) -> tuple[str, RunRecord]:
    """The reason of the one failed run, and the one that was done beside it."""
    ((name, bad),) = ((k, each) for k, each in records.items() if each.status == "failed")
    assert bad.trajectory is None
    assert bad.metrics == {}
    assert "\n" not in bad.reason, name
    (good,) = (each for each in records.values() if each.status == "done")
    return bad.reason, good


DIVERGING = "{ learning_rate = 1e30, clip = 0.0 }"


@pytest.mark.parametrize(
    ("supernets", "wanted", "reason"),
    [
        (CELLS, method("fixed-alpha+magnitude"), "'magnitude' needs a trainer that ranks"),
        (CELLS, method("darts", label='"bad"', frame=DIVERGING), "is NaN or infinite in epoch 1"),
        (SHOTS, method("pr-darts", frame="{ epochs = 3 }"), "chooses inputs apart"),
        (TRAINED, method("oracle"), "here architectures are trained: no table"),
        (TRAINED, method("darts", label='"bad"', frame="{ patch = 2 }"), "no flat skeleton"),
    ],
)
def test_what_cannot_be_done_is_a_failed_row_and_the_others_go_on(
    supernets: str, wanted: str, reason: str, tmp_path: Path
) -> None:
    suite = write(tmp_path, wanted, method("random-selection"), supernets=supernets)
    if supernets == SHOTS:
        protocol = tmp_path / "looked-up.toml"
        protocol.write_text(protocol.read_text("utf-8").replace("seed = 1", "seed = 0"), "utf-8")
    why, other = failed_and_done(run(suite, tmp_path / "runs.sqlite"))
    assert reason in why
    assert other.spec.label == "random-selection"


def test_a_device_without_enough_memory_fails_a_run_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = write(tmp_path, method("darts"), method("random-selection"))

    def exhausted(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nand more")

    with monkeypatch.context() as patch:
        patch.setattr(Driver, "steps", exhausted)
        records = run(suite, tmp_path / "runs.sqlite")
    assert (
        "ran out of memory: a smaller batch or fewer channels in [frame]"
        in (failed_and_done(records)[0])
    )
    again = run(suite, tmp_path / "runs.sqlite", "--retry-failed")
    assert {record.status for record in again.values()} == {"done"}


@pytest.mark.parametrize("kind", ["supernets", "selections"])
def test_a_damaged_artefact_is_named_and_made_again_once_it_is_gone(
    kind: str, tmp_path: Path, private_home: Path
) -> None:
    suite = write(tmp_path, method("darts"))
    before = run(suite, tmp_path / "one.sqlite")
    (folder,) = artefacts(private_home, kind)
    (folder / "state.pt").write_bytes(b"PK\x03\x04 cut off")
    (record,) = run(suite, tmp_path / "two.sqlite").values()
    assert record.status == "failed"
    assert f"{folder / 'state.pt'} is damaged" in record.reason
    assert "delete it" in record.reason
    (folder / "state.pt").unlink()
    (again,) = run(suite, tmp_path / "two.sqlite", "--retry-failed").values()
    assert again.final("test") == before["darts cells"].final("test")


def test_an_evaluation_that_was_edited_after_the_plan_is_not_mixed_up(tmp_path: Path) -> None:
    from harness.resources import Workshop
    from harness.runs.runner import execute
    from harness.tables.catalog import open_table
    from tests.core.supernet_suites import specs

    suite = write(tmp_path, method("random-selection"), supernets=TRAINED)
    (spec,) = specs(suite, Workshop())
    file = tmp_path / "two-epochs.toml"
    file.write_text(file.read_text("utf-8").replace("epochs = 2", "epochs = 1"), "utf-8")
    record = execute(spec, open_table, Workshop())
    assert "evaluation protocol two-epochs is not the one that the run was planned" in record.reason
    assert specs(suite, Workshop())[0].identity != spec.identity


def test_where_an_evaluations_file_lies_is_no_part_of_a_runs_identity(tmp_path: Path) -> None:
    from harness.resources import Workshop
    from tests.core.supernet_suites import specs

    found = [
        specs(write(tmp_path / name, method("darts"), supernets=TRAINED), Workshop())[0]
        for name in ("here", "there")
    ]
    assert found[0].identity == found[1].identity


def needs_more(name: str, profile: str) -> bool:
    """Whether a suite needs a folder of data, or a table that is neither shipped nor made up."""
    entries = suites.load(name).entries("supernet", profile)
    shipped = {"", "nas-bench-201", *registry.names("tables")}
    return any(entry.dataset != "digits" or entry.table not in shipped for entry in entries)


@pytest.mark.usefixtures("table_home")
@pytest.mark.parametrize(
    ("name", "profile"),
    [
        (name, profile)
        for name in suites.PRESETS.names()
        for profile in suites.load(name).file.profile
    ],
)
def test_every_shipped_suite_can_be_planned(
    name: str, profile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ("run", "--suite", name, "--profile", profile, "--dry-run", "--data", tmp_path)
    if needs_more(name, profile):
        assert give(*wanted) == 1
        one_line(capsys.readouterr().err)
        return
    assert give(*wanted) == 0
    printed = capsys.readouterr().out
    assert "runs" in printed
    assert "judged by" in printed


def test_a_suite_needs_a_benchmark_or_a_supernet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "none.toml"
    suite.write_text('summary = "none"\n' + PROFILE + method("darts"), "utf-8")
    assert "needs a [[benchmark]] or a [[supernet]]" in refused(suite, capsys)
