"""Train some of a built table's architectures again, and compare with the table's values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets import SPLITS
from harness.errors import HarnessError
from harness.protocols.table_training import TrainingProtocol
from harness.spaces import Epochs
from harness.tables.building.build import train_repeatably
from harness.tables.building.contract import TrainedBatch
from harness.tables.building.plan import BuildPlan
from harness.tables.table import BenchmarkTable

LOSS_TOLERANCE = 1e-3
"""Relative difference of the first epoch's training loss, before rounding has grown."""
ACCURACY_TOLERANCE = 2.0
"""Tolerated difference of any split's accuracy after the last epoch, points.

Trained in float64 in place of float32, which simulates another machine's rounding, 32 random
cells of NAS-Bench-201 on digits differed by at most 0.0001 and 0.67; trained with another seed, by
0.01 and 2.7 in the median.
"""

Verdict = Literal["exact", "within tolerance", "different"]


class Comparison(NamedTuple):
    """A training repeated, and compared: ``loss`` relative, ``accuracy`` in points."""

    architecture: str
    seed: int
    verdict: Verdict
    loss: float
    accuracy: float


def plan_of(table: BenchmarkTable) -> BuildPlan:
    """The plan of a built table.

    Raises HarnessError for an imported table, and where the plan of those names has changed since.
    """
    built = table.manifest.info.built
    if built is None:
        raise HarnessError(
            f"table {table.name} was imported, not trained by `harness tables build`: there is "
            "nothing to train again"
        )
    by_another = HarnessError(
        f"table {table.name} was built by another version of trainer, data set {built.dataset} "
        f"or protocol {built.protocol.get('name')}: it can be trained again with nas-harness "
        f"{built.process.get('harness')}, revision {built.process.get('revision')}"
    )
    try:
        protocol = TrainingProtocol(**built.protocol)
    except TypeError:
        raise by_another from None
    plan = BuildPlan.of(table.space.name, built.dataset, protocol)
    if plan.identity != built.identity:
        raise by_another
    return plan


def train_again(
    table: BenchmarkTable,
    plan: BuildPlan,
    sample: int,
    rng: np.random.Generator,
    device: str = "cpu",
) -> Iterator[Comparison]:
    """Train ``sample`` random architectures again, each with one random seed of the table's.

    An architecture whose function the table shares with others is trained as they were: by the
    first of its group. Raises HarnessError where the table holds fewer architectures.
    """
    if sample > table.size:
        raise HarnessError(f"table {table.name} holds {table.size} architectures, not {sample}")
    place: dict[str, Any] = {"metric": "loss", "dataset": plan.dataset.name, "split": "train"}
    seeds = table.seeds(**place, epochs=plan.protocol.epochs)
    drawn = rng.choice(table.keys, sample, replace=False)
    drawn_seeds = rng.choice(seeds, sample)
    wanted = set(drawn.tolist())
    members = {
        plan.space.key(member): (member, group[0])
        for group in plan.groups
        for member in group
        if plan.space.key(member) in wanted
    }
    for key, seed in zip(drawn.tolist(), drawn_seeds.tolist(), strict=True):
        member, trained = members[key]
        batch = train_repeatably(plan, [trained], seed, device)
        yield _compared(table, plan, member, seed, batch)


def _compared(
    table: BenchmarkTable, plan: BuildPlan, architecture: Any, seed: int, batch: TrainedBatch
) -> Comparison:
    row = table.row(architecture)
    held = {
        metric: _held(table, plan, metric, row, seed, _shape(batch))
        for metric in ("accuracy", "loss")
    }
    found = {"accuracy": batch.accuracy[..., 0], "loss": batch.loss[..., 0]}
    differences = {metric: np.abs(found[metric] - held[metric]) for metric in held}
    first_loss = float(held["loss"][0, SPLITS.index("train")])
    loss = _number(differences["loss"][0, [SPLITS.index("train")]]) / (abs(first_loss) or 1.0)
    accuracy = _number(differences["accuracy"][-1])
    same_gaps = all(np.array_equal(np.isnan(found[m]), np.isnan(held[m])) for m in held)
    verdict: Verdict = "different"
    if all(np.array_equal(found[m], held[m], equal_nan=True) for m in held):
        verdict = "exact"
    elif same_gaps and loss <= LOSS_TOLERANCE and accuracy <= ACCURACY_TOLERANCE:
        verdict = "within tolerance"
    return Comparison(plan.space.format(architecture), seed, verdict, loss, accuracy)


def _held(
    table: BenchmarkTable,
    plan: BuildPlan,
    metric: str,
    row: int,
    seed: int,
    shape: Sequence[int],
) -> NDArray[np.float32]:
    """The table's values, shape (epochs, splits), NaN where missing."""
    values = np.full(shape, np.nan, np.float32)
    for place, split in enumerate(SPLITS):
        for epoch in plan.protocol.evaluated(split):
            values[epoch - 1, place] = table.column(
                metric=metric,
                dataset=plan.dataset.name,
                split=split,
                epochs=Epochs(epoch, plan.protocol.epochs),
                seed=seed,
            )[row]
    return values


def _shape(batch: TrainedBatch) -> tuple[int, int]:
    epochs, splits, _ = batch.accuracy.shape
    return epochs, splits


def _number(differences: NDArray[np.floating]) -> float:
    """The largest difference; values that are missing on both sides count as equal."""
    return float(np.nan_to_num(differences, nan=0.0).max())
