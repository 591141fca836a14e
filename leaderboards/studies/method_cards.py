"""The page of methods, ``docs/methods.md``, written from what the methods say of themselves.

    python -m leaderboards.studies.method_cards > docs/methods.md

A test compares the two, so that the defaults in the docs are always those of the code.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import click

from harness import registry
from harness.errors import NotApplicable
from harness.runs.kinds import AnyRunKind, in_order
from harness.runs.supernet.describe import frames
from harness.settings import make_settings
from harness.supernets.selectors import SelectorMethod
from harness.supernets.trainers import TrainerMethod
from leaderboards.studies.setting_tables import Anything, Group, SettingTables

DISTRIBUTION = "nas-harness"

FAMILIES = {
    "differentiable": "Architecture parameters trained by gradients",
    "balenas": "Architecture parameters trained by gradients",
    "sanas": "Architecture parameters trained by gradients",
    "it_nas": "Attention over candidates",
    "sampled": "Sampled architectures, or none trained",
}
"""Folder of ``adapters/trainers`` -> the family that its trainers are listed under."""

_HEAD = """\
# Methods

The methods that ship, with their sources, their settings and their deviations from what was
published. This page is written by `python -m leaderboards.studies.method_cards`. The command
`harness ls methods` lists the methods of other packages too, `harness ls methods NAME` all settings
of one method.

A method is a black-box searcher, or a supernet trainer combined with a selector. A suite may
combine any trainer with any selector, as `TRAINER+SELECTOR`. Settings go into a suite too:
`settings = { population = 20 }` under its `[[method]]`. A row with a setting of its own is never
shown beside a published number.

Each setting stands once: a card names the cards whose settings it shares, and a setting in its own
table replaces the one of the same name there. The version of a method, trainer or selector is 1
where none is given.
"""

_OPENINGS = {
    "search": """\
A black-box searcher proposes architectures and is told their validation results. It evaluates them
after the longest training that the task offers, except where its card says otherwise.""",
    "supernet": """\
Each trains a supernet and selects one architecture from it. The last column has what the method
sets in place of its trainer's and selector's defaults.""",
}
"""Kind of run -> what is said of its methods; of another kind, its own summary."""

_TRAINERS = """\
## Trainers

A trainer trains the weights of a supernet, and in most cases the parameters by which it ranks the
candidates. A published frame is the training frame of the trainer's paper, used by protocols with
`published_frames` ([protocols.md](protocols.md)). Memory is compared with that of `darts`.
"""

_SELECTORS = """\
## Selectors

A selector derives one architecture from a trained supernet, with a score for each candidate.
[selectors.md](selectors.md) describes each of them.
"""


def cards() -> str:
    """The whole page: the methods of each kind of run, then what some of them are made of."""
    methods = _ours("methods", Anything)
    chapters = {
        kind: {name: each for name, each in methods.items() if each.kind == kind.name}
        for kind in in_order([name for name in registry.names("kinds") if _ships(name, "kinds")])
    }
    trainers = _ours("trainers", TrainerMethod)
    selectors = _ours("selectors", SelectorMethod)
    parts = [
        _HEAD,
        _contents(chapters, trainers, selectors),
        *(line for kind, own in chapters.items() for line in _chapter(kind, own)),
        *_trainer_cards(trainers),
        *_selector_cards(selectors),
    ]
    return "\n".join(parts).replace("``", "`")


def _ours(kind: str, contract: type[Any]) -> dict[str, Any]:
    """What ships with the package under a kind, by name."""
    return {k: registry.load(kind, k, contract) for k in registry.names(kind) if _ships(k, kind)}


def _ships(name: str, kind: str) -> bool:
    return registry.origin(kind, name).split(" ")[0] == DISTRIBUTION


def _contents(
    chapters: Mapping[AnyRunKind, Iterable[str]],
    trainers: Mapping[str, TrainerMethod],
    selectors: Iterable[str],
) -> str:
    """A table of contents, the trainers by family."""
    families = [
        f"  - {title}: {_links(Group.TRAINERS, names)}"
        for title, names in _by_family(trainers).items()
    ]
    return "\n".join(
        [
            "## Contents",
            "",
            *(_of_kind(kind, names) for kind, names in chapters.items()),
            "- [Trainers](#trainers)",
            *families,
            f"- [Selectors](#selectors): {_links(Group.SELECTORS, selectors)}",
            "",
        ]
    )


def _of_kind(kind: AnyRunKind, names: Iterable[str]) -> str:
    line = f"- [{_capital(kind.methods)}](#{kind.methods.replace(' ', '-')})"
    return line if kind.parts else f"{line}: {_links(Group.METHODS, names)}"


def _links(group: Group, names: Iterable[str]) -> str:
    return ", ".join(group.link(name) for name in names)


def _by_family(trainers: Mapping[str, TrainerMethod]) -> dict[str, list[str]]:
    """The title of each family -> its trainers' names, in the order of ``FAMILIES``."""
    found: dict[str, list[str]] = {title: [] for title in FAMILIES.values()}
    for name, trainer in trainers.items():
        folder = trainer.create.__module__.split(".")[2]
        found[FAMILIES[folder]].append(name)
    return found


def _chapter(kind: AnyRunKind, methods: Mapping[str, Any]) -> list[str]:
    return _combined(kind, methods) if kind.parts else _whole(kind, methods)


def _whole(kind: AnyRunKind, methods: Mapping[str, Any]) -> list[str]:
    """A chapter of methods that are not made of others: a card each."""
    found = [_opening(kind)]
    tables = SettingTables(Group.METHODS, methods)
    for name, method in methods.items():
        found += [
            f"### {Group.METHODS.heading(name)}",
            "",
            _sentence(method.summary),
            "",
            f"- Source: {method.source}",
            *(f"- {heading}: {text}" for heading, text in kind.facts(method)),
            *_version(method.version),
            "",
            inspect.getdoc(method.create) or "",
            "",
            *tables.of(name),
        ]
    return found


def _combined(kind: AnyRunKind, methods: Mapping[str, Any]) -> list[str]:
    """A chapter of methods that are made of registered parts: a row each."""
    facts = {name: dict(kind.facts(method)) for name, method in methods.items()}
    headings = ["method", "what it is", "source", *next(iter(facts.values()), {})]
    lines = [
        _opening(kind),
        f"| {' | '.join(headings)} |",
        f"|{' --- |' * len(headings)}",
    ]
    for name, method in methods.items():
        said = [
            Group.of(kind.parts[heading]).link(text) if heading in kind.parts else text
            for heading, text in facts[name].items()
        ]
        cells = [f"`{name}`", _capital(method.summary), method.source, *said]
        lines.append(f"| {' | '.join(cells)} |")
    return ["\n".join([*lines, ""])]


def _opening(kind: AnyRunKind) -> str:
    """The heading of a kind's methods, and what is said of all of them."""
    return f"## {_capital(kind.methods)}\n\n{_OPENINGS.get(kind.name, _sentence(kind.summary))}\n"


def _trainer_cards(trainers: Mapping[str, TrainerMethod]) -> list[str]:
    tables = SettingTables(Group.TRAINERS, trainers)
    alike: dict[str, str] = {}
    """The text of a card -> the first trainer that has it."""
    found = [_TRAINERS]
    for title, names in _by_family(trainers).items():
        found += [f"### {title}", ""]
        for name in names:
            text = inspect.getdoc(trainers[name].create) or ""
            first = alike.setdefault(text, name)
            found += [f"#### {Group.TRAINERS.heading(name)}", ""]
            if first == name:
                found += [text, "", *_facts(name, trainers[name]), ""]
            else:
                found += _differences(name, first, trainers)
            found += tables.of(name)
    return [*found, *tables.shared()]


def _differences(name: str, first: str, trainers: Mapping[str, TrainerMethod]) -> list[str]:
    """The card of a trainer whose text is that of an earlier one: what else differs."""
    facts, known = _facts(name, trainers[name]), _facts(first, trainers[first])
    if _labels(known) <= _labels(facts):
        facts = [fact for fact in facts if fact not in known]
    summary = _sentence(trainers[name].summary)
    end = ", but:" if facts else "."
    return [f"{summary} As {Group.TRAINERS.link(first)}{end}", "", *facts, *([""] if facts else [])]


def _labels(facts: Iterable[str]) -> set[str]:
    return {fact.partition(":")[0] for fact in facts}


def _facts(name: str, trainer: TrainerMethod) -> list[str]:
    return [
        f"- Source: {trainer.source}",
        *_said("Optimises", trainer.optimises),
        *_said("Cost of a step", trainer.cost),
        *_said("Memory", trainer.memory),
        *(f"- {_capital(frame)}" for frame in frames(trainer.frame)),
        *_refusals(trainer, make_settings(name, trainer.settings, {})),
        *_version(trainer.version),
    ]


def _refusals(trainer: TrainerMethod, settings: Any) -> list[str]:
    """The spaces that ship on which the trainer is not defined, with its own reason."""
    from harness.supernets.spaces import SupernetSpace

    refused: dict[str, list[str]] = {}
    for name, space in _ours("spaces", Anything).items():
        if not isinstance(space, SupernetSpace):
            continue
        try:
            trainer.supernet_options(space, settings)
        except NotApplicable as error:
            refused.setdefault(str(error).replace(name, "this space"), []).append(name)
    return [f"- Not defined on {', '.join(names)}: {why}" for why, names in refused.items()]


def _selector_cards(selectors: Mapping[str, SelectorMethod]) -> list[str]:
    tables = SettingTables(Group.SELECTORS, selectors)
    found = [_SELECTORS]
    for name, selector in selectors.items():
        found += [
            f"### {Group.SELECTORS.heading(name)}",
            "",
            _sentence(selector.summary),
            "",
            f"- Source: {selector.source}",
            *_said("Cost of the selection", selector.cost),
            *_said("Scores", selector.returns),
            *_version(selector.version),
            "",
            *tables.of(name),
        ]
    return [*found, *tables.shared()]


def _version(version: int) -> list[str]:
    return [f"- Version: {version}"] if version > 1 else []


def _said(what: str, text: str) -> list[str]:
    return [f"- {what}: {text}"] if text else []


def _sentence(text: str) -> str:
    return f"{_capital(text)}."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


if __name__ == "__main__":
    click.echo(cards(), nl=False)
