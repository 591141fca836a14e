"""The plan of ``harness run --dry-run`` on the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.protocols.supernet import SupernetTask

if TYPE_CHECKING:
    from harness.protocols.search import Task
    from harness.records.spec import RunSpec
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
            f"{spec.task.name}: space {spec.space}, {_judge(spec)}, protocol {spec.protocol.name}; "
            f"sees {_seen(spec.task)}; judged by "
            f"{', '.join(answer.name for answer in spec.task.answers)}"
        )
    for note in plan.notes:
        console.print(f"note: {note}")


def _judge(spec: RunSpec) -> str:
    """Where the answers come from."""
    if spec.table:
        return f"table {spec.table} ({spec.table_checksum})"
    return "each selected architecture trained once"


def _seen(task: Task | SupernetTask) -> str:
    """What a search sees."""
    if isinstance(task, SupernetTask):
        frame = task.frame
        return (
            f"train and valid of {task.dataset}; supernets of {frame.cells} cells, "
            f"{frame.channels} channels, {frame.epochs} epochs"
        )
    signal = task.signal
    fidelities = ", ".join(map(str, signal.fidelities))
    return f"{signal.dataset}/{signal.split} at {fidelities} epochs, seed {signal.seed}"
