"""The folder: written whole or not at all, and refused when anything in it has changed."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import BadTable, HarnessError
from harness.spaces import Epochs
from harness.tables.manifest import TableInfo
from harness.tables.table import BenchmarkTable
from harness.tables.writer import TableWriter
from tests.tables.conftest import INFO, TOY, WORDS, ToySpace, write_toys

PLACE: dict[str, Any] = {
    "metric": "accuracy",
    "dataset": "c10",
    "split": "valid",
    "schedule": 4,
    "epochs": [4],
    "seed": 1,
    "dtype": "float32",
}


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def use_everything(folder: Path) -> None:
    """Open the table and query every cell of it."""
    table = BenchmarkTable.open(folder, TOY)
    table.architectures()
    for block in table.manifest.blocks:
        for trained in block.epochs:
            table.column(
                metric=block.metric,
                dataset=block.dataset,
                split=block.split,
                epochs=Epochs(trained, block.schedule),
                seed=block.seed,
            )
    for cost in table.manifest.costs:
        table.cost_column(quantity=cost.quantity, dataset=cost.dataset)


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x01
    path.write_bytes(content)


def truncate(path: Path, place: int) -> None:
    path.write_bytes(path.read_bytes()[:place])


def remove(path: Path, place: int) -> None:
    path.unlink()


@pytest.mark.parametrize("where", [0.0, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("damage", [flip, truncate, remove])
def test_damage_to_any_file_is_refused_by_name(
    tmp_path: Path, damage: Callable[[Path, int], None], where: float
) -> None:
    whole = write_toys(tmp_path / "whole")
    names = sorted(files_of(whole))
    assert len(names) == 1 + 3 + 2 * 5 + 2
    for number, name in enumerate(names):
        folder = shutil.copytree(whole, tmp_path / f"damaged-{number}")
        file = folder / name
        damage(file, int(where * file.stat().st_size))
        for use in (use_everything, lambda folder: BenchmarkTable.open(folder, TOY).verify()):
            with pytest.raises(BadTable) as caught:
                use(folder)
            # A block and its digests vouch for each other: either may be the one that is named.
            assert str(file.with_suffix("")) in str(caught.value)
            assert "\n" not in str(caught.value)


def test_damage_to_one_epoch_leaves_the_others_readable(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "toys")
    flip(folder / "blocks/000.npy", (folder / "blocks/000.npy").stat().st_size - 1)
    table = BenchmarkTable.open(folder, TOY)
    asked = {"metric": "accuracy", "dataset": "c10", "split": "valid", "seed": 1}
    assert table.query("aa", **asked, epochs=Epochs(1, 4)) == 11
    with pytest.raises(BadTable, match=r"table toys: .*000\.npy is damaged"):
        table.query("aa", **asked, epochs=Epochs(4, 4))


def test_opening_reads_no_block(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "toys")
    for block in (folder / "blocks").iterdir():
        block.unlink()
    table = BenchmarkTable.open(folder, TOY)
    assert table.size == 16
    with pytest.raises(BadTable, match="No such file"):
        table.verify()


def rewrite_manifest(folder: Path, change: dict[str, Any]) -> None:
    """Change the manifest and give it the right digest of itself."""
    path = folder / "manifest.json"
    content = {**json.loads(path.read_text()), **change, "sha256": "0" * 64}
    text = json.dumps(content, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(text.replace("0" * 64, digest))


def test_a_newer_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "toys")
    rewrite_manifest(folder, {"format": 2, "sha256": "of another kind"})
    with pytest.raises(BadTable, match=r"manifest\.json has format 2, .* upgrade"):
        BenchmarkTable.open(folder, TOY)


def test_a_foreign_space_is_refused(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "toys")
    other = ToySpace()
    other.name = "other"
    with pytest.raises(BadTable, match="is of space toy, not other"):
        BenchmarkTable.open(folder, other)


@pytest.mark.parametrize(
    "content", ["", "[]", '"text"', "{}", '{"format": "1"}', '{"format": true, "name": 3}', "\0"]
)
def test_a_foreign_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(BadTable, match=r"manifest\.json"):
        BenchmarkTable.open(tmp_path, TOY)


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match=r"manifest\.json cannot be read: No such file"):
        BenchmarkTable.open(tmp_path, TOY)


def test_a_manifest_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "toys")
    blocks = json.loads((folder / "manifest.json").read_text())["blocks"]
    blocks[0]["file"] = "../../secret.npy"
    rewrite_manifest(folder, {"blocks": blocks})
    with pytest.raises(BadTable, match="no manifest of a benchmark table"):
        BenchmarkTable.open(folder, TOY)


@pytest.mark.parametrize("change", [{"blocks": [{}]}, {"info": {}}, {"files": {}}, {"costs": 3}])
def test_a_manifest_that_lacks_things_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = write_toys(tmp_path / "toys")
    rewrite_manifest(folder, change)
    with pytest.raises(BadTable, match="no manifest of a benchmark table"):
        BenchmarkTable.open(folder, TOY)


def test_a_manifest_whose_counts_are_wrong_is_refused(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "toys")
    rewrite_manifest(folder, {"keys": 17})
    with pytest.raises(BadTable, match=r"keys\.npy holds int64 \(16,\), the manifest says"):
        BenchmarkTable.open(folder, TOY)


def test_the_checksum_is_of_the_results_alone(tmp_path: Path) -> None:
    first = BenchmarkTable.open(write_toys(tmp_path / "first"), TOY)
    renamed = dataclasses.replace(INFO, name="other", source="elsewhere", release="2")
    second = BenchmarkTable.open(write_toys(tmp_path / "second", info=renamed), TOY)
    assert first.checksum == second.checksum
    assert len(first.checksum) == 16
    checksums = {first.checksum}
    for change in ({}, {"seed": 2}, {"split": "test"}, {"schedule": 8}, {"epochs": [3]}):
        with TableWriter(
            tmp_path / "t", space=TOY, info=INFO, architectures=WORDS, replace=True
        ) as w:
            w.block(**{**PLACE, **change})[:] = 1
            w.finish()
        checksums.add(BenchmarkTable.open(tmp_path / "t", TOY).checksum)
    assert len(checksums) == 6


def test_the_order_of_blocks_does_not_matter(tmp_path: Path) -> None:
    found = set()
    for order in ((1, 2), (2, 1)):
        with TableWriter(
            tmp_path / f"{order}", space=TOY, info=INFO, architectures=WORDS
        ) as writer:
            for seed in order:
                writer.block(**{**PLACE, "seed": seed})[:] = seed
            writer.finish()
        found.add(BenchmarkTable.open(tmp_path / f"{order}", TOY).checksum)
    assert len(found) == 1


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with TableWriter(tmp_path / "toys", space=TOY, info=INFO, architectures=WORDS) as writer:
            writer.block(**PLACE)[:] = 1
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_visible_before_finish(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "toys", space=TOY, info=INFO, architectures=WORDS) as writer:
        writer.block(**PLACE)[:] = 1
        assert not (tmp_path / "toys").exists()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_table_is_kept_unless_replaced_by_name(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "toys")
    before = files_of(folder)
    with pytest.raises(BadTable, match="exists already; --replace"):
        write_toys(folder)
    assert files_of(folder) == before
    with TableWriter(folder, space=TOY, info=INFO, architectures=WORDS, replace=True) as writer:
        writer.block(**PLACE)[:] = 1
        assert files_of(folder) == before
        writer.finish()
    assert len(BenchmarkTable.open(folder, TOY).manifest.blocks) == 1
    assert list(tmp_path.iterdir()) == [folder]


def test_a_table_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "toys", space=TOY, info=INFO, architectures=WORDS) as writer:
        writer.block(**PLACE)[:] = 1
        before = files_of(write_toys(tmp_path / "toys"))
        with pytest.raises(BadTable, match="exists already"):
            writer.finish()
    assert files_of(tmp_path / "toys") == before


def test_a_failed_replacement_keeps_the_old_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_toys(tmp_path / "toys")
    before = files_of(folder)
    rename = Path.rename

    def fails_into_place(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(errno.ENOSPC, "no space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_into_place)
    with pytest.raises(HarnessError, match=f"cannot write {folder}: no space left"):
        write_toys(folder, replace=True)
    assert files_of(folder) == before
    assert list(tmp_path.iterdir()) == [folder]


def test_a_replaced_table_does_not_mix_with_the_one_that_is_open(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "toys")
    table = BenchmarkTable.open(folder, TOY)
    asked = {"metric": "accuracy", "dataset": "c10", "split": "valid", "epochs": 4}
    assert table.query("aa", **asked, seed=1) == 14
    with TableWriter(folder, space=TOY, info=INFO, architectures=WORDS, replace=True) as writer:
        for seed in (1, 2, 3):
            writer.block(**{**PLACE, "seed": seed})[:] = 99
        writer.finish()
    assert table.query("aa", **asked, seed=1) == 14
    with pytest.raises(BadTable, match="damaged"):
        table.query("aa", **asked, seed=3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": "precision"}, "metric 'precision' is none of accuracy, loss"),
        ({"epochs": []}, "do not ascend"),
        ({"epochs": [2, 1]}, "do not ascend"),
        ({"epochs": [0]}, "do not ascend"),
        ({"epochs": [5]}, r"do not ascend within 1\.\.4"),
        ({"seed": "mean-available"}, "neither a number nor 'mean'"),
        ({"dtype": "int32", "seed": 2}, "dtype int32"),
        ({}, "given twice"),
    ],
)
def test_blocks_that_are_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with TableWriter(tmp_path / "toys", space=TOY, info=INFO, architectures=WORDS) as writer:
        writer.block(**PLACE)
        with pytest.raises(ValueError, match=says):
            writer.block(**{**PLACE, **change})
        with pytest.raises(ValueError, match="quantity 'flops' is none"):
            writer.cost_block(quantity="flops", dataset="c10")


@pytest.mark.parametrize(
    ("architectures", "rows", "says"),
    [
        (["aa", "aa"], None, "named twice"),
        ([], None, "no architectures"),
        (["aa", "bb"], [0], "1 rows for 2"),
        (["aa", "bb"], [0, 2], "numbered from 0"),
        (["aa", "bb"], [-1, 0], "numbered from 0"),
    ],
)
def test_architectures_that_are_refused(
    tmp_path: Path, architectures: list[str], rows: list[int] | None, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        TableWriter(tmp_path / "t", space=TOY, info=INFO, architectures=architectures, rows=rows)


def test_a_name_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    info = TableInfo("../escape", "", "", "", "")
    with pytest.raises(BadTable, match=r"table name '\.\./escape'"):
        TableWriter(tmp_path / "t", space=TOY, info=info, architectures=WORDS)


def test_a_block_that_nothing_was_written_to_is_left_out(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "toys", space=TOY, info=INFO, architectures=WORDS) as writer:
        writer.block(**PLACE)[0, 0] = 1
        assert np.isnan(writer.block(**{**PLACE, "seed": 2})).all()
        writer.cost_block(quantity="flops_m", dataset="c10")
        writer.finish()
    table = BenchmarkTable.open(tmp_path / "toys", TOY)
    assert table.seeds(metric="accuracy", dataset="c10", split="valid", epochs=4) == (1,)
    assert table.manifest.costs == ()
