"""Who may import whom, what `harness --help` may load, and how large things may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("harness", "adapters", "leaderboards")

ORDER = (
    ("__main__",),
    ("cli",),
    ("commands",),
    ("bench",),
    ("harness",),
    ("api",),
    ("executors",),
    ("diagnoses",),
    ("runs",),
    ("conformance",),
    ("supernets",),
    ("searchers", "proxies", "training"),
    ("tables",),
    ("metrics",),
    ("records", "suites"),
    ("protocols",),
    ("resources",),
    ("storage", "randomness", "datasets", "processes", "provenance"),
    ("registry", "settings", "spaces", "objectives", "digests", "threads"),
    ("errors", "installation", "version"),
)
"""The folders and modules of ``harness`` from top to bottom: each imports only from lines below
its own. ``harness`` itself is what ``import harness`` gives."""


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
MODULES = {module_name(file): file for file in FILES}
TREES = {name: ast.parse(file.read_text("utf-8")) for name, file in MODULES.items()}


class Import(NamedTuple):
    """``module`` names another module, which it imports in ``line``."""

    module: str
    other: str
    line: int

    def __str__(self) -> str:
        return f"{MODULES[self.module].relative_to(ROOT)}:{self.line} imports {self.other}"


def imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The modules that a file imports, wherever it does, in what line; ours by their full names.

    Imports inside functions and for type checking count.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "an import names the whole module"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module, node.lineno


IMPORTS = [
    Import(name, other, line)
    for name, tree in TREES.items()
    for other, line in imported(tree)
    if other in MODULES and other != name
]


def top(name: str) -> str:
    return name.partition(".")[0]


def room(name: str) -> str:
    """The file or folder directly under a package that a module lies in."""
    return ".".join(name.split(".")[:2])


def circles(arrows: Iterable[tuple[str, str]]) -> list[str]:
    """What stands on a circle of arrows, or between two, sorted."""
    left: dict[str, set[str]] = defaultdict(set)
    for one, other in arrows:
        left[one].add(other)
    # Kahn's algorithm, from both ends: what has no arrow in, or none out, is on no circle.
    while True:
        reached = {other for others in left.values() for other in others}
        inner = {one: left[one] & left.keys() for one in left.keys() & reached}
        kept = {one: others for one, others in inner.items() if others}
        if kept == left:
            return sorted(left)
        left = defaultdict(set, kept)


def where(name: str) -> str:
    return str(MODULES[name].relative_to(ROOT))


# -- imports


def test_the_core_names_neither_adapters_nor_leaderboards() -> None:
    def allowed(each: Import) -> bool:
        one, other = top(each.module), top(each.other)
        if one == "harness" and other == "leaderboards":
            return each.module.startswith("harness.commands")
        return other in (one, "harness")

    assert [str(each) for each in IMPORTS if not allowed(each)] == []


def test_commands_load_leaderboards_when_they_are_given() -> None:
    outside = [
        node
        for name, tree in TREES.items()
        if name.startswith("harness.commands")
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and top(node.module or "") == "leaderboards"
    ]
    assert outside == []


def test_the_runner_never_writes_the_store() -> None:
    blind = ("harness.runs.", "harness.searchers.loop", "harness.executors.local")
    found = [each for each in IMPORTS if each.module.startswith(blind)]
    assert [str(each) for each in found if each.other == "harness.records.store"] == []


def test_imports_of_files_form_no_circle() -> None:
    assert circles((each.module, each.other) for each in IMPORTS) == []


def test_imports_of_folders_form_no_circle() -> None:
    arrows = ((room(each.module), room(each.other)) for each in IMPORTS)
    assert circles((one, other) for one, other in arrows if one != other) == []


def test_a_folder_of_the_core_imports_only_what_stands_below_it() -> None:
    level = {f"harness.{name}": line for line, names in enumerate(ORDER) for name in names}
    level["harness"] = level.pop("harness.harness")
    rooms = {room(name) for name in MODULES if top(name) == "harness"}
    assert rooms == set(level), "ORDER names every folder and module of harness, and no other"
    upwards = [
        f"{each}: {room(each.other)} does not stand below {room(each.module)}"
        for each in IMPORTS
        if top(each.module) == top(each.other) == "harness"
        and room(each.module) != room(each.other)
        and level[room(each.module)] >= level[room(each.other)]
    ]
    assert upwards == []


def test_a_circle_would_be_found() -> None:
    line = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")]
    assert circles(line) == []
    assert circles([*line, ("c", "b")]) == ["b", "c"]


@pytest.mark.parametrize(
    "source",
    [
        "from harness.cli import run",
        "from harness import cli",
        "import harness.cli",
        "if TYPE_CHECKING:\n    from harness.cli import run",
        "def late():\n    from harness.cli import run",
    ],
)
def test_every_form_of_an_import_is_seen(source: str) -> None:
    assert [name for name, _ in imported(ast.parse(source))] == ["harness.cli"]


@pytest.mark.parametrize(
    "module",
    [
        "harness.cli",
        "harness.commands.run",
        "harness.commands.diagnose",
        "harness.commands.tables.group",
        "harness.registry",
    ],
)
def test_what_the_command_line_imports_is_light(module: str) -> None:
    heavy = ["torch", "pandas", "scipy", "matplotlib", "pyarrow", "optuna"]
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_adapters_have_no_command_of_their_own() -> None:
    # `harness` has the one error boundary.
    own = [
        name for name in MODULES if top(name) == "adapters" and "__main__" in ast.dump(TREES[name])
    ]
    assert own == []


# -- sizes


class Function(NamedTuple):
    """lines: from ``def`` to the end, the docstring left out. parameters: ``self`` left out."""

    where: str
    lines: int
    parameters: int


def functions(name: str, tree: ast.Module) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = _last_line(node) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                lines -= _last_line(node.body[0]) - node.body[0].lineno + 1
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            parameters = [each.arg for each in given if each.arg not in ("self", "cls")]
            yield Function(f"{where(name)}:{node.name}", lines, len(parameters))


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


FUNCTIONS = [each for name, tree in TREES.items() for each in functions(name, tree)]


def test_files_stay_readable() -> None:
    lengths = {where(name): len(MODULES[name].read_text("utf-8").splitlines()) for name in MODULES}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_functions_fit_on_a_screen() -> None:
    lengths = [each.lines for each in FUNCTIONS]
    assert [each for each in FUNCTIONS if each.lines > 60] == []
    assert median(lengths) <= 7
    assert quantiles(lengths, n=10)[-1] <= 20


def test_functions_have_few_parameters() -> None:
    assert [each for each in FUNCTIONS if each.parameters > 7] == []


def test_the_size_of_a_function_is_what_is_counted() -> None:
    source = (
        'def f(self, a, /, b, *, c):\n    """One\n\n    two."""\n    return (\n        a\n    )\n'
    )
    (found,) = functions("harness.cli", ast.parse(source))
    assert (found.lines, found.parameters) == (4, 3)


def test_few_modules_lie_loose_and_none_is_for_everything() -> None:
    loose = [name for name in MODULES if room(name) == name and MODULES[name].name != "__init__.py"]
    assert len([name for name in loose if top(name) == "harness"]) < 20
    parts = {part for name in MODULES for part in name.split(".")}
    assert parts & {"util", "utils", "common_utils", "helpers", "misc"} == set()


# -- names

CLASS_LIKE = re.compile(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*")


def named(tree: ast.Module) -> Iterator[str]:
    """Public classes of a file, and public names of types that it makes; not type variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and CLASS_LIKE.fullmatch(node.name):
            yield node.name
    for node in _of_module(tree.body):
        if isinstance(node, ast.Assign) and not _is_type_variable(node.value):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            yield from filter(CLASS_LIKE.fullmatch, names)


def _is_type_variable(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func) in ("TypeVar", "ParamSpec")


def _of_module(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements outside functions and classes."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from _of_module([*node.body, *node.orelse])


def twice(names: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Name -> the modules that have it, where there are several."""
    found: dict[str, list[str]] = defaultdict(list)
    for module, own in names.items():
        for name in own:
            found[name].append(module)
    return {name: modules for name, modules in found.items() if len(modules) > 1}


def test_no_two_classes_have_one_name() -> None:
    assert twice({name: list(named(tree)) for name, tree in TREES.items()}) == {}


def test_a_second_class_of_a_name_would_be_found() -> None:
    shared = "class _Own: ...\nEntry = TypeVar('Entry')\nMOST = 3\n"
    one = "class Trial: ...\nScores = list[float]\nclass One: ...\n"
    other = "if TYPE_CHECKING:\n    Scores = list[float]\nclass Outer:\n    class Trial: ...\n"
    both = {"one": named(ast.parse(shared + one)), "other": named(ast.parse(shared + other))}
    assert set(twice(both)) == {"Scores", "Trial"}


# -- one place for each thing


def called(tree: ast.Module) -> set[str]:
    """What a file calls, as it is written there."""
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


CALLED = {name: called(tree) for name, tree in TREES.items()}


def test_no_global_random_state_is_used() -> None:
    forbidden = {
        "np.random.seed",
        "np.random.rand",
        "random.seed",
        "torch.manual_seed",
        "torch.random.fork_rng",
    }
    # What torch draws from its own generator is put back as it was, in one place.
    for name in set(MODULES) - {"harness.randomness.on_torch"}:
        assert not CALLED[name] & forbidden, name


@pytest.mark.parametrize(
    ("place", "calls"),
    [
        ("harness.training.sgd", {"SGD", "clip_grad_norm_"}),
        ("harness.protocols.schedule", {"math.cos"}),
        ("harness.supernets.driver", {"next_epoch"}),
        ("harness.storage.locks", {"FileLock", "flock", "lockf"}),
        ("harness.storage.files", {"fsync", "os.replace", "os.rename", "mkdtemp"}),
        ("harness.resources", {"device_count"}),
    ],
)
def test_what_is_done_everywhere_is_done_in_one_place(place: str, calls: set[str]) -> None:
    """The rule of weights, the cosine, the driver of epochs, the lock, writing, the device."""
    found = [
        name
        for name in MODULES
        if any(each in calls or each.rpartition(".")[2] in calls for each in CALLED[name])
    ]
    assert found == [place]
