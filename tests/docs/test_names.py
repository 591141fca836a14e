"""What the docs name exists, and what exists by a name is in the docs."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from harness import registry
from harness.protocols import evaluation, search, search_file, supernet_file
from harness.protocols.frame import Frame
from harness.suites import suite
from harness.suites.sections import sections as sections_of_kinds
from harness.supernets.selectors import SelectorMethod
from harness.supernets.trainers import TrainerMethod
from leaderboards.model import SignalQuality
from leaderboards.studies import method_cards, metrics_page
from tests.docs.pages import PAGES, ROOT, anchors, code_words, prose, text

DOCS = ROOT / "docs"
EVERYTHING = "\n".join(map(text, PAGES))
DOTTED = re.compile(r"^(?:harness|adapters|leaderboards)(?:\.\w+)+")
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_dotted_names_can_be_imported(page: Path) -> None:
    for words in code_words(page):
        if match := DOTTED.match(words):
            resolve(match[0])


def resolve(name: str) -> None:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            found = getattr(found, attribute)
        return
    raise AssertionError(f"no module {name}")


@pytest.mark.parametrize("name", ["harness.no_such", "harness.spaces.NoSuch", "leaderboards.x.y"])
def test_a_wrong_name_would_be_found(name: str) -> None:
    with pytest.raises(AttributeError):
        resolve(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    for words in code_words(page):
        if re.match(r"^(harness|adapters|leaderboards|tests|docs)/[\w./*-]+$", words):
            assert list(ROOT.glob(words.rstrip("/"))), f"{page.name} names {words}"


@pytest.mark.parametrize(
    "kind", ["methods", "spaces", "importers", "trainers", "selectors", "proxies", "datasets"]
)
def test_everything_registered_is_documented(kind: str) -> None:
    for name in shipped(kind):
        headings = (f"## {name}\n", f"## Trainer {name}\n")
        assert f"`{name}`" in EVERYTHING or any(each in EVERYTHING for each in headings), name


def test_every_suite_and_protocol_is_documented() -> None:
    for name in suite.PRESETS.names():
        assert f"`{name}`" in text(DOCS / "suites.md"), name
    for name in (*search_file.PRESETS.names(), *supernet_file.PRESETS.names()):
        assert f"`{name}`" in text(DOCS / "protocols.md"), name
    for name in evaluation.PRESETS.names():
        assert f"`{name}`" in text(DOCS / "evaluation.md"), name


def keys(*kinds: type[msgspec.Struct]) -> set[str]:
    return {field.name for kind in kinds for field in msgspec.structs.fields(kind)}


def test_every_key_of_a_suite_is_documented() -> None:
    sections = sections_of_kinds().found.values()
    known = keys(suite.SuiteFile, suite.MethodEntry, suite.ProfileEntry)
    known |= keys(*(kind.entry for kind in sections))
    tables = {"method", *(kind.section for kind in sections)}
    page = text(DOCS / "suites.md")
    assert {key for key in known if f"`{key}`" not in page} == {"method", "profile"}
    assert all(f"[[{table}]]" in page for table in tables)
    assert all(f"[profile.{profile}]" in page for profile in suite.PROFILES)


def test_every_switch_of_a_protocol_is_documented() -> None:
    known = keys(
        search_file.ProtocolFile,
        search_file.TaskEntry,
        search_file.SignalEntry,
        search_file.CostEntry,
        search_file.AnswerEntry,
    )
    page = text(DOCS / "protocols.md")
    tables = {"task", "signal", "cost", "answer"}
    assert {key for key in known if f"`{key}`" not in page} <= tables
    assert all(f"`[{table}]`" in page for table in ("[task]", "task.signal", "task.cost"))
    assert "`[[task.answer]]`" in page
    for name in ("Overrun", "Repeats", "Incumbent", "Unit", "ValidationPass"):
        for choice in get_args(getattr(search, name)):
            assert f"`{choice}`" in page, choice
    for choice in get_args(get_args(search.SeedRule)[1]):
        assert f"`{choice}`" in page, choice


def test_every_key_of_a_supernet_protocol_is_documented() -> None:
    page = text(DOCS / "protocols.md").partition("## Supernet protocols")[2]
    known = keys(supernet_file.SupernetProtocolFile, search_file.AnswerEntry)
    known |= {field.name for field in dataclasses.fields(Frame)}
    assert {key for key in known if f"`{key}`" not in page} == set()


def test_the_numbers_in_the_docs_are_as_declared() -> None:
    page = text(DOCS / "metrics.md")
    assert metrics_page.page(page) == page, (
        "docs/metrics.md is older than the measures; "
        "write it again: python -m leaderboards.studies.metrics_page docs/metrics.md"
    )
    assert sorted(metrics_page.named(page)) == sorted(metrics_page.declared())


def test_every_number_for_programs_has_a_meaning() -> None:
    lacking = {
        f"{name}: {each.key}"
        for name, measures in metrics_page.declared().items()
        for each in measures
        if each.data and not each.meaning
    }
    assert lacking == set()


def test_what_a_table_says_of_its_signal_is_documented() -> None:
    page = text(DOCS / "metrics.md")
    fields = {field.name for field in dataclasses.fields(SignalQuality)}
    assert {name for name in fields if f"`{name}`" not in page} == set()


def test_every_metric_and_quantity_of_a_table_is_documented() -> None:
    from harness.tables.manifest import METRICS, QUANTITIES
    from harness.tables.tidy_form import COSTS, PLACE, SUFFIXES

    page = text(DOCS / "tables.md")
    wanted = {*METRICS, *QUANTITIES, *COSTS, *PLACE, *SUFFIXES}
    assert {name for name in wanted if f"`{name}`" not in page} == set()


def test_every_settings_default_in_the_docs_is_the_codes() -> None:
    assert text(DOCS / "methods.md") == method_cards.cards(), (
        "docs/methods.md is older than the methods; "
        "write it again: python -m leaderboards.studies.method_cards > docs/methods.md"
    )


PARTS: dict[str, type[TrainerMethod | SelectorMethod]] = {
    "trainers": TrainerMethod,
    "selectors": SelectorMethod,
}
FACTS = {"trainers": ("optimises", "cost", "memory"), "selectors": ("cost", "returns")}


def shipped(kind: str) -> list[str]:
    names = registry.names(kind)
    return [name for name in names if registry.origin(kind, name).startswith("nas-harness ")]


@pytest.mark.parametrize("kind", PARTS)
def test_trainers_and_selectors_have_whole_cards(kind: str) -> None:
    for name in shipped(kind):
        part = registry.load(kind, name, PARTS[kind])
        assert [fact for fact in FACTS[kind] if not getattr(part, fact)] == [], name


@pytest.mark.parametrize("kind", PARTS)
def test_a_card_and_those_it_names_have_every_setting(kind: str) -> None:
    sections = re.findall(r"^#+ (.+)\n((?:(?!#).*\n)*)", text(DOCS / "methods.md"), re.MULTILINE)
    cards = {heading.lower().replace(" ", "-"): card for heading, card in sections}
    for name in shipped(kind):
        settings = dataclasses.fields(registry.load(kind, name, PARTS[kind]).settings)
        found = settings_named(cards[f"{kind.removesuffix('s')}-{name}"], cards)
        assert found == {field.name: repr(field.default) for field in settings}, name


def settings_named(card: str, cards: dict[str, str]) -> dict[str, str]:
    """Setting -> default as a reader finds them: the card's own go before the ones referred to."""
    found = {}
    for line in card.splitlines():
        if line.startswith("Settings: those of"):
            for anchor in re.findall(r"\(#([\w-]+)\)", line):
                found.update(settings_named(cards[anchor], cards))
    return found | dict(re.findall(r"^\| `(\w+)` \| `(.*?)` \|", card, flags=re.MULTILINE))


def test_what_trainers_inherit_stands_once() -> None:
    rows = [line for line in text(DOCS / "methods.md").splitlines() if "| Adam's decay of" in line]
    assert len(rows) == len(set(rows)) == 4, "two of DARTS, two of ENAS"


def test_the_version_is_in_the_changelog() -> None:
    from harness import __version__

    assert f"## [{__version__}]" in text(ROOT / "CHANGELOG.md")
