"""Every registered supernet method is made of parts that there are, and takes its settings."""

from __future__ import annotations

import dataclasses
import importlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness.methods import make_settings
from harness.supernets.methods import SupernetMethod

ENTRIES = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))[
    "project"
]["entry-points"]
METHODS = {
    name: target for name, target in ENTRIES["nas_harness.methods"].items() if "one_shot" in target
}


def load(target: str) -> Any:
    module, name = target.split(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", METHODS)
def test_its_trainer_and_selector_exist_and_know_its_settings(name: str) -> None:
    method = load(METHODS[name])
    assert isinstance(method, SupernetMethod)
    for group, part, given in (
        ("supernet_trainers", method.trainer, method.trainer_settings),
        ("selectors", method.selector, method.selector_settings),
    ):
        found = load(ENTRIES[f"nas_harness.{group}"][part])
        make_settings(part, found.settings, given)
        for field in dataclasses.fields(found.settings):
            assert field.metadata["doc"], field.name


@pytest.mark.parametrize("name", ENTRIES["nas_harness.supernet_trainers"])
def test_frames_of_trainers_have_fields_of_the_frame(name: str) -> None:
    from harness.supernets.frame import Frame

    trainer = load(ENTRIES["nas_harness.supernet_trainers"][name])
    for changes in trainer.frame.values():
        dataclasses.replace(Frame(), **changes)
