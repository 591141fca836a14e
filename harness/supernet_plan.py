"""The supernet part of a suite turned into RunSpecs: data sets, frames and settings resolved."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness import answers, registry, supernet_protocols
from harness.errors import BadSuite
from harness.methods import make_settings
from harness.records import RunSpec
from harness.search_protocol import Answer
from harness.spaces import Epochs
from harness.suites import MethodEntry, SupernetEntry
from harness.supernet_protocol import SupernetProtocol, SupernetTask
from harness.supernet_protocols import SupernetProtocolFile
from harness.supernets.choices import SupernetSpace
from harness.supernets.methods import SupernetMethod, load_method, split_settings
from harness.tables.table import BenchmarkTable
from harness.workshop import Workshop

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
        method = load_method(entry.name)
        if not isinstance(method, SupernetMethod):
            raise TypeError(f"{entry.name} trains no supernet")
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

        trainer = registry.load("supernet-trainers", method.trainer, TrainerMethod)
        selector = registry.load("selectors", method.selector, SelectorMethod)
        for_trainer, for_selector = split_settings(method, entry.settings)
        frame: dict[str, Any] = {}
        if self.protocol.published_frames:
            for published in (trainer.frame, method.frame):
                frame |= published.get(self.space, published.get("", {}))
        frame |= entry.frame
        whole = {**dataclasses.asdict(self.protocol.tasks[0].frame), **frame}
        checked = supernet_protocols.checked_frame(f"{entry.name}'s training frame", whole)
        names = {name.replace("-", "_") for name in frame}
        return {
            "trainer": _filled(method.trainer, trainer.settings, self.settings, for_trainer),
            "selector": _filled(method.selector, selector.settings, self.settings, for_selector),
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
    name, file = supernet_protocols.load(entry.protocol)
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
    from harness.evaluation_protocol import evaluation_protocol

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


def _filled(
    name: str, settings: type[Any], common: Mapping[str, Any], own: Mapping[str, Any]
) -> dict[str, Any]:
    """Every setting of a part: of the protocol's common ones those that it has a field for, over
    them what the protocol says of this part, over that the part's own."""
    fields = {each.name for each in dataclasses.fields(settings)}
    shared = {key: value for key, value in common.items() if key in fields}
    return dataclasses.asdict(
        make_settings(name, settings, {**shared, **common.get(name, {}), **own})
    )
