"""The folder in which the harness keeps tables, runs and artefacts."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "NAS_HARNESS_HOME"
"""The environment variable that moves the folder."""


def home() -> Path:
    """The folder of tables and stores: NAS_HARNESS_HOME, or the user's data folder.

    It may not exist yet; it is created when something is written.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    return platformdirs.user_data_path("nas-harness", appauthor=False)


def default_store() -> Path:
    """The run store that commands use where none is named."""
    return home() / "runs.sqlite"
