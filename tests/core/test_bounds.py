"""What may not be set is one line while runs are planned: every setting, every number of a file."""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from harness import registry
from harness.conformance.bounds import check_bounds, is_bounded, outside
from harness.diagnoses.contract import Diagnosis
from harness.errors import BadSuite, HarnessError
from harness.protocols import search_file, supernet_file, table_training, toml
from harness.protocols.evaluation import PRESETS as EVALUATIONS
from harness.protocols.evaluation import EvaluationFile
from harness.protocols.frame import Frame
from harness.resources import Workshop
from harness.runs.methods import registered_as
from harness.runs.plan import Choice, make_plan
from harness.runs.search.entry import BenchmarkEntry
from harness.searchers.contract import BlackBoxMethod
from harness.settings import Count, Rate, allowed, make_settings, setting, types_of, unbounded
from harness.suites import suite as suites
from harness.supernets.selectors import SelectorMethod
from harness.supernets.trainers import TrainerMethod
from harness.tables.catalog import open_table
from tests.core.supernet_suites import give, method, one_line, write

BENCHMARK = """
[[benchmark]]
space = "nas-bench-201"
table = "nas-bench-201-digits"
protocol = "nas-bench-201-digits"
"""


def rows() -> list[tuple[str, str, type[Any]]]:
    """Every settings class: a row that has it, the prefix of its settings there, the class."""
    found = [(name, "", method.settings) for name, method in registered_as(BlackBoxMethod)]
    for name in registry.names("trainers"):
        trainer = registry.load("trainers", name, TrainerMethod)
        found.append((f"{name}+random", "trainer_", trainer.settings))
    for name in registry.names("selectors"):
        selector = registry.load("selectors", name, SelectorMethod)
        found.append((f"untrained+{name}", "selector_", selector.settings))
    return found


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> suites.Suite:
    """One benchmark and one supernet, whose methods a test puts in."""
    folder = tmp_path_factory.mktemp("suite")
    path = write(folder, '\n[[method]]\nname = "darts"\n')
    path.write_text(path.read_text("utf-8") + BENCHMARK, "utf-8")
    return suites.load(str(path))


def refusal(suite: suites.Suite, **entry: Any) -> str:
    """The one line that planning ends with for a row."""
    file = msgspec.structs.replace(suite.file, method=[suites.MethodEntry(**entry)])
    with pytest.raises(HarnessError) as caught:
        make_plan(dataclasses.replace(suite, file=file), Choice("laptop"), open_table, Workshop())
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize(("row", "prefix", "settings"), rows())
def test_every_setting_has_bounds_that_planning_holds(
    row: str, prefix: str, settings: type[Any], suite: suites.Suite
) -> None:
    check_bounds(settings)
    for name, kind in types_of(settings).items():
        value = outside(kind)[0]
        said = refusal(suite, name=row, settings={prefix + name: value})
        assert said.startswith(f"setting {name} of ")
        assert row in said
        assert f" is {value!r}; it must be " in said
        assert said.endswith(allowed(kind))


@pytest.mark.parametrize("name", registry.names("diagnoses"))
def test_every_setting_of_a_diagnosis_has_bounds(name: str) -> None:
    check_bounds(registry.load("diagnoses", name, Diagnosis).settings)


@pytest.mark.parametrize(("row", "prefix", "settings"), rows())
def test_no_default_is_out_of_its_bounds(row: str, prefix: str, settings: type[Any]) -> None:
    make_settings(row, settings, dataclasses.asdict(settings()))


@pytest.mark.parametrize("name", registry.names("trainers"))
def test_no_published_frame_is_out_of_its_bounds(name: str) -> None:
    for frame in registry.load("trainers", name, TrainerMethod).frame.values():
        supernet_file.checked_frame(name, frame)


@pytest.mark.parametrize(("name", "kind"), types_of(Frame).items())
def test_every_field_of_a_frame_has_bounds(name: str, kind: Any, suite: suites.Suite) -> None:
    assert is_bounded(kind)
    for value in outside(kind):
        said = refusal(suite, name="darts", frame={name: value})
        assert said.startswith(f"setting {name} of darts's training frame is {value!r}; it must be")
        with pytest.raises(HarnessError, match=rf"^setting {name} of \[frame\] is "):
            supernet_file.SupernetProtocolFile("a test", {name: value}).frame_for("darts")


def content(file: Any) -> dict[str, Any]:
    return tomllib.loads(file.read_text("utf-8"))


def flat() -> dict[str, Any]:
    found = dataclasses.asdict(table_training.training_protocol("flat-12"))
    del found["name"]
    return found


FILES: list[tuple[type[msgspec.Struct], dict[str, Any]]] = [
    (EvaluationFile, content(EVALUATIONS.find("darts")[1])),
    (search_file.ProtocolFile, content(search_file.PRESETS.find("nas-bench-201-digits")[1])),
    (supernet_file.SupernetProtocolFile, content(supernet_file.PRESETS.find("darts")[1])),
    (table_training.TrainingFile, flat()),
    (suites.MethodEntry, {"name": "darts"}),
    (BenchmarkEntry, {"space": "a", "table": "b", "protocol": "c"}),
]


def places(kind: type[msgspec.Struct], held: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every number, choice and truth of a file, as ``task[0].budget``, with its declared type."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        inner = [each for each in get_args(hint) if isinstance(each, type)]
        if inner and issubclass(inner[0], msgspec.Struct):
            if held.get(name):
                yield from places(inner[0], held[name][0], f"{path}{name}[0].")
        elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            yield from places(hint, held[name], f"{path}{name}.")
        elif scalar(hint) is not None:
            yield path + name, scalar(hint)
        elif get_origin(hint) in (list, tuple):
            yield f"{path}{name}[0]", get_args(hint)[0]


def scalar(hint: Any) -> Any:
    """The declared type of a number, choice, text or truth, perhaps one of several; or None."""
    if hint in (bool, str, int, float) or get_origin(hint) in (Annotated, Literal):
        return hint
    several = get_args(hint) if get_origin(hint) in (Union, UnionType) else ()
    return next((each for each in map(scalar, several) if each is not None), None)


def put(held: Mapping[str, Any], path: str, value: object) -> dict[str, Any]:
    """A file's content with another value at a place; of a list only its first item is left."""
    match = re.fullmatch(r"(\w+)(\[0\])?\.?(.*)", path)
    assert match is not None
    name, listed, rest = match.groups()
    if rest:
        value = put(held[name][0] if listed else held[name], rest, value)
    return {**held, name: [value] if listed else value}


@pytest.mark.parametrize(
    ("kind", "held", "path", "hint"),
    [(kind, held, *place) for kind, held in FILES for place in places(kind, held)],
)
def test_every_number_of_a_file_has_bounds(
    kind: type[msgspec.Struct], held: dict[str, Any], path: str, hint: Any
) -> None:
    assert is_bounded(hint)
    toml.convert(held, kind, "own.toml")
    for value in outside(hint):
        if value is not None:
            with pytest.raises(BadSuite) as caught:
                toml.convert(put(held, path, value), kind, "own.toml")
            said = str(caught.value)
            assert said.startswith(f"own.toml: {path} is {value!r}; it must be ")
            assert len(said.splitlines()) == 1


WIDE = "{ channels = 8 }"
FRAME = "of darts's training frame is"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            method("regularised-evolution", settings="{ population = 0 }"),
            "setting population of regularised-evolution is 0; it must be 1 to 1,000,000",
        ),
        (
            method("regularised-evolution", settings="{ population = true }"),
            "setting population of regularised-evolution is True; it must be of type int, 1 to",
        ),
        (
            method("regularised-evolution", settings="{ tournament = 11, replacement = false }"),
            "of regularised-evolution: tournament is 11; without replacement it must be at most",
        ),
        (
            method("regularised-evolution", settings='{ mutation = "unifrom" }'),
            "of regularised-evolution: unknown mutation of nas-bench-201 'unifrom'; did you mean",
        ),
        (
            method("bananas", settings='{ encoding = "paht" }'),
            "settings of bananas: unknown encoding of nas-bench-201 'paht'",
        ),
        (
            method("hyperband", settings="{ eta = 500 }"),
            "it would use only 12 epochs with eta 500 and rounding 'up'",
        ),
        (
            method("hyperband-tpe", settings="{ random_fraction = 1.5 }"),
            "setting random_fraction of hyperband-tpe is 1.5; it must be 0 to 1",
        ),
        (method("darts", frame="{ drop_path = 1.5 }"), f"drop_path {FRAME} 1.5; it must be at lea"),
        (method("darts", frame="{ snapshots = -2 }"), f"snapshots {FRAME} -2; it must be 1 to"),
        (method("darts", frame="{ clip = -1 }"), f"clip {FRAME} -1; it must be at least 0"),
        (
            method("random-search", frame="{ epochs = 3 }"),
            "random-search searches a table; a frame is for methods that train supernets",
        ),
        (method("darts", frame="{ clip = inf }"), f"clip {FRAME} inf; it must be finite"),
        (
            method("darts", frame="{ cells = 999999999 }"),
            f"cells {FRAME} 999999999; it must be 1 t",
        ),
        (
            method("darts", frame="{ nesterov = true, momentum = 0 }"),
            "settings of darts's training frame: nesterov needs a momentum above 0",
        ),
        (
            method("darts", frame="{ learning_rate = 1e-4 }"),
            "final_learning_rate is 0.001; it must be at most the learning_rate, 0.0001",
        ),
        (
            method("darts-pt", settings="{ alpha_scale = -3 }"),
            "setting alpha_scale of darts in darts-pt is -3; it must be at least 0",
        ),
        (
            method("darts-pt", settings="{ learning_rate_share = nan }"),
            "setting learning_rate_share of perturbation in darts-pt is nan; it must be finite",
        ),
        (
            method("pc-darts", settings="{ partial_channels = 5 }"),
            "settings of pc-darts: partial channels of 1/5 do not fit the frame's 2 channels",
        ),
        (
            method("drnas-progressive", settings="{ last_partial_channels = 3 }", frame=WIDE),
            "settings of drnas-progressive: partial channels of 1/3 do not fit the frame's 8",
        ),
        (
            method("p-darts", frame="{ epochs = 2 }"),
            "settings of p-darts: 3 stages need as many epochs, and there are 2",
        ),
        (
            method("r-darts-l2", frame="{ epochs = 4 }"),
            "settings of r-darts-l2: 5 stages need as many epochs, and there are 4",
        ),
        (
            method("r-darts-dp", settings='{ grid = "0, 1.5" }'),
            "settings of r-darts-dp: grid is '0, 1.5'; its rates must be below 1",
        ),
        (
            method("r-darts-l2", settings='{ grid = "1, inf" }'),
            "settings of r-darts-l2: grid is '1, inf'; its numbers must be at least 0, and finite",
        ),
        (
            method("darts-ada", frame="{ weight_decay = 0 }"),
            "settings of darts-ada: weight_decay is 0 and stays so",
        ),
        (
            method("balenas", settings="{ initial_precision = 0.5 }"),
            "settings of balenas: initial_precision is 0.5; it must be at least the prior's, 1",
        ),
        (
            method("sanas", settings='{ start = "zero" }'),
            "settings of sanas: start zero never moves",
        ),
        (
            method("sanas", settings="{ gamma = 0, second_weight = 0 }"),
            "settings of sanas: gamma and second_weight are both 0",
        ),
        (
            method("spos", settings="{ population = 10 }"),
            "settings of evolution in spos: mutants and crossovers are 25 and 25; together they",
        ),
        (
            method("synflow-sampling", settings='{ proxy = "synflw" }'),
            "unknown proxy 'synflw'; did you mean 'synflow'",
        ),
        (
            method("darts", seeds_at_most="-1"),
            "method[0].seeds_at_most is -1; it must be 1 to 1,000,000",
        ),
    ],
)
def test_harness_run_refuses_it_in_one_line(
    row: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, row)
    path.write_text(path.read_text("utf-8") + BENCHMARK, "utf-8")
    assert give("run", "--suite", path, "--dry-run") == 1
    one_line(capsys.readouterr().err, said)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (
            "tiny.toml",
            ("[[benchmark]]", "[[benchmark]]\nbudget = nan"),
            "budget is nan; it must be",
        ),
        ("looked-up.toml", ("epochs = 3", "epochs = 0"), "epochs of [frame] is 0; it must be 1 to"),
        ("looked-up.toml", ("seed = 1", "seed = -1"), "answer[1].seed is -1; it must be 0 to"),
        ("looked-up.toml", ("epochs = 12", "epochs = 0"), "answer[0].epochs is 0; it must be 1 to"),
        (
            "looked-up.toml",
            ("[frame]", "[frame]\nnesterov = true\nmomentum = 0"),
            "needs a momentum",
        ),
        (
            "looked-up.toml",
            ("tuning_epochs = 1", "alpha_scale = -3"),
            "setting alpha_scale of darts",
        ),
        ("looked-up.toml", ('source = "', 'evaluation_seeds = [-1]\nsource = "'), "seeds[0] is -1"),
    ],
)
def test_harness_run_refuses_a_file_in_one_line(
    file: str,
    change: tuple[str, str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    suite = write(tmp_path, method("darts"))
    suite.write_text(suite.read_text("utf-8") + BENCHMARK, "utf-8")
    path = tmp_path / file
    text = path.read_text("utf-8")
    assert change[0] in text
    path.write_text(text.replace(*change, 1), "utf-8")
    assert give("run", "--suite", suite, "--dry-run") == 1
    one_line(capsys.readouterr().err, said)


def test_what_fits_is_planned(tmp_path: Path) -> None:
    """Values at their ends, and numbers that a training only just has room for."""
    rows = [
        method("regularised-evolution", settings="{ tournament = 10, replacement = false }"),
        method("hyperband", settings="{ eta = 12 }"),
        method("darts", frame="{ drop_path = 0, clip = 0, nesterov = true, momentum = 0.999 }"),
        method("pc-darts", settings="{ partial_channels = 2 }"),
        method("p-darts", frame="{ epochs = 3 }"),
        method("spos", settings="{ population = 50 }"),
    ]
    path = write(tmp_path, *rows)
    path.write_text(path.read_text("utf-8") + BENCHMARK, "utf-8")
    assert give("run", "--suite", path, "--dry-run") == 0


@dataclass(frozen=True)
class Strange:
    """Settings of somebody else's."""

    size: int = setting(3, "how large")


@dataclass(frozen=True)
class Reasoned:
    """The same, with what is missing."""

    size: Annotated[int, msgspec.Meta(ge=1)] = setting(3, "how large")
    shift: Annotated[float, unbounded("a shift of logits")] = setting(0.0, "where to")


def test_a_number_without_a_bound_is_told_how_to_get_one() -> None:
    with pytest.raises(AssertionError, match=r"setting size has no bound: .* such as Count"):
        check_bounds(Strange)
    check_bounds(Reasoned)
    assert make_settings("mine", Reasoned, {"shift": -1e300}).shift == -1e300
    with pytest.raises(HarnessError, match="setting shift of mine is inf; it must be finite, any"):
        make_settings("mine", Reasoned, {"shift": math.inf})


def test_no_setting_without_bounds_takes_what_is_no_number() -> None:
    @dataclass(frozen=True)
    class Loose:
        scale: float = setting(1.0, "how much")

    for value in (math.nan, math.inf):
        with pytest.raises(HarnessError, match=r"setting scale of mine is .*; it must be finite"):
            make_settings("mine", Loose, {"scale": value})


def test_a_whole_number_is_a_float_where_one_is_wanted() -> None:
    made = make_settings("mine", Reasoned, {"shift": 2})
    assert type(made.shift) is float


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Count, "1 to 1,000,000"),
        (Rate, "at least 0, below 1"),
        (Annotated[int, msgspec.Meta(ge=2)], "at least 2"),
        (Annotated[float, msgspec.Meta(gt=0.5, le=2)], "above 0.5, at most 2"),
        (Annotated[int, msgspec.Meta(ge=0, le=8, multiple_of=2)], "0 to 8, a multiple of 2"),
        (Annotated[float, unbounded("why not")], "any number"),
        (Literal["late", "early", "never"], "late, early or never"),
        (Literal[1], "1"),
        (bool, "true or false"),
        (str, "text"),
        (Count | Literal["all"], "1 to 1,000,000 or all"),
        (Count | None, "1 to 1,000,000"),
    ],
)
def test_what_is_allowed_in_words(kind: Any, words: str) -> None:
    assert allowed(kind) == words
