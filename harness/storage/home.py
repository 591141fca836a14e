"""Where the harness keeps what it imports and records."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "NAS_HARNESS_HOME"
"""The environment variable that moves the folder."""


def home() -> Path:
    """The folder of tables and stores: NAS_HARNESS_HOME, or the user's data folder.

    It need not exist; whoever writes there creates it.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    return platformdirs.user_data_path("nas-harness", appauthor=False)


def default_store() -> Path:
    """The run store that commands use where none is named."""
    return home() / "runs.sqlite"
