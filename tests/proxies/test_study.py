"""The study of a whole table: what is scored, kept, gone on with and printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.datasets.digits import DATASET
from adapters.proxies.counts import FLOPS, PARAMS
from adapters.proxies.synflow import SYNFLOW
from adapters.proxies.weight_gradients import SNIP
from adapters.spaces.nas_bench_201 import SPACE, parameters
from adapters.tables import NAS_BENCH_201_DIGITS
from harness import registry
from harness.cli import run
from harness.errors import HarnessError
from harness.proxies.contract import Proxy
from harness.proxies.journal import ProxyScores, ScoreJournal
from harness.proxies.study import ProxyStudy, missing_work, score_all, unique_architectures
from harness.tables.table import BenchmarkTable
from tests.proxies.networks import PROXIES

CHOSEN: dict[str, Proxy] = {"snip": SNIP, "synflow": SYNFLOW, "params": PARAMS}
COMMAND = [
    *("proxies", "study", "--table", "nas-bench-201-digits", "--column", "digits/test/12/mean"),
    *("--dataset", "digits", "--channels", "4", "--cells", "1", "--batch", "8", "--sample", "12"),
]


@pytest.fixture(scope="module")
def table() -> BenchmarkTable:
    return BenchmarkTable.open(Path(NAS_BENCH_201_DIGITS), SPACE)


@pytest.fixture(scope="module")
def cells(table: BenchmarkTable) -> list[Any]:
    return unique_architectures(table, 0)[:12]


def small_study(seed: int = 0) -> ProxyStudy:
    return ProxyStudy.of(SPACE, DATASET.load(), channels=4, cells=1, batch=8, seed=seed)


def score(
    folder: Path, cells: list[Any], proxies: dict[str, Proxy] = CHOSEN, *, workers: int = 1
) -> tuple[dict[int, ProxyScores], int]:
    """All scores in the folder's journal after a study of these cells; how many were scored."""
    study = small_study()
    journal = ScoreJournal(folder / "scores.jsonl", study.about)
    with journal.locked():
        work = missing_work(study, journal, cells, proxies)
        done = sum(1 for _ in score_all(study, journal, work, workers=workers))
        return journal.read(), done


def test_the_same_scores_from_any_order_and_number_of_workers(
    tmp_path: Path, cells: list[Any]
) -> None:
    one, _ = score(tmp_path / "one", cells)
    two, _ = score(tmp_path / "two", cells[::-1], workers=2)
    assert one == two
    assert len(one) == 12
    for cell in cells:
        assert one[SPACE.key(cell)]["params"] == parameters(cell, small_study().shape)


def test_a_study_goes_on_where_its_file_was_cut(tmp_path: Path, cells: list[Any]) -> None:
    whole, _ = score(tmp_path / "whole", cells)
    score(tmp_path / "cut", cells[:6])
    file = tmp_path / "cut" / "scores.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    found, done = score(tmp_path / "cut", cells)
    assert done == 7
    assert found == whole
    assert score(tmp_path / "cut", cells) == (whole, 0)


def test_another_proxy_leaves_the_known_scores(tmp_path: Path, cells: list[Any]) -> None:
    before, _ = score(tmp_path, cells[:3])
    after, done = score(tmp_path, cells[:3], {**CHOSEN, "flops": FLOPS})
    assert done == 3
    assert {key: set(found) - set(before[key]) for key, found in after.items()} == {
        key: {"flops"} for key in before
    }
    assert {key: {**found, **before[key]} for key, found in after.items()} == after


def test_a_file_cut_in_its_first_line_begins_anew(tmp_path: Path, cells: list[Any]) -> None:
    file = tmp_path / "scores.jsonl"
    file.write_text('{"version": 1, "spa')
    found, done = score(tmp_path, cells[:2])
    assert (len(found), done) == (2, 2)


def test_a_damaged_line_is_named(tmp_path: Path, cells: list[Any]) -> None:
    score(tmp_path, cells[:3])
    file = tmp_path / "scores.jsonl"
    lines = file.read_text("utf-8").splitlines()
    lines[2] = lines[2][:30]
    file.write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(HarnessError, match=r"line 3 of .*scores.jsonl is damaged"):
        score(tmp_path, cells)


def test_a_file_of_another_study_is_refused(tmp_path: Path, cells: list[Any]) -> None:
    score(tmp_path, cells[:1])
    journal = ScoreJournal(tmp_path / "scores.jsonl", small_study(seed=1).about)
    with journal.locked(), pytest.raises(HarnessError, match="another study"):
        journal.read()


def test_a_file_that_another_process_writes_is_left_alone(tmp_path: Path) -> None:
    journal = ScoreJournal(tmp_path / "scores.jsonl", small_study().about)
    with (
        journal.locked(),
        pytest.raises(HarnessError, match="another process"),
        ScoreJournal(journal.path, {}).locked(),
    ):
        pass


def test_studies_that_could_differ_have_files_of_their_own() -> None:
    dataset = DATASET.load()
    names = {
        ProxyStudy.of(SPACE, dataset, channels=channels, cells=1, batch=batch, seed=seed).name
        for channels, batch, seed in ((4, 8, 0), (4, 8, 1), (4, 9, 0), (5, 8, 0))
    }
    assert len(names) == 4
    with pytest.raises(HarnessError, match="400 training images"):
        ProxyStudy.of(SPACE, dataset, channels=4, cells=1, batch=401, seed=0)


def test_one_cell_of_each_function_in_an_order_of_the_seed(table: BenchmarkTable) -> None:
    found = unique_architectures(table, 0)
    assert len(found) == 6466
    assert len({SPACE.canonical(cell) for cell in found}) == 6466
    assert found == unique_architectures(table, 0) != unique_architectures(table, 1)


def test_all_proxies_are_registered() -> None:
    for name, proxy in PROXIES.items():
        assert registry.load("proxies", name, Proxy) is proxy


def test_the_command_prints_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*COMMAND, "--proxies", "snip,synflow,jacob-cov,params"]) == 0
    first = capsys.readouterr()
    assert "12 of 6,466 different cells of table nas-bench-201-digits" in first.out
    assert all(name in first.out for name in ("snip", "synflow", "jacob-cov", "vote", "params"))
    assert "% of the pairs are right" in first.out
    assert "12/12 cells" in first.err
    assert run([*COMMAND, "--proxies", "snip,synflow,jacob-cov,params", "--json"]) == 0
    second = capsys.readouterr()
    assert "12 of them scored before" in second.err
    ranks = json.loads(second.out)
    assert {rank["proxy"] for rank in ranks} == {"snip", "synflow", "jacob-cov", "params", "vote"}
    assert all(rank["n"] + rank["absent"] == 12 for rank in ranks)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("--proxies", "snap"), "unknown proxy 'snap'; did you mean 'snip'"),
        (("--table", "nas-bench-201-digit"), "unknown table"),
        (("--column", "digits/test/mean"), "is not written DATASET/SPLIT/EPOCHS/SEED"),
        (("--column", "digits/test/13/mean"), "13/13"),
        (("--dataset", "digit"), "unknown data set 'digit'; did you mean 'digits'"),
        (("--device", "warp"), "device 'warp' cannot be used here"),
        (("--all",), "leave --sample out"),
    ],
)
def test_wrong_names_are_told_in_one_line(
    changed: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*COMMAND, *changed]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
