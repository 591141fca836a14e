"""Queries: single and in arrays, means over seeds, and what a missing cell says."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from harness.errors import MissingCell
from harness.spaces import Epochs
from harness.tables.manifest import TableInfo
from harness.tables.table import BenchmarkTable
from harness.tables.writer import TableWriter
from tests.tables.conftest import TOY, WORDS

VALID: dict[str, Any] = {"metric": "accuracy", "dataset": "c10", "split": "valid", "epochs": 4}
TEST: dict[str, Any] = {"metric": "accuracy", "dataset": "c10", "split": "test", "epochs": 4}


def test_a_single_seed(toys: BenchmarkTable) -> None:
    assert toys.query("aa", **VALID, seed=1) == 14
    assert toys.query("ba", **{**VALID, "epochs": Epochs(2, 4)}, seed=3) == 32.04
    assert toys.query("ba", **{**VALID, "epochs": np.int64(4)}, seed=np.int16(3)) == 34.04


def test_a_number_of_epochs_is_a_schedule_run_to_its_end(toys: BenchmarkTable) -> None:
    with pytest.raises(MissingCell, match=r"no 2/2 epochs .*; it has 1\.\.2/4, 4/4"):
        toys.query("aa", **{**VALID, "epochs": 2}, seed=1)


def test_fidelities_of_two_schedules_are_different_cells(toys: BenchmarkTable) -> None:
    assert toys.query("aa", **TEST, seed="mean") == 54
    assert toys.query("aa", **{**TEST, "epochs": Epochs(2, 8)}, seed="mean") == 58
    assert toys.fidelities(metric="accuracy", dataset="c10", split="test") == (
        Epochs(4, 4),
        Epochs(2, 8),
    )


def test_the_mean_over_seeds_needs_them_all(toys: BenchmarkTable) -> None:
    assert toys.query("aa", **VALID, seed="mean") == 24
    with pytest.raises(MissingCell, match=r"for ab: its mean lacks seed 2 of 1, 2, 3; .*available"):
        toys.query("ab", **VALID, seed="mean")


def test_the_mean_over_available_seeds_is_asked_for_by_name(toys: BenchmarkTable) -> None:
    assert toys.query("aa", **VALID, seed="mean-available") == 24
    assert toys.query("ab", **VALID, seed="mean-available") == pytest.approx(24.01, abs=1e-12)


def test_a_stored_mean_is_no_mean_over_available_seeds(toys: BenchmarkTable) -> None:
    assert toys.has_stored_mean(**TEST)
    assert not toys.has_stored_mean(**VALID)
    with pytest.raises(MissingCell, match=r"no seed 'mean-available'.*it has the stored mean"):
        toys.query("aa", **TEST, seed="mean-available")


def test_a_stored_mean_wins_over_a_computed_one(tmp_path: Any) -> None:
    info = TableInfo("t", "", "", "", "")
    with TableWriter(tmp_path / "t", space=TOY, info=info, architectures=["aa", "bb"]) as writer:
        for seed, values in ((1, [1, 2]), (2, [3, 4]), ("mean", [7, np.nan])):
            place = {**VALID, "epochs": [4], "schedule": 4, "seed": seed, "dtype": "float32"}
            writer.block(**place)[0] = values
        writer.finish()
    table = BenchmarkTable.open(tmp_path / "t", TOY)
    assert table.query("aa", **VALID, seed="mean") == 7
    assert table.query("aa", **VALID, seed="mean-available") == 2
    with pytest.raises(MissingCell, match=r"mean, for bb: of its seeds .* has 1, 2$"):
        table.query("bb", **VALID, seed="mean")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": "acuracy"}, "no metric 'acuracy'; did you mean 'accuracy'"),
        ({"dataset": "c100"}, "no data set 'c100' for accuracy; did you mean 'c10'"),
        ({"split": "vlid"}, "no split 'vlid' for accuracy c10; did you mean 'valid'"),
        ({"split": "zzz"}, "known: test, valid"),
        ({"epochs": 200}, r"no 200/200 epochs \(trained/schedule\).*it has 1\.\.2/4, 4/4"),
        ({"seed": 7}, "no seed 7 .* after 4/4 epochs; it has 1, 2, 3"),
        ({"seed": "random"}, "no seed 'random'"),
        ({"split": "test"}, "no seed 1 .*; it has the stored mean"),
    ],
)
def test_a_missing_cell_says_what_is_there(
    toys: BenchmarkTable, change: dict[str, Any], says: str
) -> None:
    asked = {**VALID, "seed": 1, **change}
    with pytest.raises(MissingCell, match=says) as caught:
        toys.query("aa", **asked)
    assert "\n" not in str(caught.value)
    with pytest.raises(MissingCell, match=says):
        toys.column(**asked)


def test_a_value_that_one_architecture_lacks(toys: BenchmarkTable) -> None:
    with pytest.raises(MissingCell, match="seed 2, for ab: of its seeds the table has 1, 3"):
        toys.query("ab", **VALID, seed=2)
    with pytest.raises(MissingCell, match="mean, for dd: of its seeds the table has none"):
        toys.query("dd", **TEST, seed="mean")


def test_costs(toys: BenchmarkTable) -> None:
    assert toys.cost("ad", quantity="flops_m", dataset="c10") == 3
    rows = toys.rows(["ad", "dd"])
    assert toys.costs(rows, quantity="flops_m", dataset="c10").tolist() == [3, 15]
    seconds = {"quantity": "train_seconds_per_epoch", "dataset": "c10"}
    with pytest.raises(MissingCell, match="train_seconds_per_epoch for data set c10, for dd"):
        toys.cost("dd", **seconds)
    with pytest.raises(MissingCell, match="for dd"):
        toys.costs(rows, **seconds)
    np.testing.assert_array_equal(toys.costs(rows, **seconds, missing="nan"), [3, np.nan])
    assert np.isnan(toys.cost_column(**seconds)).sum() == 1
    with pytest.raises(MissingCell, match="no cost 'flops'; did you mean 'flops_m'"):
        toys.cost("aa", quantity="flops", dataset="c10")
    with pytest.raises(MissingCell, match="no flops_m for data set 'c1'; did you mean 'c10'"):
        toys.cost("aa", quantity="flops_m", dataset="c1")


def test_arrays_answer_as_single_queries_do(toys: BenchmarkTable) -> None:
    words = ["cc", "aa", "cc"]
    rows = toys.rows(words)
    for seed in (1, "mean", "mean-available"):
        single = [toys.query(word, **VALID, seed=seed) for word in words]
        assert toys.values(rows, **VALID, seed=seed).tolist() == single
    keys = np.array([[TOY.key(word) for word in words]])
    np.testing.assert_array_equal(toys.rows_of_keys(keys), rows[None])
    assert toys.values(rows.reshape(3, 1), **VALID, seed=1).shape == (3, 1)


def test_missing_values_in_arrays_raise_unless_named(toys: BenchmarkTable) -> None:
    rows = toys.rows(["aa", "ab", "ab"])
    with pytest.raises(MissingCell, match=r"for ab \(and 1 more\)"):
        toys.values(rows, **VALID, seed=2)
    values = toys.values(rows, **VALID, seed=2, missing="nan")
    np.testing.assert_array_equal(values, [24, np.nan, np.nan])
    assert np.isnan(toys.column(**VALID, seed="mean")).sum() == 1
    assert not np.isnan(toys.column(**VALID, seed="mean-available")).any()


def test_columns_cannot_be_written_to(toys: BenchmarkTable) -> None:
    for seed in (1, "mean"):
        column = toys.column(**VALID, seed=seed)
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        toys.keys[0] = 1


def test_seeds(toys: BenchmarkTable) -> None:
    assert toys.seeds(**VALID) == (1, 2, 3)
    assert toys.seeds(**TEST) == ()
    assert toys.seeds(**{**VALID, "epochs": 3}) == ()


def test_architectures_are_in_the_order_of_keys(toys: BenchmarkTable) -> None:
    assert sorted(toys.architectures()) == WORDS
    assert [TOY.key(word) for word in toys.architectures()] == toys.keys.tolist()
    assert toys.size == 16


def test_an_absent_architecture(tmp_path: Any) -> None:
    info = TableInfo("few", "", "", "", "")
    words = ["aa", "bb", "cc"]
    with TableWriter(
        tmp_path / "few", space=TOY, info=info, architectures=words, rows=[1, 0, 1]
    ) as writer:
        place = {**VALID, "epochs": [4], "schedule": 4, "seed": 1, "dtype": "float32"}
        block = writer.block(**place)
        assert block.shape == (1, 2)
        block[0] = [5, 6]
        writer.finish()
    table = BenchmarkTable.open(tmp_path / "few", TOY)
    assert [table.query(word, **VALID, seed=1) for word in words] == [6, 5, 6]
    with pytest.raises(MissingCell, match="no architecture dd; it holds 3 of the space's 16"):
        table.query("dd", **VALID, seed=1)
    with pytest.raises(MissingCell, match="no architecture dd"):
        table.rows(["aa", "dd"])
    for word in set(WORDS) - set(words):
        with pytest.raises(MissingCell, match="no architecture of key"):
            table.rows_of_keys(np.array([TOY.key(word)]))


def test_a_table_travels_to_other_processes(toys: BenchmarkTable) -> None:
    toys.query("aa", **VALID, seed="mean")
    copy = pickle.loads(pickle.dumps(toys))
    assert copy.query("ba", **VALID, seed=3) == toys.query("ba", **VALID, seed=3)
    assert copy.checksum == toys.checksum


def test_more_columns_than_are_kept(toys: BenchmarkTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.tables.columns._MOST_KEPT", 2)
    for _ in range(2):
        for seed in (1, 2, 3, "mean"):
            expected = 24 if seed == "mean" else 10 * seed + 4
            assert toys.query("aa", **VALID, seed=seed) == expected
