"""Who may import whom, and what `harness --help` may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("harness", "adapters", "leaderboards")
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in FILES}


def imports(file: Path, *, inside_functions: bool) -> Iterator[str]:
    """Modules of ours that a file imports, ``from package import module`` included."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            type_only = (
                isinstance(child, ast.If)
                and isinstance(child.test, ast.Name)
                and child.test.id == "TYPE_CHECKING"
            )
            if type_only or (is_function and not inside_functions):
                continue
            yield child
            yield from walk(child)

    for node in walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


@cache
def called_in(file: Path) -> frozenset[str]:
    """What a file calls, as it is written there."""
    tree = ast.walk(ast.parse(file.read_text("utf-8")))
    return frozenset(ast.unparse(node.func) for node in tree if isinstance(node, ast.Call))


def top(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("name", MODULES)
def test_the_core_names_neither_adapters_nor_leaderboards(name: str) -> None:
    imported = {top(other) for other in imports(MODULES[name], inside_functions=True)}
    if top(name) == "adapters":
        assert "leaderboards" not in imported
    if top(name) == "leaderboards":
        assert "adapters" not in imported
    if top(name) == "harness":
        assert "adapters" not in imported
        if not name.startswith("harness.commands"):
            assert "leaderboards" not in imported


def test_the_runner_never_writes_the_store() -> None:
    for name in ("harness.runs.runner", "harness.searchers.loop", "harness.executors.local"):
        assert "harness.records.store" not in set(imports(MODULES[name], inside_functions=True))


def test_only_commands_use_commands() -> None:
    for name, file in MODULES.items():
        if name.startswith("harness.commands") or name in ("harness.cli", "harness.__main__"):
            continue
        used = set(imports(file, inside_functions=True))
        assert not {other for other in used if other.startswith("harness.commands")}, name


def test_no_two_modules_import_each_other() -> None:
    graph = {
        name: {other for other in imports(file, inside_functions=True) if other in MODULES}
        for name, file in MODULES.items()
    }
    # Kahn's algorithm: what cannot be taken away stands on a cycle.
    left = dict(graph)
    while free := [name for name, used in left.items() if not used & left.keys() - {name}]:
        for name in free:
            del left[name]
    assert sorted(left) == []


@pytest.mark.parametrize(
    "module",
    ["harness.cli", "harness.commands.run", "harness.commands.tables.group", "harness.registry"],
)
def test_what_the_command_line_imports_is_light(module: str) -> None:
    heavy = ["torch", "pandas", "scipy", "matplotlib", "pyarrow", "optuna"]
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_files_stay_readable() -> None:
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text("utf-8").splitlines()) for file in FILES
    }
    assert {name: length for name, length in lengths.items() if length > 500} == {}


def test_functions_fit_on_a_screen() -> None:
    long = []
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.body[0].lineno + 1
                if length > 60:
                    long.append(f"{file.relative_to(ROOT)}:{node.name} has {length} lines")
    assert long == []


def test_no_global_random_state_is_used() -> None:
    forbidden = {
        "np.random.seed",
        "np.random.rand",
        "random.seed",
        "torch.manual_seed",
        "torch.random.fork_rng",
    }
    # What torch draws from its own generator is put back as it was, in one place.
    for file in set(FILES) - {ROOT / "harness" / "randomness" / "on_torch.py"}:
        assert not called_in(file) & forbidden, file


@pytest.mark.parametrize(
    ("place", "calls"),
    [
        ("harness/training/sgd.py", {"SGD", "clip_grad_norm_"}),
        ("harness/protocols/schedule.py", {"math.cos"}),
        ("harness/supernets/driver.py", {"next_epoch"}),
        ("harness/storage/locks.py", {"FileLock", "flock", "lockf"}),
        ("harness/storage/files.py", {"fsync", "os.replace", "os.rename", "mkdtemp"}),
        ("harness/resources.py", {"device_count"}),
    ],
)
def test_what_is_done_everywhere_is_done_in_one_place(place: str, calls: set[str]) -> None:
    """The rule of weights, the cosine, the driver of epochs, the lock, writing, the device."""
    found = [
        str(file.relative_to(ROOT))
        for file in FILES
        if any(name in calls or name.rpartition(".")[2] in calls for name in called_in(file))
    ]
    assert found == [place]
