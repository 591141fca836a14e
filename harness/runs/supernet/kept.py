"""Stored forms of a supernet run: its selection as an artefact, the details of its record."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from harness.runs.supernet import family
from harness.supernets.selectors import Selection
from harness.supernets.spaces import AnySupernetSpace
from harness.supernets.training import Trained


def to_state(selection: Selection, space: AnySupernetSpace) -> dict[str, Any]:
    """A selection as an artefact holds it."""
    return {
        "architecture": space.format(selection.architecture),
        "scores": [torch.from_numpy(np.asarray(rows, np.float64)) for rows in selection.scores],
        "margins": [torch.from_numpy(rows) for rows in selection.margins],
        "costs": {key: float(value) for key, value in selection.costs.items()},
        "notes": list(selection.notes),
        **family.to_state(selection.family, space),
    }


def from_state(state: dict[str, Any], space: AnySupernetSpace) -> Selection:
    """The selection of a state by ``to_state``."""
    return Selection(
        architecture=space.parse(state["architecture"]),
        scores=[rows.numpy() for rows in state["scores"]],
        margins=tuple(rows.numpy() for rows in state["margins"]),
        costs=dict(state["costs"]),
        notes=tuple(state["notes"]),
        family=family.from_state(state, space),
    )


def details(trained: Trained, selection: Selection) -> dict[str, Any]:
    """A record's details about a supernet and a selection, as JSON content."""
    log = asdict(trained.log)
    del log["scores"]
    return {
        "supernet": trained.recipe.identity,
        "log": _plain(log),
        "scores": _plain([rows.tolist() for rows in selection.scores]),
        "margins": _plain([rows.tolist() for rows in selection.margins]),
        "notes": list(selection.notes),
    }


def _plain(content: Any) -> Any:
    """JSON has no NaN: it becomes null."""
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_plain(value) for value in content]
    if isinstance(content, float) and not np.isfinite(content):
        return None
    return content
