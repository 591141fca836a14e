"""Train every architecture of a space, chunk by chunk, and write the results as a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets import SPLITS
from harness.errors import HarnessError
from harness.processes import on_processes
from harness.randomness.on_torch import repeatable
from harness.tables.building.contract import Costs, TrainedBatch
from harness.tables.building.journal import BuildJournal
from harness.tables.building.plan import BuildPlan, Chunk
from harness.tables.manifest import Built, TableInfo
from harness.tables.writer import TableWriter

_METRICS = ("accuracy", "loss")


def train_chunks(
    plan: BuildPlan,
    journal: BuildJournal,
    chunks: Sequence[Chunk],
    *,
    workers: int,
    device: str,
    finished: Callable[[Chunk], None],
) -> None:
    """Train the chunks that the journal lacks and record each as soon as it is done.

    Every worker is a process of one thread, so that results do not depend on their number. Call
    it inside ``journal.locked()``.
    """
    missing = [chunk for chunk in chunks if not journal.holds(chunk)]
    if workers == 1:
        for chunk in missing:
            journal.write(chunk, _train(plan, device, chunk))
            finished(chunk)
        return
    with closing(on_processes(partial(_train, plan, device), missing, workers)) as trained:
        for chunk, batch in trained:
            journal.write(chunk, batch)
            finished(chunk)


def failures(
    plan: BuildPlan, journal: BuildJournal, seeds: Sequence[int]
) -> list[tuple[str, int, str]]:
    """(architecture, seed, reason) of every training that failed."""
    found = []
    for chunk in plan.chunks(seeds):
        reasons = journal.read(chunk).failures
        for architecture, reason in zip(plan.trained_in(chunk), reasons, strict=True):
            if reason:
                found.append((plan.space.format(architecture), chunk.seed, reason))
    return found


def write_table(
    plan: BuildPlan,
    journal: BuildJournal,
    seeds: Sequence[int],
    *,
    folder: Path,
    name: str,
    replace: bool,
) -> Path:
    """Write the finished chunks of these seeds as a table of all architectures.

    Architectures of one function share the results, and a row where their parameters and FLOPs
    are equal too. ``train_seconds_per_epoch`` is the mean over the seeds. A failed training is
    missing from the epoch on in which it failed. Raises HarnessError where a chunk is not finished.
    """
    unfinished = [chunk for chunk in plan.chunks(seeds) if not journal.holds(chunk)]
    if unfinished:
        raise HarnessError(
            f"{len(unfinished)} chunks are not trained yet, the first is {unfinished[0]}; "
            "the table is written when all are"
        )
    layout = _Layout.of(plan)
    with TableWriter(
        folder,
        space=plan.space,
        info=_info(plan, journal, seeds, name),
        architectures=layout.architectures,
        rows=layout.rows,
        replace=replace,
    ) as writer:
        seconds = np.zeros(len(plan.groups))
        for seed in seeds:
            seconds += _write_seed(writer, plan, journal, layout, seed) / len(seeds)
        dataset = plan.dataset.name
        for quantity in ("parameters_m", "flops_m"):
            writer.cost_block(quantity=quantity, dataset=dataset)[:] = [
                getattr(costs, quantity) for costs in layout.costs
            ]
        times = writer.cost_block(quantity="train_seconds_per_epoch", dataset=dataset)
        times[:] = seconds[layout.groups] / plan.protocol.epochs
        return writer.finish()


class _Layout(NamedTuple):
    """The data row of each architecture, and the content of the rows.

    architectures, rows: one for each architecture. groups, costs: one for each row, its group in
    the plan and the costs of its architectures.
    """

    architectures: list[Any]
    rows: list[int]
    groups: list[int]
    costs: list[Costs]

    @classmethod
    def of(cls, plan: BuildPlan) -> _Layout:
        layout = cls([], [], [], [])
        number: dict[tuple[int, Costs], int] = {}
        for place, group in enumerate(plan.groups):
            for architecture in group:
                costs = plan.trainer.costs(architecture, plan.dataset, plan.protocol)
                row = number.setdefault((place, costs), len(number))
                if row == len(layout.groups):
                    layout.groups.append(place)
                    layout.costs.append(costs)
                layout.architectures.append(architecture)
                layout.rows.append(row)
        return layout


def _write_seed(
    writer: TableWriter, plan: BuildPlan, journal: BuildJournal, layout: _Layout, seed: int
) -> NDArray[np.float64]:
    """Write one seed's results; the training seconds of every group."""
    batches = [journal.read(chunk) for chunk in plan.chunks([seed])]
    for metric in _METRICS:
        results = np.concatenate([getattr(batch, metric) for batch in batches], axis=2)
        for place, split in enumerate(SPLITS):
            epochs = plan.protocol.evaluated(split)
            block = writer.block(
                metric=metric,
                dataset=plan.dataset.name,
                split=split,
                schedule=plan.protocol.epochs,
                epochs=epochs,
                seed=seed,
                dtype=np.float32,
            )
            held = [epoch - 1 for epoch in epochs]
            block[:] = results[held, place][:, layout.groups]
    return np.concatenate([batch.seconds for batch in batches])


def _info(plan: BuildPlan, journal: BuildJournal, seeds: Sequence[int], name: str) -> TableInfo:
    failed = len(failures(plan, journal, seeds))
    return TableInfo(
        name=name,
        source=f"trained by nas-harness: {plan.dataset.provenance}",
        release=f"{plan.protocol.name}-{plan.identity[:12]}",
        licence=plan.dataset.licence,
        description=f"{plan.protocol.summary}; {len(plan.groups):,} functions trained with seeds "
        f"{', '.join(map(str, seeds))}; {failed} trainings failed",
        built=Built(
            plan.dataset.name,
            dataclasses.asdict(plan.protocol),
            plan.identity,
            journal.process,
        ),
    )


def train_repeatably(
    plan: BuildPlan, architectures: Sequence[Any], seed: int, device: str
) -> TrainedBatch:
    """Train some architectures by the plan, with equal results wherever this is called."""
    with repeatable(device):
        return plan.trainer.train(
            architectures,
            seed=seed,
            dataset=plan.dataset,
            protocol=plan.protocol,
            device=device,
        )


def _train(plan: BuildPlan, device: str, chunk: Chunk) -> TrainedBatch:
    return train_repeatably(plan, plan.trained_in(chunk), chunk.seed, device)
