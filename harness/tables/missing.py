"""Messages, of one line, that say which part of a query a table lacks and what it has instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from harness.errors import MissingCell, did_you_mean
from harness.spaces import Epochs
from harness.tables.manifest import BlockEntry, Manifest


class TableCell(NamedTuple):
    """A query without its architecture."""

    metric: str
    dataset: str
    split: str
    epochs: Epochs
    seed: int | str

    def __str__(self) -> str:
        seed = self.seed if isinstance(self.seed, str) else f"seed {self.seed}"
        where = f"{self.dataset}/{self.split}"
        return f"{self.metric} on {where} after {self.epochs} epochs, {seed}"


def no_such_cell(manifest: Manifest, cell: TableCell) -> MissingCell:
    """The error for a cell that the table holds for no architecture."""
    table = f"table {manifest.name}"
    blocks: Sequence[BlockEntry] = manifest.blocks
    place = ""
    for part in ("metric", "dataset", "split"):
        wanted = getattr(cell, part)
        known = {getattr(block, part) for block in blocks}
        if wanted not in known:
            kind = "data set" if part == "dataset" else part
            near = did_you_mean(str(wanted), known)
            return MissingCell(f"{table} has no {kind} {wanted!r}{place}{near}")
        blocks = [block for block in blocks if getattr(block, part) == wanted]
        place = f"{place} {wanted}" if place else f" for {wanted}"
    at_fidelity = [block for block in blocks if cell.epochs in block.fidelities]
    if not at_fidelity:
        held = spans({epochs for block in blocks for epochs in block.fidelities})
        return MissingCell(
            f"{table} has no {cell.epochs} epochs (trained/schedule){place}; it has {held}"
        )
    return MissingCell(
        f"{table} has no seed {cell.seed!r}{place} after {cell.epochs} epochs; "
        f"it has {seed_list(block.seed for block in at_fidelity)}"
    )


def no_value(
    table: str, cell: TableCell, who: str, present: Sequence[int | str], needed: Sequence[int]
) -> MissingCell:
    """The error for an architecture without a value in a cell that others have.

    present: the seeds, or ``mean``, that it has there; needed: the seeds of the requested mean.
    """
    absent = [seed for seed in needed if seed not in present]
    if absent:
        advice = (
            f"its mean lacks seed {', '.join(map(str, absent))} of {seed_list(needed)}; "
            "seed='mean-available' asks for the mean over the seeds that it has"
        )
    else:
        advice = f"of its seeds the table has {seed_list(present)}"
    return MissingCell(f"table {table} has no {cell}, for {who}: {advice}")


def no_such_cost(manifest: Manifest, quantity: str, dataset: str) -> MissingCell:
    """The error for a cost that the table holds for no architecture."""
    table = f"table {manifest.name}"
    datasets = [cost.dataset for cost in manifest.costs if cost.quantity == quantity]
    if datasets:
        near = did_you_mean(dataset, datasets)
        return MissingCell(f"{table} has no {quantity} for data set {dataset!r}{near}")
    known = {cost.quantity for cost in manifest.costs}
    return MissingCell(f"{table} has no cost {quantity!r}{did_you_mean(quantity, known)}")


def spans(fidelities: Iterable[Epochs]) -> str:
    """Fidelities in few words: ``12/12, 1..200/200``."""
    ordered = in_order(fidelities)
    if not ordered:
        return "none"
    runs = [[ordered[0], ordered[0]]]
    for before, epochs in pairwise(ordered):
        if epochs.schedule == before.schedule and epochs.trained == before.trained + 1:
            runs[-1][1] = epochs
        else:
            runs.append([epochs, epochs])
    return ", ".join(
        str(first) if first == last else f"{first.trained}..{last}" for first, last in runs
    )


def in_order(fidelities: Iterable[Epochs]) -> tuple[Epochs, ...]:
    """Fidelities sorted by schedule, then by epochs trained."""
    return tuple(sorted(fidelities, key=lambda epochs: (epochs.schedule, epochs.trained)))


def seed_list(seeds: Iterable[int | str]) -> str:
    """Seeds in few words: ``777, 888 and the stored mean``."""
    present = set(seeds)
    numbers = sorted(seed for seed in present if isinstance(seed, int))
    parts = [", ".join(map(str, numbers))] if numbers else []
    if "mean" in present:
        parts.append("the stored mean")
    return " and ".join(parts) or "none"
