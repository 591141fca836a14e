"""The main table's additional columns for methods that train a supernet."""

from __future__ import annotations

from harness.objectives import ACCURACY
from leaderboards.measures.common import Number, metric
from leaderboards.measures.measure import Measure
from leaderboards.measures.rows import Standing


def _error(row: Standing) -> Number:
    accurate = row.context.objective.name == ACCURACY
    return 100.0 - row.mean if accurate and row.mean is not None else None


def _skips(row: Standing) -> Number:
    share = row.mean_metric("share-of-skips")
    return None if share is None else 100.0 * share


def _trainings(row: Standing) -> Number:
    found = row.metrics("trainings")
    return sum(found) if found else None


MEASURES: tuple[Measure[Standing], ...] = (
    Measure("error", "error", unit="percent", of=_error, meaning="100 minus `mean`, of accuracies"),
    Measure(
        "skips",
        "skips\n%",
        digits=0,
        unit="percent",
        of=_skips,
        meaning="share of skip connections among the operations of the selected architectures. A "
        "search that degenerates shows here before its error does",
    ),
    Measure(
        "parameters",
        "param-\neters M",
        digits=3,
        main=False,
        unit="millions",
        of=metric("parameters-m"),
        meaning="of the trained networks; blank where architectures are looked up",
    ),
    Measure(
        "tau_operations",
        "tau-b of\noperations",
        digits=3,
        of=metric("tau/operations"),
        meaning="Kendall's tau-b between the scores that the selection gave the operations of an "
        "edge and the best answer in the table with each of them there, the mean over edges; blank "
        "where architectures are trained",
    ),
    Measure(
        "margin",
        "margin",
        digits=4,
        main=False,
        unit="the selector's",
        of=metric("margin"),
        meaning="by how much the kept operations lead over the best one left out; comparable only"
        " within a selector",
    ),
    Measure(
        "trainings",
        "trained\nanew",
        digits=0,
        of=_trainings,
        meaning="architectures that this row's runs trained. One that another run had trained "
        "before counts there: the sum over rows is the cost of a suite",
    ),
    Measure(
        "supernet_seconds",
        "supernet\nseconds",
        digits=1,
        main=False,
        unit="seconds",
        of=metric("supernet-seconds"),
        meaning="training the supernet; rows that share a supernet show the same seconds, spent "
        "once",
    ),
    Measure(
        "selection_seconds",
        "selection\nseconds",
        digits=1,
        unit="seconds",
        of=metric("selection-seconds"),
        meaning="selecting, with all tuning",
    ),
)
"""The means over a row's finished runs; ``trainings`` is a sum."""
