"""One RunSpec in, one RunRecord out, a failure included. The runner never writes the store."""

from __future__ import annotations

import time
import traceback
from datetime import UTC, datetime

import msgspec

from harness import provenance
from harness.errors import HarnessError
from harness.records.record import RunRecord
from harness.records.spec import RunSpec
from harness.resources import Workshop
from harness.runs import kinds
from harness.runs.kinds import Outcome, TableOpener


def execute(spec: RunSpec, open_table: TableOpener, workshop: Workshop | None = None) -> RunRecord:
    """Do a run. Whatever goes wrong in an adapter becomes a failed record with its reason."""
    begun = time.perf_counter()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    done: Outcome | None = None
    reason = ""
    try:
        done = _checked(spec, kinds.named(spec.kind).run(spec, open_table, workshop or Workshop()))
    except HarnessError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - an adapter's bug fails its run, not the others
        reason = _memory(error) or _where(error)
    return RunRecord(
        spec=spec,
        status="done" if done else "failed",
        reason=reason,
        trajectory=done.trajectory if done else None,
        history=done.history if done else None,
        metrics=done.metrics if done else {},
        details=done.details if done else {},
        provenance={
            **provenance.of_process(),
            "started": started,
            **(done.provenance if done else {}),
        },
        seconds=time.perf_counter() - begun,
    )


def _checked(spec: RunSpec, outcome: Outcome) -> Outcome:
    """What a kind gave, where the store can keep it and a leaderboard can show it.

    Raises HarnessError for an answer that the task asks for and the trajectory lacks, and for
    metrics, details or provenance that are not plain Python values.
    """
    if outcome.trajectory is not None:
        given = outcome.trajectory.answers
        for answer in spec.task.answers:
            if answer.name not in given:
                raise HarnessError(
                    f"a run of kind {spec.kind!r} gives no answer {answer.name!r}; its trajectory "
                    f"has {', '.join(given) or 'none'}"
                )
    for what in ("metrics", "details", "provenance"):
        try:
            msgspec.json.encode(getattr(outcome, what))
        except (TypeError, ValueError) as error:
            raise HarnessError(
                f"{what} of a run of kind {spec.kind!r} cannot be kept: {error}; give plain "
                "numbers, texts, lists and dicts"
            ) from error
    return outcome


def _memory(error: Exception) -> str:
    """What to do where a device ran out of memory; empty for every other error."""
    if type(error).__name__ != "OutOfMemoryError":
        return ""
    return "the device ran out of memory: a smaller batch or fewer channels in [frame] need less"


def _where(error: Exception) -> str:
    """A bug's kind, text and place on one line, so that a leaderboard can show it."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = "/".join(frame.filename.replace("\\", "/").split("/")[-2:])
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text} ({place}:{frame.lineno})"
