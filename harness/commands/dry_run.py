"""The plan of ``harness run --dry-run`` on the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.runs import kinds

if TYPE_CHECKING:
    from harness.runs.plan import Plan


def print_plan(plan: Plan) -> None:
    """A line for each method and task with its number of runs, then what each task sees."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"suite {plan.suite}, profile {plan.profile}: {len(plan.specs)} runs")
    for heading in ("method", "task", "budget", "runs"):
        table.add_column(heading, justify="right" if heading in ("budget", "runs") else "left")
    counts = Counter((spec.label, spec.comparison) for spec in plan.specs)
    tasks = {spec.comparison: spec for spec in plan.specs}
    for (label, comparison), count in counts.items():
        spec = tasks[comparison]
        budget = f"{spec.task.budget:,g} {spec.protocol.unit}"
        table.add_row(label, spec.task.name, budget, str(count))
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    for spec in tasks.values():
        console.print(
            f"{spec.task.name}: space {spec.space}, {kinds.named(spec.kind).judges(spec)}, "
            f"protocol {spec.protocol.name}; sees {spec.task.sees}; judged by "
            f"{', '.join(answer.name for answer in spec.task.answers)}"
        )
    for note in plan.notes:
        console.print(f"note: {note}")
