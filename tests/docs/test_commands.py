"""Every command in the docs could be given, and every command there is stands in the docs."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from harness.cli import VERBS, commands
from tests.docs.pages import ROOT, CommandLine, command_lines, sections

LINES = list(dict.fromkeys(command_lines()))


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """``harness run``, ``harness tables import`` and so on, with what click knows of them."""
    context = click.Context(commands, info_name="harness")
    for verb in VERBS:
        command = commands.get_command(context, verb)
        assert command is not None
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                yield f"harness {verb} {name}", inner
        else:
            yield f"harness {verb}", command


COMMANDS = dict(all_commands())


def check(line: CommandLine) -> None:
    """Parse a command line without running it. Raises click's errors."""
    words = list(line.words)
    asks = words[-1] in ("--help", "-h", "--version")
    if asks and len(words) == 1:
        return
    assert words[0] in VERBS, f"no verb {words[0]}"
    depth = 1 if f"harness {words[0]}" in COMMANDS else 2
    if len(words) - asks < depth:
        assert asks or not line.whole
        return
    command = COMMANDS["harness " + " ".join(words[:depth])]
    context = click.Context(command)
    values, rest, _ = command.make_parser(context).parse_args(words[depth:])
    assert not rest, f"too many arguments: {rest}"
    for parameter in command.params:
        value = values.get(parameter.name)
        given = value is not None and not repr(value).startswith("Sentinel")
        if given and isinstance(parameter.type, click.Choice | click.IntRange):
            parameter.type.convert(value, parameter, context)
        assert given or not (line.whole and parameter.required), f"{parameter.name} is missing"


def test_there_are_commands_to_check() -> None:
    assert sum(line.whole for line in LINES) > 20


@pytest.mark.parametrize("line", LINES, ids=str)
def test_the_commands_in_the_docs_are_right(line: CommandLine) -> None:
    check(line)


@pytest.mark.parametrize(
    "words",
    [
        ("rum", "--suite", "x"),
        ("run",),
        ("run", "--suit", "x"),
        ("run", "--suite", "x", "--profile", "desktop"),
        ("run", "--suite", "x", "y"),
        ("tables", "query", "name", "--dataset", "x"),
    ],
)
def test_wrong_commands_would_be_found(words: tuple[str, ...]) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        check(CommandLine("made up", words, whole=True))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_reference(name: str) -> None:
    page = sections(ROOT / "docs" / "commands.md")
    section = page.get(f"`{name}`")
    assert section is not None, f"docs/commands.md has no section `{name}`"
    # What the commands of a group have in common stands in the group's own section.
    section += page.get(f"`{name.rpartition(' ')[0]}`", "")
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            assert f"`{parameter.opts[0]}" in section, f"{parameter.opts[0]} of {name}"
        else:
            assert (parameter.human_readable_name or "").upper() in section
