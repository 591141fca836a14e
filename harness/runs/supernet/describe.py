"""Descriptions of supernet methods, of their parts, and of their protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness import registry
from harness.protocols import supernet_file
from harness.runs.kinds import SettingOf, settings_of
from harness.supernets.methods import SupernetMethod
from harness.supernets.selectors import SelectorMethod
from harness.supernets.trainers import TrainerMethod


def settings(method: SupernetMethod) -> list[SettingOf]:
    """The settings of trainer and selector, with the method's defaults."""
    trainer = registry.load("trainers", method.trainer, TrainerMethod)
    selector = registry.load("selectors", method.selector, SelectorMethod)
    return [
        *settings_of("trainer", trainer.settings, method.trainer_settings),
        *settings_of("selector", selector.settings, method.selector_settings),
    ]


def sets(method: SupernetMethod) -> str:
    """The settings that a method changes, its frames and its version."""
    own = {**method.trainer_settings}.items(), {**method.selector_settings}.items()
    given = [f"`{name}` `{value!r}`" for items in own for name, value in items]
    version = [f"version {method.version}"] if method.version > 1 else []
    return "; ".join([*given, *frames(method.frame), *version])


def frames(published: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Published training frames, each with the spaces that it was published for."""
    found: dict[str, list[str]] = {}
    for space, frame in published.items():
        text = ", ".join(f"{name} {value}" for name, value in frame.items())
        found.setdefault(text, []).append(space or "other spaces")
    if list(found.values()) == [["other spaces"]]:
        return [f"published frame: {text}" for text in found]
    return [f"published frame on {', '.join(spaces)}: {text}" for text, spaces in found.items()]


def shipped() -> list[dict[str, str]]:
    """The shipped protocols."""
    rows = []
    for name in supernet_file.PRESETS.names():
        file = supernet_file.load(name)[1]
        frame = file.frame_for("")
        rows.append(
            {
                "name": name,
                "supernet": f"{frame.cells} cells, {frame.channels} channels, "
                f"{frame.epochs} epochs, batch {frame.batch}",
                "judged by": file.evaluation or ", ".join(each.name for each in file.answer),
                "source": file.source,
            }
        )
    return rows
