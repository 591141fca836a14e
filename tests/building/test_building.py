"""A build can be cut off, split, merged and repeated, and the table is the same."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from rich.console import Console

from adapters.spaces.nas_bench_201 import SPACE
from harness.commands.tables.build import Stopwatch, build, reporting
from harness.errors import BadTable, HarnessError, MissingCell
from harness.spaces import Epochs
from harness.tables import catalog
from harness.tables.building.build import failures, train_chunks, write_table
from harness.tables.building.contract import TrainedBatch
from harness.tables.building.journal import BuildJournal
from harness.tables.building.plan import BuildPlan, Chunk, Shard
from harness.tables.table import BenchmarkTable
from tests.building.toys import ToyTrainer, toy_plan

SEEDS = (0, 4)


class SlowTrainer(ToyTrainer):
    """Trains as the toy does, in twice the time."""

    def train(self, *args: object, **named: object) -> TrainedBatch:
        batch = super().train(*args, **named)  # type: ignore[arg-type]
        return batch._replace(seconds=2 * batch.seconds)


@pytest.fixture
def trainer(tmp_path: Path) -> ToyTrainer:
    return ToyTrainer(tmp_path / "diary")


def calls(trainer: ToyTrainer) -> list[str]:
    """The trainings of chunks so far, without the process that did them."""
    lines = trainer.diary.read_text().splitlines() if trainer.diary.exists() else []
    return [line.partition(" ")[2] for line in lines]


def do_build(plan: BuildPlan, folder: Path, chunks: list[Chunk], workers: int = 1) -> BuildJournal:
    journal = BuildJournal(folder, plan)
    with journal.locked():
        train_chunks(plan, journal, chunks, workers=workers, device="cpu", finished=lambda _: None)
    return journal


def make_table(plan: BuildPlan, journal: BuildJournal, folder: Path) -> BenchmarkTable:
    written = write_table(plan, journal, SEEDS, folder=folder, name="toy", replace=False)
    return BenchmarkTable.open(written, SPACE)


def test_table_holds_what_was_trained(trainer: ToyTrainer, tmp_path: Path) -> None:
    plan = toy_plan(trainer)
    table = make_table(plan, do_build(plan, tmp_path / "w", plan.chunks(SEEDS)), tmp_path / "t")
    for group in plan.groups:
        for cell in group:
            asked = {"dataset": "toy", "split": "valid", "epochs": 12, "seed": 4}
            value = table.query(cell, metric="accuracy", **asked)
            assert value == group[0].key % 50 + 4 + 12 + 10
            assert table.query(cell, metric="loss", **asked) == pytest.approx(value / 100)
            cost = {"dataset": "toy"}
            assert table.cost(cell, quantity="parameters_m", **cost) == cell.key + 1
            assert table.cost(cell, quantity="flops_m", **cost) == 2 * cell.key
            seconds = table.cost(cell, quantity="train_seconds_per_epoch", **cost)
            assert seconds == pytest.approx((group[0].key + 12) / 12)


def test_every_split_is_held_after_every_epoch(trainer: ToyTrainer, tmp_path: Path) -> None:
    plan = toy_plan(trainer)
    table = make_table(plan, do_build(plan, tmp_path / "w", plan.chunks(SEEDS)), tmp_path / "t")
    blocks = {(block.split, block.epochs) for block in table.manifest.blocks}
    every = tuple(range(1, 13))
    assert blocks == {("train", every), ("valid", every), ("test", every)}


def test_second_build_trains_nothing(trainer: ToyTrainer, tmp_path: Path) -> None:
    plan = toy_plan(trainer)
    do_build(plan, tmp_path, plan.chunks(SEEDS))
    assert len(calls(trainer)) == len(plan.chunks(SEEDS)) == 8
    do_build(plan, tmp_path, plan.chunks(SEEDS))
    assert len(calls(trainer)) == 8
    do_build(plan, tmp_path, plan.chunks((*SEEDS, 9)))
    assert len(calls(trainer)) == 12


def test_workers_and_shards_give_the_same_table(trainer: ToyTrainer, tmp_path: Path) -> None:
    plan = toy_plan(trainer)
    alone = make_table(plan, do_build(plan, tmp_path / "a", plan.chunks(SEEDS)), tmp_path / "ta")
    both = do_build(plan, tmp_path / "b", plan.chunks(SEEDS), workers=2)
    assert make_table(plan, both, tmp_path / "tb").checksum == alone.checksum
    parts = [do_build(plan, tmp_path / f"s{i}", plan.chunks(SEEDS, Shard(i, 3))) for i in (1, 2, 3)]
    taken = [parts[0].take_over(part.folder, plan.chunks(SEEDS)) for part in parts[1:]]
    assert taken == [2, 2]
    assert sorted(calls(trainer)) == sorted(calls(trainer)[:8] * 3)
    assert make_table(plan, parts[0], tmp_path / "ts").checksum == alone.checksum


def test_killed_build_goes_on(trainer: ToyTrainer, tmp_path: Path) -> None:
    """kill -9 in the midst of training: what is finished is neither lost nor trained again."""
    code = (
        "import sys; from pathlib import Path; from tests.building.toys import *\n"
        "from tests.building.test_building import do_build\n"
        "plan = toy_plan(ToyTrainer(Path(sys.argv[1]), pause=0.2))\n"
        "do_build(plan, Path(sys.argv[2]), plan.chunks((0, 4)))"
    )
    work = tmp_path / "work"
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(trainer.diary), str(work)], cwd=root
    )
    while len(list(work.glob("seed-*/*.npz"))) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list(work.glob("seed-*/*.npz")))
    plan = toy_plan(trainer)
    do_build(plan, work, plan.chunks(SEEDS))
    assert len(calls(trainer)) <= 8 + 1
    assert len(set(calls(trainer))) == 8
    assert sorted(calls(trainer)[-(8 - kept) :]) == sorted(
        f"{chunk.seed} {' '.join(map(str, plan.keys(chunk)))}"
        for chunk in plan.chunks(SEEDS)[kept:]
    )


def test_half_written_chunk_does_not_count(trainer: ToyTrainer, tmp_path: Path) -> None:
    plan = toy_plan(trainer)
    chunk = plan.chunks([0])[1]
    journal = do_build(plan, tmp_path, [chunk])
    file = tmp_path / "seed-0" / "00001.npz"
    whole = file.read_bytes()
    file.unlink()
    assert not journal.holds(chunk)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadTable, match=r"00001\.npz is damaged .* delete it"):
        journal.read(chunk)


def test_what_a_killed_build_left_half_written_is_removed(
    trainer: ToyTrainer, tmp_path: Path
) -> None:
    plan = toy_plan(trainer)
    do_build(plan, tmp_path, plan.chunks([0]))
    left = [tmp_path / ".build.json-abc.partial", tmp_path / "seed-0" / ".00001.npz-abc.partial"]
    for file in left:
        file.write_bytes(b"half")
    do_build(plan, tmp_path, plan.chunks([0]))
    assert not any(file.exists() for file in left)


def test_failed_training_is_missing_and_told(trainer: ToyTrainer, tmp_path: Path) -> None:
    burnt = toy_plan(trainer).groups[2][0]
    plan = toy_plan(ToyTrainer(trainer.diary, failing=(burnt.key,)))
    journal = do_build(plan, tmp_path / "w", plan.chunks(SEEDS))
    text = SPACE.format(burnt)
    assert failures(plan, journal, SEEDS) == [(text, 0, "it burnt"), (text, 4, "it burnt")]
    table = make_table(plan, journal, tmp_path / "t")
    asked = {"metric": "accuracy", "dataset": "toy", "split": "valid", "seed": 0}
    assert table.query(burnt, epochs=Epochs(1, 12), **asked) == burnt.key % 50 + 11
    with pytest.raises(MissingCell):
        table.query(burnt, epochs=Epochs(2, 12), **asked)
    assert "2 trainings failed" in table.manifest.info.description


def test_folder_of_another_build_is_refused(trainer: ToyTrainer, tmp_path: Path) -> None:
    BuildJournal(tmp_path, toy_plan(trainer))
    changed = toy_plan(ToyTrainer(trainer.diary, version=2))
    with pytest.raises(HarnessError, match="take another folder"):
        BuildJournal(tmp_path, changed)


def test_only_a_folder_of_a_build_is_merged(trainer: ToyTrainer, tmp_path: Path) -> None:
    journal = BuildJournal(tmp_path / "w", toy_plan(trainer))
    (tmp_path / "other").mkdir()
    with pytest.raises(HarnessError, match="is no folder of a build"):
        journal.take_over(tmp_path / "other", [])
    assert list((tmp_path / "other").iterdir()) == []


def test_folder_in_use_is_refused(trainer: ToyTrainer, tmp_path: Path) -> None:
    plan = toy_plan(trainer)
    first, second = BuildJournal(tmp_path, plan), BuildJournal(tmp_path, plan)
    with first.locked(), pytest.raises(HarnessError, match="another process"), second.locked():
        pass
    with second.locked():
        pass


def test_unfinished_build_writes_no_table(trainer: ToyTrainer, tmp_path: Path) -> None:
    plan = toy_plan(trainer)
    journal = do_build(plan, tmp_path / "w", plan.chunks(SEEDS)[:-1])
    with pytest.raises(HarnessError, match="1 chunks are not trained yet"):
        make_table(plan, journal, tmp_path / "t")
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_bad_shard(text: str) -> None:
    with pytest.raises(HarnessError, match="shard"):
        Shard.parse(text)


def test_shards_cut_the_work_without_remainder(trainer: ToyTrainer) -> None:
    plan = toy_plan(trainer)
    parts = [plan.chunks(SEEDS, Shard(i, 3)) for i in (1, 2, 3)]
    assert sorted(chunk for part in parts for chunk in part) == sorted(plan.chunks(SEEDS))


def test_command_builds_merges_and_refuses_to_overwrite(
    trainer: ToyTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BuildPlan, "of", lambda *names: toy_plan(trainer))
    common = ["nas-bench-201", "--seeds", "0,4", "--name", "toy"]

    def run(*more: str) -> str:
        result = CliRunner().invoke(build, [*common, *more], catch_exceptions=False)
        assert result.exit_code == 0
        return result.output

    first = run("--shard", "1/2", "--work", str(tmp_path / "one"))
    assert "4 chunks of other shards are missing" in first
    second = run(
        "--shard", "2/2", "--work", str(tmp_path / "two"), "--merge", str(tmp_path / "one")
    )
    assert "took 4 chunks" in second
    assert "4/4 chunk 3 of seed 4" in second
    assert f"wrote {catalog.imported('toy')}" in second
    assert len(calls(trainer)) == 8
    assert np.isfinite(catalog.open_table("toy").query(
        toy_plan(trainer).groups[0][1],
        metric="accuracy", dataset="toy", split="test", epochs=12, seed="mean",
    ))  # fmt: skip
    with pytest.raises(HarnessError, match="exists already"):
        run("--work", str(tmp_path / "one"))


def test_the_same_results_are_known_by_their_checksum(trainer: ToyTrainer, tmp_path: Path) -> None:
    """Seconds are part of the checksum, which searches rest on, and not of the results'."""
    plan, slow = toy_plan(trainer), toy_plan(SlowTrainer(trainer.diary))
    tables = [
        make_table(each, do_build(each, tmp_path / f"w{i}", each.chunks(SEEDS)), tmp_path / f"t{i}")
        for i, each in enumerate((plan, slow))
    ]
    assert len({table.checksum for table in tables}) == 2
    assert len({table.manifest.results_checksum for table in tables}) == 1
    asked = {"quantity": "train_seconds_per_epoch", "dataset": "toy"}
    first, second = (table.cost_column(**asked) for table in tables)
    np.testing.assert_allclose(second, 2 * first)


@pytest.mark.parametrize("device", ["cuda", "meta", "gpu"])
def test_a_device_that_is_not_there_is_refused_before_anything_is_written(
    trainer: ToyTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has the device")
    monkeypatch.setattr(BuildPlan, "of", lambda *names: toy_plan(trainer))
    work = tmp_path / "work"
    arguments = ["nas-bench-201", "--work", str(work), "--device", device]
    with pytest.raises(HarnessError, match=f"device '{device}' cannot be used here: ") as caught:
        CliRunner().invoke(build, arguments, catch_exceptions=False)
    assert "\n" not in str(caught.value)
    assert not work.exists()


def test_a_terminal_gets_a_bar_and_a_log_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=100)
    with reporting(2, terminal) as finished:
        finished("chunk 0 of seed 1")
        finished("chunk 1 of seed 1")
    assert "chunk 1 of seed 1" in shown.getvalue()
    assert "2/2" in shown.getvalue()
    assert capsys.readouterr() == ("", "")
    with reporting(2, Console(file=shown, force_terminal=False)) as finished:
        finished("chunk 0 of seed 1")
    assert capsys.readouterr().err.startswith("1/2 chunk 0 of seed 1: 0.0 min gone")


def test_stopwatch_counts_what_is_left() -> None:
    watch = Stopwatch(2)
    assert watch.line("a").startswith("1/2 a: 0.0 min gone")
    assert watch.line("b").endswith(", 0.0 to go")
