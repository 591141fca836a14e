"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_END_OF_COMMAND = {"|", ">", "&&", ";", "&"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file it is to be written to, its text."""

    language: str
    file: str | None
    text: str


@dataclass(frozen=True)
class CommandLine:
    """The words after ``harness``. Of a ``whole`` one nothing that is required is left out."""

    page: str
    words: tuple[str, ...]
    whole: bool

    def __str__(self) -> str:
        return f"{self.page}: harness {' '.join(self.words)}"


def text(page: Path) -> str:
    return page.read_text("utf-8")


def blocks(page: Path) -> list[Block]:
    found = []
    for info, content in _FENCE.findall(text(page)):
        language, _, rest = info.strip().partition(" ")
        file = rest.removeprefix("file=") if rest.startswith("file=") else None
        found.append(Block(language, file, content))
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", text(page))


def code_words(page: Path) -> list[str]:
    """What stands between single backticks, and is not in a fenced block."""
    return _CODE.findall(" ".join(prose(page).split("\n")))


def command_lines() -> Iterator[CommandLine]:
    """Every ``harness ...`` of the documentation, in shell blocks and within sentences."""
    for page in PAGES:
        for block in blocks(page):
            if block.language == "sh":
                for line in block.text.replace("\\\n", " ").splitlines():
                    yield from _commands(page.name, line, whole=True)
        for words in code_words(page):
            if words.startswith("harness "):
                yield from _commands(page.name, words, whole=False)


def _commands(page: str, line: str, *, whole: bool) -> Iterator[CommandLine]:
    words = shlex.split(line, comments=whole)
    while "harness" in words:
        words = words[words.index("harness") + 1 :]
        end = next((i for i, word in enumerate(words) if word in _END_OF_COMMAND), len(words))
        yield CommandLine(page, tuple(words[:end]), whole)


def sections(page: Path) -> dict[str, str]:
    """Heading of the second level -> the text below it."""
    parts = re.split(r"^## +(.+)$", text(page), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings have on GitHub."""
    headings = re.findall(r"^#+ +(.+)$", _FENCE.sub("", text(page)), flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}
