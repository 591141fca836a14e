"""Errors that a user can cause and correct: one line each, exit code 1."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    """An expected error. Its text is one line: what was wrong, where, what would be right."""


class UnknownName(HarnessError):
    """An unknown name; the text offers the near ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}{did_you_mean(name, known)}")


class BadArchitecture(HarnessError):
    """An architecture string that the space cannot read."""


class MissingCell(HarnessError):
    """A value that a benchmark table lacks."""


class MissingData(HarnessError):
    """A data set whose files are missing, or whose folder was not named."""


class BadTable(HarnessError):
    """A table, or a file to import, that is damaged, foreign or not to be trusted."""


class BadSuite(HarnessError):
    """A suite or protocol file with invalid content."""


class StoreError(HarnessError):
    """A run store that cannot be opened, read or written."""


class NotApplicable(HarnessError):
    """A method that is not defined on the space or the fidelities it was given."""


class BrokenInstallation(Exception):
    """Files of ours that another distribution has overwritten. Its text is one line too.

    It does not derive from HarnessError, because code that tolerates one broken adapter must not
    tolerate the loss of all of them.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A clause that offers the names near to ``name``, or all if none is near."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    near += [known for known in names if name and name in known and known not in near]
    if near:
        return "; did you mean " + " or ".join(repr(candidate) for candidate in near) + "?"
    return "; known: " + (", ".join(names) if names else "none")
