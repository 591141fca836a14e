from __future__ import annotations

from pathlib import Path

import pytest

from harness import protocols, suites
from harness.errors import BadSuite, HarnessError, UnknownName

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
    assert "nas-bench-201" in suites.suite_names()
    for name in suites.suite_names():
        suite = suites.load(name)
        assert suite.seeds("laptop")
        assert suite.seeds("paper")
        for benchmark in suite.file.benchmark:
            assert protocols.load(benchmark.protocol)[1].task


def test_the_published_budgets() -> None:
    def budgets(name: str) -> dict[str, float]:
        return {task.name: task.budget for task in protocols.load(name)[1].task}

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
        protocols.load("nats-bensh")


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
    text = (Path(protocols.__file__).parent / "nats-bench.toml").read_text("utf-8")
    file = tmp_path / "own.toml"
    file.write_text(text.replace("budget = 20000", "budget = 0"), "utf-8")
    with pytest.raises(BadSuite, match="'cifar10' has a budget of 0"):
        protocols.load(str(file))
    file.write_text(text.replace('name = "cifar100"', 'name = "cifar10"'), "utf-8")
    with pytest.raises(BadSuite, match="each of another name"):
        protocols.load(str(file))
    file.write_text(text.replace('overrun = "count"', 'overrun = "maybe"'), "utf-8")
    with pytest.raises(BadSuite, match=r"maybe.*overrun"):
        protocols.load(str(file))
