"""``harness train`` and ``harness tables trained``, on digits, with real cells."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.cli import run
from harness.errors import HarnessError
from harness.resources import Workshop
from harness.tables import catalog
from harness.training.results import COLUMNS, export, trained_table
from tests.evaluation.test_protocols import written

CELLS = (
    "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|",
    "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|",
)
TINY = "epochs = 1\nbatch = 96\ncells = 1\nchannels = 2\ndrop_path = 0.0\nauxiliary_weight = 0.0"


@pytest.fixture
def protocol(tmp_path: Path) -> str:
    """A protocol of one epoch, as a file of the user's."""
    path = written(tmp_path, name="tiny")
    lines = dict(
        line.split(" = ") for line in path.read_text("utf-8").splitlines() if " = " in line
    )
    lines |= dict(line.split(" = ") for line in TINY.splitlines())
    path.write_text("\n".join(f"{key} = {value}" for key, value in lines.items()), "utf-8")
    return str(path)


def test_a_training_is_printed_and_kept(
    protocol: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["train", "nas-bench-201", CELLS[0], "--protocol", protocol, "--seed", "3"]
    assert run(words) == 0
    first = capsys.readouterr().out
    assert "(trained now)" in first
    assert run(words) == 0
    again = capsys.readouterr().out
    assert again == first.replace("trained now", "stored before, nothing trained")
    assert run([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert f"test accuracy {result['test_accuracy']:.2f}%" in first
    assert (result["seed"], result["protocol"], result["epochs"]) == (3, "tiny", 1)
    assert result["rules"]["channels"] == 2
    assert not result["fresh"]


def test_data_may_be_the_file_itself(
    protocol: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As docs/datasets.md says of ``npz``."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 8, 8), dtype=np.uint8)
    labels = np.arange(12) % 3
    arrays = {f"{part}_{what}": array
              for part in ("train", "test")
              for what, array in (("images", images), ("labels", labels))}  # fmt: skip
    for name in ("mine.npz", "other.npz"):
        np.savez(tmp_path / name, **arrays)
    words = ["train", "nas-bench-201", CELLS[0], "--protocol", protocol, "--dataset", "npz"]
    assert run([*words, "--data", str(tmp_path)]) == 1
    assert "one .npz file, not 2" in capsys.readouterr().err
    assert run([*words, "--data", str(tmp_path / "mine.npz")]) == 0


def test_what_was_trained_is_a_table_that_can_be_imported(
    protocol: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["tables", "trained"]) == 0
    assert "nothing was trained yet" in capsys.readouterr().out
    for cell in CELLS:
        for seed in ("0", "1"):
            words = ["train", "nas-bench-201", cell, "--protocol", protocol, "--seed", seed]
            assert run(words) == 0
    capsys.readouterr()
    frame = trained_table(Workshop().artefacts, space="nas-bench-201")
    assert list(frame.columns) == list(COLUMNS)
    assert [tuple(row) for row in frame[["architecture", "seed", "split"]].to_numpy()] == [
        (cell, seed, "test") for cell in CELLS for seed in (0, 1)
    ]

    assert run(["tables", "trained", "--format", "csv"]) == 0
    printed = pd.read_csv(StringIO(capsys.readouterr().out))
    pd.testing.assert_frame_equal(printed, frame, check_dtype=False)
    assert run(["tables", "trained", "--format", "md"]) == 0
    assert CELLS[0].replace("|", r"\|") in capsys.readouterr().out
    assert run(["tables", "trained"]) == 0
    assert f"{frame.accuracy[0]:.2f}" in capsys.readouterr().out

    file = tmp_path / "trained.csv"
    assert run(["tables", "trained", "--protocol", "tiny", "--export", str(file)]) == 0
    assert run(["tables", "import", "nas-bench-201", str(file), "--name", "mine"]) == 0
    table = catalog.open_table("mine")
    for row in frame.itertuples():
        value = table.query(
            table.space.parse(row.architecture),
            metric="accuracy",
            dataset="digits",
            split="test",
            epochs=1,
            seed=row.seed,
        )
        assert value == pytest.approx(row.accuracy, rel=1e-12)


def row(**changes: object) -> dict[str, object]:
    values = {"split": "test", "accuracy": 90.0, "loss": 0.1, "epochs": 2, "seed": 0}
    words = dict.fromkeys(COLUMNS, "x")
    return {**words, **values, "architecture": CELLS[0], **changes}


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"space": "y"}, "a table is of one space; choose by --space from: x, y"),
        ({"protocol": "y"}, "a table is of one protocol; choose by --protocol from: x, y"),
        ({"identity": "y"}, "two results fill one cell"),
    ],
)
def test_what_is_no_table_is_not_exported(
    tmp_path: Path, second: dict[str, object], said: str
) -> None:
    frame = pd.DataFrame([row(), row(**second)])
    with pytest.raises(HarnessError, match=said):
        export(frame, tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "nas-bench-201", "Genotype(normal=[])"], "NAS-Bench-201 cell"),
        (["train", "nas-bench-20", CELLS[0]], "did you mean 'nas-bench-201'"),
        (["train", "nas-bench-201", CELLS[0], "--protocol", "dart"], "did you mean 'darts'"),
        (["train", "nas-bench-201", CELLS[0], "--dataset", "digit"], "did you mean 'digits'"),
        (["train", "nas-bench-201", CELLS[0], "--device", "tpu!"], "device 'tpu!'"),
        (["train", "nas-bench-201", CELLS[0], "--protocol", "darts"], "auxiliary tower"),
        (["tables", "trained", "--space", "x"], "nothing was trained yet with space 'x'"),
        (["tables", "trained", "--export", "x.csv"], "nothing to export"),
    ],
)
def test_what_is_wrong_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
