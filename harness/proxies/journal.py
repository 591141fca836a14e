"""The scores of a proxy study as lines of JSON: what is cut off loses only the cell it was at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.storage.files import append, make_folder
from harness.storage.locks import locked

ProxyScores = dict[str, float | None]
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
        make_folder(self.path.parent)
        busy = f"another process writes {self.path}; wait for it, or give this study another --seed"
        with locked(self.path.with_suffix(".lock"), busy=busy):
            if not self._whole_lines():
                self._append(self._about)
            yield

    def read(self) -> dict[int, ProxyScores]:
        """Key of a cell -> its scores. Raises HarnessError for damage and for another study."""
        found: dict[int, ProxyScores] = {}
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

    def append(self, key: int, architecture: str, scores: ProxyScores, seconds: float) -> None:
        """Record a cell; when this returns it survives a crash of the machine."""
        self._append(
            {"key": key, "architecture": architecture, "scores": scores, "seconds": seconds}
        )

    def _append(self, content: Mapping[str, Any]) -> None:
        append(self.path, f"{json.dumps(content, allow_nan=False)}\n".encode())

    def _whole_lines(self) -> bool:
        """Whether there are any; a last one that was cut off is dropped."""
        text = self.path.read_bytes() if self.path.exists() else b""
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            with self.path.open("r+b") as file:
                file.truncate(whole)
        return whole > 0
