"""The supernet part of a suite turned into RunSpecs: data sets, frames and settings resolved."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness import registry
from harness.errors import BadSuite, HarnessError, UnknownName
from harness.protocols import supernet_file
from harness.protocols.search import Answer
from harness.protocols.supernet import SupernetProtocol, SupernetTask
from harness.protocols.supernet_file import SupernetProtocolFile
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.runs.methods import check_fit
from harness.runs.supernet.entry import SupernetEntry
from harness.settings import filled
from harness.spaces import Epochs
from harness.suites.suite import MethodEntry
from harness.supernets.methods import SupernetMethod, composed, split_settings
from harness.supernets.spaces import SupernetSpace
from harness.tables import answers
from harness.tables.table import BenchmarkTable

TRAINED = "test"
"""The answer's name where the selected architecture is trained."""


@dataclass(frozen=True)
class PlannedSupernet:
    """A [[supernet]] of a suite with everything decided that depends on table and data set.

    settings: what the protocol's file sets for every trainer and selector.
    """

    space: str
    table: BenchmarkTable | None
    protocol: SupernetProtocol
    settings: Mapping[str, Any]

    def runs(self, entry: MethodEntry, seeds: Sequence[int]) -> Iterable[RunSpec]:
        """The runs of one method. Raises UnknownName or HarnessError for settings that it lacks."""
        method = composed(entry.name) or registry.load("methods", entry.name, SupernetMethod)
        settings = self._all_settings(entry, method)
        for seed in seeds[: entry.seeds_at_most]:
            yield RunSpec(
                method=entry.name,
                method_version=method.version,
                settings=settings,
                space=self.space,
                table=self.table.name if self.table else "",
                table_checksum=self.table.checksum if self.table else "",
                protocol=self.protocol,
                seed=seed,
                label=entry.label or entry.name,
                given=tuple(sorted([*entry.settings, *(f"frame.{name}" for name in entry.frame)])),
            )

    def _all_settings(self, entry: MethodEntry, method: SupernetMethod) -> dict[str, Any]:
        """All settings of trainer and selector, and the changed fields of the frame."""
        from harness.supernets.selectors import SelectorMethod
        from harness.supernets.trainers import TrainerMethod

        trainer = registry.load("trainers", method.trainer, TrainerMethod)
        selector = registry.load("selectors", method.selector, SelectorMethod)
        for_trainer, for_selector = split_settings(method, entry.settings)
        frame: dict[str, Any] = {}
        if self.protocol.published_frames:
            for published in (trainer.frame, method.frame):
                frame |= published.get(self.space, published.get("", {}))
        frame |= entry.frame
        whole = {**dataclasses.asdict(self.protocol.tasks[0].frame), **frame}
        checked = supernet_file.checked_frame(f"{entry.name}'s training frame", whole)
        names = {name.replace("-", "_") for name in frame}
        common, name = self.settings, entry.name
        trained = filled(method.trainer, trainer.settings, common, for_trainer, within=name)
        selected = filled(method.selector, selector.settings, common, for_selector, within=name)
        space = registry.load("spaces", self.space, SupernetSpace)
        check_fit(entry.name, trainer.check, space, checked, trained)
        return {
            "trainer": dataclasses.asdict(trained),
            "selector": dataclasses.asdict(selected),
            "frame": {name: getattr(checked, name) for name in sorted(names)},
            "parts": {
                "trainer": [method.trainer, trainer.version],
                "selector": [method.selector, selector.version],
            },
        }


def planned(
    entry: SupernetEntry, table: BenchmarkTable | None, workshop: Workshop
) -> PlannedSupernet:
    """What a suite's entry comes to.

    Raises UnknownName for a space, protocol, data set or evaluation that does not exist, BadSuite
    where the parts do not fit, MissingCell where the table lacks an answer.
    """
    registry.load("spaces", entry.space, SupernetSpace)
    name, file = supernet_file.load(entry.protocol)
    if entry.protocol.endswith(".toml"):
        _check_settings(entry.protocol, file)
    task = SupernetTask(
        name=entry.task,
        dataset=entry.dataset,
        dataset_digest=workshop.dataset_digest(entry.dataset),
        frame=file.frame_for(entry.space),
        evaluation=file.evaluation if table is None else "",
        evaluation_identity="",
        evaluation_seeds=tuple(file.evaluation_seeds) if table is None else (),
        answers=(),
    )
    if table is None:
        task = _trained(entry, name, file, task)
    else:
        task = dataclasses.replace(task, answers=_looked_up(entry, name, file, table))
    protocol = SupernetProtocol(name, file.source, file.published_frames, (task,))
    return PlannedSupernet(entry.space, table, protocol, file.settings)


def _trained(
    entry: SupernetEntry, name: str, file: SupernetProtocolFile, task: SupernetTask
) -> SupernetTask:
    from harness.protocols.evaluation import evaluation_protocol

    if not file.evaluation:
        raise BadSuite(
            f"supernet protocol {name} only looks architectures up, and the entry of "
            f"{entry.space} names no table"
        )
    protocol = evaluation_protocol(file.evaluation, space=entry.space, dataset=entry.dataset)
    answer = Answer(
        name=TRAINED,
        dataset=entry.dataset,
        split="test",
        epochs=Epochs.full(protocol.epochs),
        seed="mean" if len(file.evaluation_seeds) > 1 else file.evaluation_seeds[0],
        role="test",
    )
    return dataclasses.replace(task, evaluation_identity=protocol.identity, answers=(answer,))


def _looked_up(
    entry: SupernetEntry, name: str, file: SupernetProtocolFile, table: BenchmarkTable
) -> tuple[Answer, ...]:
    if table.space.name != entry.space:
        raise BadSuite(f"table {table.name} is of space {table.space.name}, not {entry.space}")
    if not file.answer:
        raise BadSuite(f"supernet protocol {name} has no [[answer]] to look up in {table.name}")
    return tuple(answers.definite(each.answer(), table) for each in file.answer)


def _check_settings(path: str, protocol: SupernetProtocolFile) -> None:
    """The settings of a user's own file are those of some registered trainer or selector.

    Raises BadSuite with the near names.
    """
    known = _setting_names()
    parts = {*registry.names("trainers"), *registry.names("selectors")}
    for name, value in protocol.settings.items():
        if isinstance(value, dict) and name not in parts:
            raise BadSuite(f"{path}: {UnknownName('trainer or selector', name, parts)}")
        if not isinstance(value, dict) and name not in known:
            kind = "setting of any trainer or selector"
            raise BadSuite(f"{path}: {UnknownName(kind, name, known)}")


def _setting_names() -> set[str]:
    """The settings of every trainer and selector that can be loaded."""
    from harness.supernets.selectors import SelectorMethod
    from harness.supernets.trainers import TrainerMethod

    found: set[str] = set()
    contracts: dict[str, type[TrainerMethod | SelectorMethod]] = {
        "trainers": TrainerMethod,
        "selectors": SelectorMethod,
    }
    for kind, contract in contracts.items():
        for name in registry.names(kind):
            # Another package that is broken is the matter of those who use it.
            with contextlib.suppress(HarnessError):
                settings = registry.load(kind, name, contract).settings
                found |= {field.name for field in dataclasses.fields(settings)}
    return found
