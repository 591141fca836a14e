"""The command line: verbs loaded when used, and the one place where errors become exit codes."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import click

# By the package's own first file: where another distribution's is in its place, that shows here.
from harness import __version__
from harness.errors import BrokenInstallation, HarnessError, did_you_mean

VERBS = {
    "run": ("harness.commands.run:run", "Run a suite and show its leaderboard."),
    "train": ("harness.commands.train:train", "Train one architecture from scratch, and keep it."),
    "leaderboard": (
        "harness.commands.leaderboard:leaderboard",
        "Show, write or plot the leaderboard of runs already done.",
    ),
    "diagnose": (
        "harness.commands.diagnose:group",
        "Look into the trained supernet of a suite's row.",
    ),
    "tables": (
        "harness.commands.tables.group:group",
        "Import, list, check and export benchmark tables.",
    ),
    "proxies": ("harness.commands.proxies:group", "Rank a table's cells without training them."),
    "ls": ("harness.commands.ls:ls", "List methods, spaces, tables, suites and other adapters."),
    "doctor": ("harness.commands.doctor:doctor", "Say what is installed, where things lie."),
    "bench": ("harness.commands.bench:bench", "Measure how fast the harness is on this machine."),
}
"""Verb -> its module, and its line in the help, which is printed without loading the module."""

BUG, INTERRUPTED = 3, 130
DISK_TROUBLE = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EPERM)
"""Errors of a disk that is full, read-only, over quota or not ours: the user's to correct."""


class Verbs(click.Group):
    """A group whose commands are imported only when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of a user's work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb; a wrong one is refused with the near names."""
        if cmd_name not in VERBS:
            raise HarnessError(f"unknown command {cmd_name!r}{did_you_mean(cmd_name, VERBS)}")
        module, _, name = VERBS[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{VERBS[cmd_name][0]} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nas-harness")
def commands() -> None:
    """Evaluate methods of neural architecture search, and say whether they differ."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; this is the only error boundary.

    0: done. 1: an error that the user can correct, reported in one line. 130: interrupted. 3: a
    bug, with details in a file that is named.
    """
    try:
        result = commands.main(list(arguments), prog_name="harness", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted; what was finished is stored, the same command goes on")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the boundary: every error becomes an exit code
        return _exit_code(error, arguments)
    return result if isinstance(result, int) else 0


def _exit_code(error: Exception, arguments: Sequence[str]) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message())
        return 0
    if isinstance(error, BrokenPipeError):
        # The reader of a pipe, such as head, has closed it: not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, HarnessError | click.ClickException):
        _complain(_line(error))
        return 1
    if isinstance(error, OSError) and error.errno in DISK_TROUBLE:
        place = f"{error.filename}: " if error.filename else ""
        _complain(f"{place}{error.strerror}; NAS_HARNESS_HOME names another place to write to")
        return 1
    if line := _damage(error):
        _complain(line)
        return 1
    _complain(
        f"this is a bug: {type(error).__name__}: {error}; details in {_log(error, arguments)}"
    )
    return BUG


def _line(error: HarnessError | click.ClickException) -> str:
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    return " ".join(text.split())


def _damage(error: Exception) -> str | None:
    """The cause of an unexpected error if another distribution has overwritten our files."""
    from harness.installation import damage

    return str(error) if isinstance(error, BrokenInstallation) else damage()


def _complain(line: str) -> None:
    click.echo(f"error: {line}", err=True)


def _log(error: Exception, arguments: Sequence[str]) -> Path:
    """Write all that a report of the bug needs to a file of its own."""
    from harness.provenance import of_process

    handle, name = tempfile.mkstemp(prefix="nas-harness-", suffix=".log")
    with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - an open descriptor
        file.write(f"{datetime.now(UTC).isoformat()}\nharness {' '.join(arguments)}\n")
        file.write(f"{of_process()}\n")
        file.writelines(traceback.format_exception(error))
    return Path(name)
