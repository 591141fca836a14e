"""Nobody but a kind of run itself asks which kind a protocol, task, entry or method is of."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

OF_A_KIND = {
    "SearchProtocol",
    "SupernetProtocol",
    "Task",
    "SupernetTask",
    "BenchmarkEntry",
    "SupernetEntry",
    "BlackBoxMethod",
    "SupernetMethod",
}
KINDS = {"search", "supernet"}
OWN = (
    "harness/runs/search/",
    "harness/runs/supernet/",
    "harness/conformance/",
    "leaderboards/kinds/",
)
"""The folders of the kinds that ship; a conformance suite is for the methods of one."""


def switches(file: Path) -> list[str]:
    """Where a file asks, as ``file:line: code``."""
    return [
        f"{file}:{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call | ast.Compare | ast.Match) and _asks(node)
    ]


def _asks(node: ast.Call | ast.Compare | ast.Match) -> bool:
    if isinstance(node, ast.Match):
        classes = [part.cls for part in ast.walk(node) if isinstance(part, ast.MatchClass)]
        return any(_named(each) & OF_A_KIND for each in classes)
    if isinstance(node, ast.Call):
        asks = ast.unparse(node.func) in ("isinstance", "issubclass")
        return asks and bool(_named(node.args[1]) & OF_A_KIND)
    constants = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
    return "kind" in ast.unparse(node.left) and bool(constants & KINDS)


def _named(node: ast.AST) -> set[str]:
    """The classes that an expression names, with or without their modules."""
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return names | {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}


def test_nobody_asks_which_kind_it_is() -> None:
    files = [
        file
        for package in ("harness", "adapters", "leaderboards")
        for file in sorted((ROOT / package).rglob("*.py"))
        if not str(file.relative_to(ROOT)).startswith(OWN)
    ]
    assert len(files) > 200
    assert [each for file in files for each in switches(file)] == []


@pytest.mark.parametrize(
    "text",
    [
        "isinstance(protocol, SearchProtocol)",
        "isinstance(method, methods.SupernetMethod | None)",
        "spec.kind == 'supernet'",
        "kind in ('search', 'front')",
        "match task:\n    case SupernetTask(name=name):\n        pass",
    ],
)
def test_a_switch_would_be_found(text: str, tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text(text, "utf-8")
    assert len(switches(tmp_path / "file.py")) == 1


SEARCH = """
summary = "one search"

[[benchmark]]
space = "nas-bench-201"
table = "nas-bench-201-digits"
protocol = "nas-bench-201-digits"

[profile.laptop]
seeds = "0"

[[method]]
name = "random-search"
"""
OF_THE_SPACE = {"harness.supernets", "harness.supernets.choices", "harness.supernets.spaces"}
"""A space is also one of supernets, which these say."""


def test_a_search_from_suite_to_page_loads_nothing_of_supernets(
    tmp_path: Path, private_home: Path
) -> None:
    suite = tmp_path / "one.toml"
    suite.write_text(SEARCH, "utf-8")
    code = (
        "import sys; from harness.cli import run\n"
        f"assert run(['run', '--suite', {str(suite)!r}, '--workers', '1']) == 0\n"
        "print('loaded', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NAS_HARNESS_HOME": str(private_home)},
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = set(done.stdout.rpartition("loaded")[2].split())
    assert {"harness.runs.search.run", "leaderboards.pages.render"} <= loaded
    of_supernets = {name for name in loaded if "supernet" in name or name.endswith(".frame")}
    assert of_supernets == OF_THE_SPACE
    assert "torch" not in loaded
