"""Supernet protocols as files: the presets that ship, and any file of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

from harness import registry
from harness.errors import BadSuite, HarnessError, UnknownName
from harness.protocols import toml
from harness.protocols.frame import Frame
from harness.protocols.presets import Presets
from harness.protocols.search_file import AnswerEntry, check_answers
from harness.settings import Seed, make_settings

PRESETS = Presets("supernet protocol", "harness.protocols.supernets")


class SupernetProtocolFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The whole file. ``frame`` has the fields of ``harness.protocols.frame.Frame``.

    ``space`` overrides fields of the frame for single spaces. ``settings`` are for every trainer
    and selector that has a setting of that name, a table under the name of one is for that alone;
    both give way to what a method or a suite gives.
    ``answer`` are the cells of the table that a run is judged by; a space without a table is
    judged by ``evaluation``, the protocol that trains its architectures, with each of
    ``evaluation_seeds``.
    """

    source: str
    frame: dict[str, Any]
    space: dict[str, dict[str, Any]] = {}
    settings: dict[str, Any] = {}
    published_frames: bool = False
    evaluation: str = ""
    evaluation_seeds: tuple[Seed, ...] = (0,)
    answer: list[AnswerEntry] = []

    def frame_for(self, space: str) -> Frame:
        """The frame of a space. Raises HarnessError for a field that a frame lacks, or a value."""
        return checked_frame("[frame]", {**self.frame, **self.space.get(space, {})})


def checked_frame(what: str, given: Mapping[str, Any]) -> Frame:
    """A frame with these fields. Raises UnknownName or HarnessError for what it cannot be."""
    frame: Frame = make_settings(what, Frame, given)
    return frame


def load(name: str) -> tuple[str, SupernetProtocolFile]:
    """A preset by name, or a file by its path: the protocol's name and its content.

    Raises UnknownName for a preset that does not ship, BadSuite for a file that is wrong.
    """
    stem, file = PRESETS.find(name)
    protocol = _checked(file)
    return stem, _beside(Path(name), protocol) if name.endswith(".toml") else protocol


def _checked(file: Traversable) -> SupernetProtocolFile:
    protocol = toml.read(file, SupernetProtocolFile)
    if not protocol.answer and not protocol.evaluation:
        raise BadSuite(f"{file} needs an [[answer]] to look up, or an evaluation to train by")
    if protocol.evaluation and not protocol.evaluation_seeds:
        raise BadSuite(f"{file} trains with no evaluation_seeds; give at least one")
    check_answers(protocol.answer, str(file))
    for space in protocol.space:
        if space not in registry.names("spaces"):
            raise BadSuite(f"{file}: {UnknownName('space', space, registry.names('spaces'))}")
    for space in ("", *protocol.space):
        try:
            protocol.frame_for(space)
        except HarnessError as error:
            raise BadSuite(f"{file}: {error}") from error
    return protocol


def _beside(path: Path, protocol: SupernetProtocolFile) -> SupernetProtocolFile:
    """The evaluation that a user's own file names lies beside that file."""
    if not protocol.evaluation.endswith(".toml"):
        return protocol
    return msgspec.structs.replace(protocol, evaluation=str(path.parent / protocol.evaluation))
