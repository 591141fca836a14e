"""``harness tables``, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import run
from harness.storage.home import home
from harness.tables.catalog import open_table

FIRST = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
SECOND = FIRST.replace("none~2", "skip_connect~2")
RESULTS = f"""architecture,dataset,split,epochs,schedule,seed,accuracy
{FIRST},cifar10,ori-test,200,200,777,10.0
{FIRST},cifar10,ori-test,200,200,888,11.0
{SECOND},cifar10,ori-test,200,200,777,12.5
{SECOND},cifar10,ori-test,12,200,777,9.5
"""
COSTS = f"""architecture,dataset,params_m,flops_m,train_seconds_per_epoch
{FIRST},cifar10,0.07,7.8,3.7
{SECOND},cifar10,0.07,7.8,3.9
"""

Capture = pytest.CaptureFixture[str]
ASK = ["--dataset", "cifar10", "--split", "ori-test"]


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    results, costs = tmp_path / "results.csv", tmp_path / "costs.csv"
    results.write_text(RESULTS)
    costs.write_text(COSTS)
    return str(results), str(costs)


@pytest.fixture
def cells(files: tuple[str, str], capsys: Capture) -> str:
    """The name of an imported table."""
    results, costs = files
    arguments = ["--cost", costs, "--name", "cells", "--release", "v9", "--licence", "MIT"]
    assert run(["tables", "import", "nas-bench-201", results, *arguments]) == 0
    capsys.readouterr()
    return "cells"


def test_import_says_what_it_wrote_and_found(files: tuple[str, str], capsys: Capture) -> None:
    results, costs = files
    assert run(["tables", "import", "nas-bench-201", results, "--cost", costs]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"wrote {home() / 'tables' / 'nas-bench-201'}\n")
    for found in ("architectures: 2", "results.csv", "12/200, 200/200", "777", "flops_m"):
        assert found in out


def test_import_does_not_overwrite_unasked(
    cells: str, files: tuple[str, str], capsys: Capture
) -> None:
    again = ["tables", "import", "nas-bench-201", files[0], "--name", cells]
    assert run(again) == 1
    assert "exists already; --replace" in capsys.readouterr().err
    assert run([*again, "--replace"]) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nas-bench-20", "FILE"], "unknown space 'nas-bench-20'; did you mean 'nas-bench-201'"),
        (["nas-bench-201", "absent.csv"], "absent.csv: no such file or folder"),
        (
            ["nas-bench-201", "FILE", "--format", "tody"],
            "unknown importer 'tody'; did you mean 'tidy'",
        ),
        (["nas-bench-201", "FILE", "--cost", "absent.csv"], "File 'absent.csv' does not exist"),
        (["nas-bench-201", "FILE", "--name", "../up"], "table name '../up'"),
    ],
)
def test_imports_that_are_refused(
    files: tuple[str, str], capsys: Capture, arguments: list[str], says: str
) -> None:
    named = [files[0] if word == "FILE" else word for word in arguments]
    assert run(["tables", "import", *named]) == 1
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert not (home() / "tables").exists()


def test_list(cells: str, capsys: Capture) -> None:
    assert run(["tables", "list"]) == 0
    out = capsys.readouterr().out
    assert "cells" in out
    assert open_table(cells).checksum in out
    assert run(["tables", "list", "--json"]) == 0
    lines = {line["name"]: line for line in json.loads(capsys.readouterr().out)}
    assert lines[cells]["architectures"] == 2
    assert lines[cells]["release"] == "v9"
    assert lines[cells]["folder"] == str(home() / "tables" / cells)


def test_list_shows_a_damaged_table_among_the_others(cells: str, capsys: Capture) -> None:
    broken = home() / "tables" / "broken"
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    assert run(["tables", "list"]) == 0
    captured = capsys.readouterr()
    assert "cells" in captured.out
    assert "broken: " in captured.err
    assert "not JSON" in captured.err


def test_info(cells: str, capsys: Capture) -> None:
    assert run(["tables", "info", cells]) == 0
    out = capsys.readouterr().out
    assert "licence:       MIT" in out
    assert run(["tables", "info", cells, "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["results"] == [
        {
            "metric": "accuracy",
            "unit": "percent",
            "dataset": "cifar10",
            "split": "ori-test",
            "epochs": epochs,
            "seeds": seeds,
        }
        for epochs, seeds in (("12/200, 200/200", "777"), ("200/200", "888"))
    ]
    assert [cost["quantity"] for cost in about["costs"]] == [
        "parameters_m",
        "flops_m",
        "train_seconds_per_epoch",
    ]
    assert about["checksum"] in out


@pytest.mark.parametrize(
    ("architecture", "epochs", "seed", "value"),
    [
        (FIRST, "200", "777", "10.0"),
        (FIRST, "200/200", "mean", "10.5"),
        (SECOND, "12/200", "mean-available", "9.5"),
    ],
)
def test_query(
    cells: str, capsys: Capture, architecture: str, epochs: str, seed: str, value: str
) -> None:
    asked = ["tables", "query", cells, architecture, *ASK, "--epochs", epochs, "--seed", seed]
    assert run(asked) == 0
    assert capsys.readouterr().out == f"{value}\n"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"--epochs": "12"}, "no 12/12 epochs"),
        ({"--epochs": "last"}, "epochs 'last': 200, or 12/200"),
        ({"--epochs": "12/"}, "epochs '12/': 200, or 12/200"),
        ({"--seed": "999"}, "no seed 999"),
        ({"--split": "x-test"}, "no split 'x-test'"),
        ({"--dataset": "cifar"}, "did you mean 'cifar10'"),
    ],
)
def test_queries_that_have_no_answer(
    cells: str, capsys: Capture, changed: dict[str, str], says: str
) -> None:
    options = {"--epochs": "200", "--seed": "777", **dict(zip(ASK[::2], ASK[1::2], strict=True))}
    asked = [word for pair in {**options, **changed}.items() for word in pair]
    assert run(["tables", "query", cells, FIRST, *asked]) == 1
    assert says in capsys.readouterr().err


def test_a_query_has_no_defaults_for_what_matters(cells: str, capsys: Capture) -> None:
    options = {"--epochs": "200", "--seed": "777", "--dataset": "cifar10", "--split": "ori-test"}
    for left_out in options:
        asked = [word for pair in options.items() if pair[0] != left_out for word in pair]
        assert run(["tables", "query", cells, FIRST, *asked]) == 1
        assert f"Missing option '{left_out}'" in capsys.readouterr().err


def test_verify(cells: str, capsys: Capture) -> None:
    assert run(["tables", "verify", cells]) == 0
    assert "8 arrays, all as they were written" in capsys.readouterr().out
    block = home() / "tables" / cells / "blocks" / "001.npy"
    block.write_bytes(block.read_bytes()[:-1] + b"?")
    assert run(["tables", "verify", cells]) == 1
    assert f"{block} is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_export_and_import_again(cells: str, tmp_path: Path, capsys: Capture, suffix: str) -> None:
    results, costs = str(tmp_path / f"r.{suffix}"), str(tmp_path / f"c.{suffix}")
    assert run(["tables", "export", cells, results, "--cost", costs]) == 0
    assert capsys.readouterr().out == (
        f"wrote 4 results to {results}\nwrote the costs of 2 cells to {costs}\n"
    )
    assert run(["tables", "import", "nas-bench-201", results, "--cost", costs, "--name", "b"]) == 0
    capsys.readouterr()
    assert run(["tables", "list", "--json"]) == 0
    lines = {line["name"]: line for line in json.loads(capsys.readouterr().out)}
    assert lines["b"]["checksum"] == lines[cells]["checksum"]


def test_an_unknown_table(cells: str, capsys: Capture) -> None:
    assert run(["tables", "info", "cels"]) == 1
    assert "unknown table 'cels'; did you mean 'cells'" in capsys.readouterr().err
