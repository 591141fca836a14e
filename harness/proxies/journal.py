"""The scores of a proxy study as lines of JSON: what is cut off loses only the cell it was at."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import HarnessError

Scores = dict[str, float | None]
"""Proxy -> its score, None where that does not exist."""


class ScoreJournal:
    """A file whose first line says of which study it is, and every other is one scored cell.

    A line counts once its newline is on the disk. A cell may have several lines, each with the
    scores of other proxies.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path, self._about = path, dict(about)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other studies out of the file, and make it ready to append to.

        Raises HarnessError where another process writes it, where it is of another study, and
        where it cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = self.path.open("ab")
        except OSError as error:
            raise HarnessError(f"{self.path} cannot be written: {error.strerror}") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HarnessError(
                    f"another process writes {self.path}; wait for it, or give this study another "
                    "--seed"
                ) from None
            self._drop_cut_line()
            if not self.path.stat().st_size:
                self._append(self._about)
            yield

    def read(self) -> dict[int, Scores]:
        """Key of a cell -> its scores. Raises HarnessError for damage and for another study."""
        found: dict[int, Scores] = {}
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    content = json.loads(line)
                    if number > 1:
                        found.setdefault(int(content["key"]), {}).update(content["scores"])
                except (ValueError, KeyError, TypeError) as error:
                    raise HarnessError(
                        f"line {number} of {self.path} is damaged ({error}); delete that line, and "
                        "the same command scores its cell again"
                    ) from None
                if number == 1 and content != self._about:
                    raise HarnessError(f"{self.path} is of another study; move it away")
        return found

    def append(self, key: int, architecture: str, scores: Scores, seconds: float) -> None:
        """Record a cell; when this returns it survives a crash of the machine."""
        self._append(
            {"key": key, "architecture": architecture, "scores": scores, "seconds": seconds}
        )

    def _append(self, content: Mapping[str, Any]) -> None:
        line = json.dumps(content, allow_nan=False) + "\n"
        with self.path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def _drop_cut_line(self) -> None:
        text = self.path.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            with self.path.open("r+b") as file:
                file.truncate(whole)
