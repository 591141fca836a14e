"""The study of a table as a Markdown page, with conclusions that follow from its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.metrics.noise import NoiseCeiling
from harness.tables.study import LEVELS, TOP_SHARE, TOPS, Agreement, Place, Spread, Study, is_test

_AGREEMENT = ("order by", "agrees with", "seeds", "n", "tau", "Spearman", "tau, better half (n)")


def page(study: Study, *, command: str, picture: str | None) -> str:
    """The page. ``command`` wrote it; ``picture`` is a file's name to show, if there is one."""
    lines = [
        f"# The table {study.name}, studied",
        "",
        f"Written by `{command}` from the table with the checksum {study.checksum}: "
        f"{study.architectures:,} architectures on {study.rows:,} rows of data. Source: "
        f"{study.source.rstrip('.')}. {study.description.rstrip('.')}.",
        "",
        "Accuracies are in percent, differences and deviations in points. n counts architectures; "
        "tau is Kendall's tau-b. The better half are the architectures at or above the median of "
        "the second column. Architectures that share their results are tied.",
    ]
    if picture:
        lines += ["", f"![Distribution and agreement]({picture})"]
    lines += _section("Spread of the accuracies", _spreads(study.spreads))
    lines += _section("Agreement between seeds", _ceilings(study.ceilings))
    lines += _section("Validation and test", _agreements(study.validation))
    lines += _section("Shorter trainings and the final test", _agreements(study.epochs))
    lines += _section("Other tables of the space", _agreements(study.others))
    lines += ["", "## What may be concluded", ""]
    lines += [f"- {sentence}" for sentence in conclusions(study)]
    return "\n".join(lines) + "\n"


def conclusions(study: Study) -> Iterator[str]:
    """Sentences that are true for any numbers of a study."""
    yield (
        f"A leaderboard on this table says how methods compare on {study.name} under its protocol. "
        "It says nothing of other data sets beyond the agreement measured above."
    )
    ceilings = dict(study.ceilings)
    for spread in study.spreads:
        if is_test(spread.place):
            yield from _on_noise(spread, ceilings[spread.place])
    for found in study.validation:
        yield (
            f"The order by {found.first} agrees with {found.second} to tau {_r(found.tau)} over "
            f"all architectures and to {_r(found.tau_better_half)} among the better half; the best "
            f"of its top ten has {found.best_of_ten:.2f} there, the best of all {found.best:.2f}."
        )
    for found in study.others:
        if found.columns == 1:
            yield _on_other(found)
    if not study.others:
        yield "No other table of the space was available: what holds here may not hold elsewhere."


def _on_noise(spread: Spread, ceiling: NoiseCeiling) -> Iterator[str]:
    if ceiling.mean is None or spread.seed_sd is None or spread.best_seed_sd is None:
        yield f"{spread.place}: the noise is unknown, {ceiling.reason or 'there is one seed'}."
        return
    rest = [one.value for one in ceiling.against_rest if one.value is not None]
    beside = f", and with the mean of the others {_r(sum(rest) / len(rest))}" if rest else ""
    yield (
        f"{spread.place}: one training agrees with another of the same architectures to tau "
        f"{_r(ceiling.mean)}{beside}. Even a perfect score cannot be expected to agree better with "
        "single trainings."
    )
    within = 2 * spread.best_seed_sd * (2 / spread.seeds) ** 0.5
    relation = (
        "so that no two of them can be told apart"
        if within >= spread.best_range
        else "so that only those further apart can be told apart"
    )
    yield (
        f"{spread.place}: the best {TOP_SHARE:.0%} lie within {spread.best_range:.2f} points. "
        f"The seeds of one of them deviate by {spread.best_seed_sd:.2f} (median), so two means of "
        f"{spread.seeds} seeds differ by up to {within:.2f} (two deviations) by chance alone, "
        f"{relation}."
    )


def _on_other(found: Agreement) -> str:
    compared = "as well"
    if found.tau is not None and found.tau_better_half is not None:
        compared = (
            "less well"
            if found.tau_better_half < found.tau
            else "better"
            if found.tau_better_half > found.tau
            else "as well"
        )
    precision = "; ".join(
        f"of the top {k} here {share:.0%} are in the top {k} there"
        for k, share in found.precision.items()
    )
    return (
        f"{found.first} and {found.second}: tau {_r(found.tau)} over {found.n:,} architectures; "
        f"the better half there is ordered {compared} (tau {_r(found.tau_better_half)})"
        f"{'; ' + precision if precision else ''}."
    )


def _spreads(spreads: Sequence[Spread]) -> list[str]:
    headings = (
        "accuracy",
        "seeds",
        "n",
        "mean",
        "sd",
        *(f"{level}%" for level in LEVELS),
        "sd between seeds (median)",
        f"range of the best {TOP_SHARE:.0%}",
        "sd between their seeds",
        "pairs tied",
    )
    rows = (
        (
            str(spread.place),
            str(spread.seeds),
            f"{spread.n:,}",
            f"{spread.mean:.2f}",
            f"{spread.sd:.2f}",
            *(f"{value:.2f}" for value in spread.quantiles),
            _r(spread.seed_sd, 2),
            f"{spread.best_range:.2f}",
            _r(spread.best_seed_sd, 2),
            f"{spread.ties:.2%}",
        )
        for spread in spreads
    )
    return _table(headings, rows)


def _ceilings(ceilings: Sequence[tuple[Place, NoiseCeiling]]) -> list[str]:
    headings = ("accuracy", "seeds", "n", "tau", "one seed with the mean of the others: tau (n)")
    rows = []
    for place, ceiling in ceilings:
        for pair in ceiling.pairs:
            names = f"{pair.first} and {pair.second}"
            rows.append((str(place), names, f"{pair.tau.n:,}", _r(pair.tau.value), ""))
        if ceiling.mean is not None:
            rest = ", ".join(f"{_r(one.value)} ({one.n:,})" for one in ceiling.against_rest)
            rows.append((str(place), "mean of the pairs", "", _r(ceiling.mean), rest))
        else:
            rows.append((str(place), ceiling.reason, "", "", ""))
    return _table(headings, rows)


def _agreements(found: Sequence[Agreement]) -> list[str]:
    if not found:
        return ["Nothing to compare with."]
    headings = (
        *_AGREEMENT,
        *(f"top {k} in top {k}" for k in TOPS),
        "best of the top ten",
        "best of all",
    )
    rows = (
        (
            one.first,
            one.second,
            str(one.columns) if one.columns > 1 else "",
            f"{one.n:,}",
            _r(one.tau),
            _r(one.rho),
            f"{_r(one.tau_better_half)} ({one.n_better_half:,})",
            *(f"{one.precision[k]:.0%}" if k in one.precision else "" for k in TOPS),
            f"{one.best_of_ten:.2f}",
            f"{one.best:.2f}",
        )
        for one in found
    )
    return [
        *_table(headings, rows),
        "",
        "Where the order is by one seed, the numbers are means over the seeds.",
    ]


def _section(heading: str, lines: Sequence[str]) -> list[str]:
    return ["", f"## {heading}", "", *lines]


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(headings)} |",
        f"|{' --- |' * len(headings)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _r(value: float | None, digits: int = 3) -> str:
    return "undefined" if value is None else f"{value:.{digits}f}"
