"""Where tables are found: in the home, then in installed packages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.spaces.nas_bench_201 import SPACE
from harness import registry
from harness.errors import BadTable, HarnessError, UnknownName
from harness.storage.home import home
from harness.tables import catalog
from harness.tables.importing import importer_for
from harness.tables.manifest import TableInfo
from harness.tables.writer import TableWriter

PLACE = {"metric": "accuracy", "dataset": "cifar10", "split": "ori-test", "epochs": 200}


def write(folder: Path, accuracy: float) -> Path:
    """A table of one cell, all of ``none``."""
    info = TableInfo(folder.name, "", "", "", "")
    cell = next(iter(SPACE.enumerate()))
    with TableWriter(folder, space=SPACE, info=info, architectures=[cell]) as writer:
        place = {**PLACE, "epochs": [200], "schedule": 200, "seed": 777, "dtype": "float64"}
        writer.block(**place)[:] = accuracy
        return writer.finish()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stranger's installed package that registers four tables."""
    shipped = write(tmp_path / "site" / "stranger" / "data", 20.0)
    (shipped.parent / "__init__.py").write_text(
        "from pathlib import Path\n"
        "TEXT = str(Path(__file__).parent / 'data')\n"
        "PATH = Path(TEXT)\n"
        "def function(): return PATH\n"
        "NUMBER = 3\n"
    )
    about = tmp_path / "site" / "stranger-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[nas_harness.tables]\n"
        "by-text = stranger:TEXT\n"
        "by-path = stranger:PATH\n"
        "by-function = stranger:function\n"
        "by-mistake = stranger:NUMBER\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "stranger", raising=False)
    registry._entries.cache_clear()
    yield shipped
    registry._entries.cache_clear()
    sys.modules.pop("stranger", None)


@pytest.mark.parametrize("name", ["by-text", "by-path", "by-function"])
def test_shipped_tables(package: Path, name: str) -> None:
    assert catalog.find(name) == package
    assert name in catalog.names()
    table = catalog.open_table(name)
    cell = table.space.parse(table.architectures()[0])
    assert table.query(cell, **PLACE, seed=777) == 20


def test_an_imported_table_hides_a_shipped_one(package: Path) -> None:
    folder = write(catalog.imported("by-path"), 30.0)
    assert catalog.find("by-path") == folder == home() / "tables" / "by-path"
    assert catalog.names().count("by-path") == 1


def test_a_table_registered_as_no_folder(package: Path) -> None:
    with pytest.raises(HarnessError, match=r"'by-mistake' of stranger 1\.0 .* a int, not as a fol"):
        catalog.find("by-mistake")


def test_unknown_tables_offer_the_near_ones_and_the_import() -> None:
    write(catalog.imported("cells"), 30.0)
    with pytest.raises(UnknownName, match=r"table 'cell'; did you mean 'cells'\?.*tables import"):
        catalog.find("cell")
    for name in ("../cells", "", "."):
        with pytest.raises(UnknownName):
            catalog.find(name)


def test_tables_that_are_being_written_are_not_listed() -> None:
    folder = catalog.imported("cells")
    info = TableInfo("cells", "", "", "", "")
    cells = list(SPACE.enumerate())[:2]
    with TableWriter(folder, space=SPACE, info=info, architectures=cells) as writer:
        assert "cells" not in catalog.names()
        writer.finish()
        assert [name for name in catalog.names() if "cells" in name] == ["cells"]


def test_the_home_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_HARNESS_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.delenv("NAS_HARNESS_HOME")
    assert home().name == "nas-harness"
    assert home().is_absolute()


def test_no_importer_for_a_file(tmp_path: Path) -> None:
    path = tmp_path / "results.xlsx"
    with pytest.raises(BadTable, match="no such file or folder"):
        importer_for(path, named=None)
    path.write_text("?")
    with pytest.raises(BadTable, match=r"in no known format .*tidy: one result a row"):
        importer_for(path, named=None)
    with pytest.raises(UnknownName, match="unknown importer 'tidi'; did you mean 'tidy'"):
        importer_for(path, named="tidi")
