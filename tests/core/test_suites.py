from __future__ import annotations

from pathlib import Path

import pytest

from harness import registry
from harness.conformance.synthetic import write_synthetic_table
from harness.errors import BadSuite, HarnessError, UnknownName
from harness.protocols import search_file, supernet_file
from harness.runs.plan import Choice, Plan, make_plan
from harness.spaces import SearchSpace
from harness.suites import suite as suites
from harness.tables.table import BenchmarkTable

GOOD = """
summary = "two methods"

[[benchmark]]
space = "nas-bench-201"
table = "nas-bench-201"
protocol = "nas-bench-201"

[profile.laptop]
seeds = "0-3"

[[method]]
name = "random-search"
"""


def write(folder: Path, text: str) -> str:
    file = folder / "mine.toml"
    file.write_text(text, "utf-8")
    return str(file)


def test_every_shipped_suite_and_protocol_loads() -> None:
    assert "nas-bench-201" in suites.PRESETS.names()
    for name in suites.PRESETS.names():
        suite = suites.load(name)
        assert "laptop" in suite.file.profile
        assert all(suite.seeds(profile) for profile in suite.file.profile)
        for benchmark in suite.sections.get("search", ()):
            assert search_file.load(benchmark.protocol)[1].task
        for supernet in suite.sections.get("supernet", ()):
            assert supernet_file.load(supernet.protocol)[1].source


def test_the_published_budgets() -> None:
    def budgets(name: str) -> dict[str, float]:
        return {task.name: task.budget for task in search_file.load(name)[1].task}

    assert budgets("nas-bench-201")["cifar10"] == 12_000
    assert budgets("nats-bench") == {"cifar10": 2e4, "cifar100": 4e4, "ImageNet16-120": 1.2e5}


def test_a_suite_of_ones_own(tmp_path: Path) -> None:
    suite = suites.load(write(tmp_path, GOOD))
    assert suite.name == "mine"
    assert suite.seeds("laptop") == (0, 1, 2, 3)
    assert [method.name for method in suite.methods("laptop")] == ["random-search"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seeds =", "seed ="), r"unknown key 'seed'.*did you mean 'seeds'"),
        (('summary = "two methods"', ""), "key 'summary' is missing"),
        (('"0-3"', "3"), "Expected `?'?str"),
        (
            ("[profile.laptop]", "[profile.laptob]"),
            "unknown profile 'laptob'; did you mean 'laptop'",
        ),
        (("[[method]]", "[[methods]]"), "unknown key 'methods'"),
        (('"two methods"', "two methods"), "is not TOML"),
        (('name = "random-search"', 'name = "a"\n[[method]]\nname = "a"'), "labelled 'a'"),
    ],
)
def test_a_wrong_file_is_one_clear_line(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = write(tmp_path, GOOD.replace(*change))
    with pytest.raises(BadSuite, match=message) as caught:
        suites.load(path)
    assert "\n" not in str(caught.value)
    assert path in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadSuite, match="No such file"):
        suites.load(str(tmp_path / "none.toml"))


def test_an_unknown_suite_offers_the_near_ones() -> None:
    with pytest.raises(UnknownName, match="did you mean 'nas-bench-201'"):
        suites.load("nas-bench-202")
    with pytest.raises(UnknownName, match="did you mean 'nats-bench'"):
        search_file.load("nats-bensh")


@pytest.mark.parametrize(
    ("text", "seeds"), [("0-2", (0, 1, 2)), ("7", (7,)), ("0,2, 5-6", (0, 2, 5, 6))]
)
def test_seeds(text: str, seeds: tuple[int, ...]) -> None:
    assert suites.parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "3-1", "0-", "-1", "0,0", "0-3,2", "1.5", "0-9999999"])
def test_seeds_that_are_none(text: str) -> None:
    with pytest.raises(HarnessError):
        suites.parse_seeds(text)


def test_a_protocol_must_be_able_to_judge(tmp_path: Path) -> None:
    text = (Path(search_file.__file__).parent / "searches" / "nats-bench.toml").read_text("utf-8")
    file = tmp_path / "own.toml"
    file.write_text(text.replace("budget = 20000", "budget = 0"), "utf-8")
    with pytest.raises(BadSuite, match="budget is 0; it must be above 0"):
        search_file.load(str(file))
    file.write_text(text.replace('name = "cifar100"', 'name = "cifar10"'), "utf-8")
    with pytest.raises(BadSuite, match="each of another name"):
        search_file.load(str(file))
    file.write_text(text.replace('overrun = "count"', 'overrun = "maybe"'), "utf-8")
    with pytest.raises(BadSuite, match=r"overrun is 'maybe'; it must be count or discard"):
        search_file.load(str(file))


STAND_IN = """
[[benchmark]]
space = "nas-bench-201"
table = "made-up"
protocol = "nas-bench-201"
tasks = ["cifar100"]
stands_in_for = "nas-bench-201"
profiles = ["laptop"]

[profile.paper]
seeds = "0-1"

"""


def plan_with(folder: Path, profile: str, *tables: str) -> Plan:
    """The plan of a suite with a stand-in, where only these tables are imported."""
    suite = suites.load(
        write(folder, GOOD.replace("[profile.laptop]", f"{STAND_IN}[profile.laptop]"))
    )
    write_synthetic_table(folder / "table")
    table = BenchmarkTable.open(
        folder / "table", registry.load("spaces", "nas-bench-201", SearchSpace)
    )

    def open_table(name: str) -> BenchmarkTable:
        if name not in tables:
            raise UnknownName("table", name, tables)
        return table

    return make_plan(suite, Choice(profile), open_table)


def test_a_stand_in_is_used_only_where_the_table_is_not_there(tmp_path: Path) -> None:
    plan = plan_with(tmp_path, "laptop", "made-up")
    assert {(spec.table, spec.task.name) for spec in plan.specs} == {("made-up", "cifar100")}
    assert "made-up stands in for it" in plan.notes[0]


@pytest.mark.parametrize("profile", ["laptop", "paper"])
def test_a_stand_in_gives_way(tmp_path: Path, profile: str) -> None:
    plan = plan_with(tmp_path, profile, "made-up", "nas-bench-201")
    assert {spec.table for spec in plan.specs} == {"nas-bench-201"}
    assert {spec.task.name for spec in plan.specs} == {"cifar10", "cifar100", "ImageNet16-120"}
    assert not any("stands in" in note for note in plan.notes)


def test_without_any_table_both_ways_out_are_told(tmp_path: Path) -> None:
    with pytest.raises(HarnessError) as caught:
        plan_with(tmp_path, "laptop")
    assert "`harness tables import nas-bench-201 FILE`" in str(caught.value)
    assert "`harness tables build nas-bench-201 --name made-up`" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_profile_with_a_stand_in_is_offered(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="profile laptop runs on made-up in its place"):
        plan_with(tmp_path, "paper", "made-up")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('stands_in_for = "nas-bench-201"', 'stands_in_for = "made-up"'), "of no other"),
        (('profiles = ["laptop"]', 'profiles = ["lap"]'), "unknown profile 'lap'"),
    ],
)
def test_a_stand_in_must_stand_in_for_something(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    with pytest.raises(BadSuite, match=message):
        suites.load(write(tmp_path, GOOD + STAND_IN.replace(*change)))


def test_a_profile_needs_a_benchmark(tmp_path: Path) -> None:
    text = GOOD.replace("[profile.laptop]", 'profiles = ["paper"]\n[profile.laptop]')
    with pytest.raises(BadSuite, match=r"no \[\[benchmark\]\] or \[\[supernet\]\] takes part"):
        make_plan(suites.load(write(tmp_path, text)), Choice("laptop"), lambda name: None)  # type: ignore[arg-type,return-value]


def test_the_shipped_suite_stands_on_digits_without_a_table() -> None:
    entries = suites.load("nas-bench-201").entries("search", "laptop")
    assert [(entry.table, entry.stands_in_for) for entry in entries] == [
        ("nas-bench-201", None),
        ("nas-bench-201-digits", "nas-bench-201"),
    ]
    assert len(suites.load("nas-bench-201").entries("search", "paper")) == 1


BASELINES = [
    "pc-darts",
    "p-darts",
    "pr-darts",
    "gdas",
    "snas",
    "setn",
    "enas",
    "random-search-ws",
    "drnas",
    "drnas-progressive",
    "sdarts-rs",
    "sdarts-adv",
    "r-darts-l2",
    "r-darts-dp",
    "darts-es",
    "darts-ada",
    "sgas",
    "sgas-2",
    "darts-pt",
    "sdarts-rs-pt",
    "sgas-pt",
    "balenas",
    "balenas-tf",
    "it-nas",
    "sanas",
]


@pytest.mark.parametrize(
    ("suite", "undefined"),
    [
        ("robustness", set()),
        ("nas-bench-201", set()),
        ("one-shot", set()),
        ("darts", set()),
        # Its gates are for the operations of edges; there inputs are chosen apart.
        ("nas-bench-1shot1", {"pr-darts"}),
    ],
)
def test_published_methods_take_part_in_paper(suite: str, undefined: set[str]) -> None:
    names = {entry.name for entry in suites.load(suite).methods("paper")}
    assert set(BASELINES) - names == undefined
