"""`harness ls`: every group of adapters is listed, with what each is."""

from __future__ import annotations

import json

import pytest

from harness import cli, registry

Rows = list[dict[str, str]]


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> Rows:
    assert cli.run(["ls", *words, "--json"]) == 0
    found: Rows = json.loads(capsys.readouterr().out)
    return found


def test_every_group_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    counted = {row["name"]: int(row["how many"]) for row in rows(capsys)}
    assert set(counted) == {*registry.GROUPS, "suites", "protocols", "supernet-protocols"}
    assert all(counted.values())


@pytest.mark.parametrize("kind", sorted(set(registry.GROUPS) - {"spaces", "tables"}))
def test_what_is_registered_is_listed_with_what_it_is(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = rows(capsys, kind)
    assert [row["name"] for row in listed] == registry.names(kind)
    assert all(row["what"] and "``" not in row["what"] for row in listed)


def test_the_help_names_every_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["ls", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert [group for group in registry.GROUPS if f" {group}," not in told] == []
