"""A lock keeps other processes out, and no longer than its holder lives."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.storage.locks import locked

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from harness.storage.locks import locked

with locked(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.readline()
    print("out", flush=True)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """A process that says ``in`` when it has the lock, and holds it until it is given a line."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_another_process_waits(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path):
        other = holder(path)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1.0)
    assert said(other) == "in"
    out, _ = other.communicate("\n", timeout=60)
    assert out.split() == ["out"]


def test_one_that_does_not_wait_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    other = holder(path)
    assert said(other) == "in"
    with (
        pytest.raises(HarnessError, match="somebody builds here"),
        locked(path, busy="somebody builds here"),
    ):
        pass
    other.communicate("\n", timeout=60)
    with locked(path, busy="somebody builds here"):
        pass


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    other = holder(path)
    assert said(other) == "in"
    other.kill()
    other.communicate(timeout=60)
    assert other.returncode == -signal.SIGKILL
    with locked(path, busy="held by the dead"):
        pass


def test_a_lock_ends_with_its_block(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), locked(path):
        1 / 0  # noqa: B018 - raises
    other = holder(path)
    assert said(other) == "in"
    other.communicate("\n", timeout=60)


def test_a_lock_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(HarnessError, match=rf"^cannot lock {tmp_path / 'file' / 'lock'}: \w"),
        locked(tmp_path / "file" / "lock"),
    ):
        pass


def test_two_processes_take_turns(tmp_path: Path) -> None:
    """Each reads a number, waits, and writes one more: without a lock some would be lost."""
    counter, lock = tmp_path / "counter", tmp_path / "lock"
    counter.write_text("0")
    code = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from harness.storage.locks import locked

        for _ in range(10):
            with locked(Path(sys.argv[1])):
                count = int(Path(sys.argv[2]).read_text())
                time.sleep(0.01)
                Path(sys.argv[2]).write_text(str(count + 1))
        """
    )
    command = [sys.executable, "-c", code, str(lock), str(counter)]
    both = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [each.wait(60) for each in both] == [0, 0]
    assert counter.read_text() == "20"
