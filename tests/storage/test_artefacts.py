"""Artefacts: made by one process at a time, saved whole, gone on with."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.errors import HarnessError
from harness.storage import artefacts
from harness.storage.artefacts import Artefact, Checkpoints
from harness.storage.home import VARIABLE

ROOT = Path(__file__).parents[2]


def names(artefact: Artefact) -> list[str]:
    return sorted(each.name for each in artefact.folder.iterdir())


def test_a_state_comes_back(tmp_path: Path) -> None:
    artefact = Artefact(tmp_path, "supernets", "abc")
    with artefact.locked():
        assert artefact.load() is None
        assert artefact.result() is None
        for epochs in (1, 2):
            artefact.save({"epochs": epochs, "weights": torch.arange(3.0)})
        artefact.finish(b"{}")
    state = artefact.load()
    assert state is not None
    assert state["epochs"] == 2
    assert torch.equal(state["weights"], torch.arange(3.0))
    assert artefact.result() == b"{}"
    assert names(artefact) == ["lock", "result.json", "state.pt"]


def test_one_that_is_killed_while_it_saves_leaves_the_last_state(tmp_path: Path) -> None:
    artefact = Artefact(tmp_path, "supernets", "abc")
    with artefact.locked():
        artefact.save({"epochs": 1})
    code = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from harness.storage.artefacts import Artefact

        artefact = Artefact(Path(sys.argv[1]), "supernets", "abc")
        os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
        with artefact.locked():
            artefact.save({"epochs": 2})
        """
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(names(artefact)) == 3, "something was to be left half written"
    with artefact.locked():
        assert artefact.load() == {"epochs": 1}
        assert names(artefact) == ["lock", "state.pt"], "what is half written is removed"


def test_a_folder_that_cannot_be_made_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    (tmp_path / "artefacts").touch()
    artefact = Artefact(tmp_path / "artefacts", "supernets", "abc")
    line = f"^cannot make {artefact.folder}: Not a directory; {VARIABLE} names another place$"
    with pytest.raises(HarnessError, match=line), artefact.locked():
        pass


def test_checkpoints_are_saved_now_and_then_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artefact, saved, now = Artefact(tmp_path, "supernets", "abc"), list[Any](), [100.0]
    monkeypatch.setattr(artefact, "save", saved.append)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    checkpoints = Checkpoints(artefact)
    asked: list[int] = []

    def state(epoch: int) -> dict[str, int]:
        asked.append(epoch)
        return {"epoch": epoch}

    pauses = [1.0, artefacts.CHECKPOINT_SECONDS, 1.0, artefacts.CHECKPOINT_SECONDS, 1.0]
    for epoch, pause in enumerate(pauses):
        now[0] += pause
        checkpoints.epoch_done(partial(state, epoch), last=epoch == 4)
    assert asked == [1, 3, 4], "a state is made only to be saved"
    assert saved == [{"epoch": 1}, {"epoch": 3}, {"epoch": 4}]
