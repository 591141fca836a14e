"""Supernet protocols as files: the presets that ship, and any file of one's own."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

from harness import registry, strict_toml
from harness.errors import BadSuite, HarnessError, UnknownName
from harness.methods import make_settings
from harness.presets import Presets
from harness.protocols import AnswerEntry
from harness.supernets.frame import Frame

PRESETS = Presets("supernet protocol", "harness.supernet_protocols")


class SupernetProtocolFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The whole file. ``frame`` has the fields of ``harness.supernets.frame.Frame``.

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
    evaluation_seeds: tuple[int, ...] = (0,)
    answer: list[AnswerEntry] = []

    def frame_for(self, space: str) -> Frame:
        """The frame of a space. Raises HarnessError for a field that a frame lacks, or a value."""
        return checked_frame("[frame]", {**self.frame, **self.space.get(space, {})})


def checked_frame(what: str, given: Mapping[str, Any]) -> Frame:
    """A frame with these fields. Raises UnknownName or HarnessError for what it cannot be."""
    frame: Frame = make_settings(what, Frame, given)
    for name in ("epochs", "batch", "channels", "cells"):
        if getattr(frame, name) < 1:
            raise HarnessError(
                f"setting {name} of {what} is {getattr(frame, name)}; it must be at least 1"
            )
    return frame


def load(name: str) -> tuple[str, SupernetProtocolFile]:
    """A preset by name, or a file by its path: the protocol's name and its content.

    Raises UnknownName for a preset that does not ship, BadSuite for a file that is wrong.
    """
    stem, file = PRESETS.find(name)
    protocol = _checked(file)
    return stem, _of_ones_own(Path(name), protocol) if name.endswith(".toml") else protocol


def _checked(file: Traversable) -> SupernetProtocolFile:
    protocol = strict_toml.read(file, SupernetProtocolFile)
    if not protocol.answer and not protocol.evaluation:
        raise BadSuite(f"{file} needs an [[answer]] to look up, or an evaluation to train by")
    if protocol.evaluation and not protocol.evaluation_seeds:
        raise BadSuite(f"{file} trains with no evaluation_seeds; give at least one")
    names = [answer.name for answer in protocol.answer]
    if len(set(names)) < len(names):
        raise BadSuite(f"{file} has two answers of one name: {', '.join(names)}")
    for space in protocol.space:
        if space not in registry.names("spaces"):
            raise BadSuite(f"{file}: {UnknownName('space', space, registry.names('spaces'))}")
    for space in ("", *protocol.space):
        try:
            protocol.frame_for(space)
        except HarnessError as error:
            raise BadSuite(f"{file}: {error}") from error
    return protocol


def _of_ones_own(path: Path, protocol: SupernetProtocolFile) -> SupernetProtocolFile:
    """A file's settings are looked up in what is registered; its evaluation lies beside it."""
    known = _setting_names()
    parts = {*registry.names("supernet-trainers"), *registry.names("selectors")}
    for name, value in protocol.settings.items():
        if isinstance(value, dict) and name not in parts:
            raise BadSuite(f"{path}: {UnknownName('trainer or selector', name, parts)}")
        if not isinstance(value, dict) and name not in known:
            kind = "setting of any trainer or selector"
            raise BadSuite(f"{path}: {UnknownName(kind, name, known)}")
    if protocol.evaluation.endswith(".toml"):
        beside = str(path.parent / protocol.evaluation)
        protocol = msgspec.structs.replace(protocol, evaluation=beside)
    return protocol


def _setting_names() -> set[str]:
    """The settings of every trainer and selector that can be loaded."""
    from harness.supernets.selectors import SelectorMethod
    from harness.supernets.trainers import TrainerMethod

    found: set[str] = set()
    contracts: dict[str, type[TrainerMethod | SelectorMethod]] = {
        "supernet-trainers": TrainerMethod,
        "selectors": SelectorMethod,
    }
    for kind, contract in contracts.items():
        for name in registry.names(kind):
            # Another package that is broken is the matter of those who use it.
            with contextlib.suppress(HarnessError):
                settings = registry.load(kind, name, contract).settings
                found |= {field.name for field in dataclasses.fields(settings)}
    return found
