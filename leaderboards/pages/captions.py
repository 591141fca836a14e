"""The lines above a table: what its numbers rest on, switch by switch."""

from __future__ import annotations

from pathlib import Path

from harness.protocols.search import Answer, Cost, Signal
from harness.protocols.supernet import SupernetProtocol
from leaderboards.model import SignalQuality, TableFacts, Where


def setting(where: Where, facts: TableFacts | None) -> list[str]:
    """Table, protocol, signal and answer, one line each."""
    protocol = where.protocol
    if isinstance(protocol, SupernetProtocol):
        return _supernet(where, protocol, facts)
    task = protocol.tasks[0]
    table = f"table {where.table}, checksum {where.checksum}"
    if facts:
        table += f", release {facts.release}, {facts.architectures:,} architectures"
    return [
        table,
        f"protocol {protocol.name} ({protocol.source}): {task.budget:,g} {protocol.unit}, "
        f"overrun={protocol.overrun}, repeats={protocol.repeats}, incumbent={protocol.incumbent}",
        f"signal {_signal(task.signal)}; cost {_cost(task.cost)}",
        _answer(where.answer),
    ]


def _supernet(where: Where, protocol: SupernetProtocol, facts: TableFacts | None) -> list[str]:
    task = protocol.tasks[0]
    frame = task.frame
    name = Path(task.evaluation).stem
    judged = f"trained by evaluation {name}, seeds {_numbers(task.evaluation_seeds)}"
    if where.table:
        judged = f"looked up in table {where.table}, checksum {where.checksum}"
        if facts:
            judged += f", release {facts.release}, {facts.architectures:,} architectures"
    return [
        f"space {where.space}, data set {task.dataset}; selected architectures are {judged}",
        f"protocol {protocol.name} ({protocol.source}): supernets of {frame.cells} cells and "
        f"{frame.channels} channels, {frame.epochs} epochs, batch {frame.batch}, learning rate "
        f"{frame.learning_rate:g} to {frame.final_learning_rate:g}"
        + (", methods in their published frames" if protocol.published_frames else ""),
        _answer(where.answer),
    ]


def _numbers(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds))


def found(facts: TableFacts) -> list[str]:
    """What the whole table says: optimum, average, and how well the signal ranks."""
    lines = [
        f"{facts.zero} {facts.optimum:.2f}, average architecture {facts.average:.2f} "
        f"± {facts.deviation:.2f}"
    ]
    return lines + ([_quality(facts.quality)] if facts.quality else [])


def _answer(answer: Answer) -> str:
    return (
        f"answer {answer.dataset}/{answer.split} after {answer.epochs} epochs, "
        f"seed={answer.seed} ({answer.role})"
    )


def _signal(signal: Signal) -> str:
    first, last = signal.fidelities[0], signal.fidelities[-1]
    epochs = str(last) if first == last else f"{first} to {last}"
    return f"{signal.dataset}/{signal.split} after {epochs} epochs, seed={signal.seed}"


def _cost(cost: Cost) -> str:
    return f"{cost.dataset}, validation_pass={cost.validation_pass}"


def _quality(quality: SignalQuality) -> str:
    parts = [f"signal and answer over n={quality.n:,}: tau-b {quality.tau:.3f}"]
    if quality.ceiling is not None:
        parts[0] += f" (noise ceiling {quality.ceiling:.3f})"
    parts.append(f"Spearman {quality.spearman:.3f}")
    for best, value in ((10, quality.precision_at_10), (100, quality.precision_at_100)):
        if value is not None:
            parts.append(f"precision at {best} {value:.2f}")
    return ", ".join(parts)
