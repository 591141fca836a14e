"""A registered diagnosis of a row, with its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness import registry
from harness.diagnoses.contract import Diagnosis, Findings
from harness.diagnoses.row import Diagnosed, Wanted, common_settings, opened, planned
from harness.resources import Workshop
from harness.settings import filled
from harness.tables.table import BenchmarkTable


def examined(
    name: str,
    wanted: Wanted,
    given: Mapping[str, Any],
    open_table: Callable[[str], BenchmarkTable],
    workshop: Workshop,
) -> tuple[Diagnosed, Findings]:
    """The supernet of a row, trained unless it was before, and the diagnosis's findings.

    ``given`` are settings in place of the protocol's and the defaults. Raises as ``planned`` and
    the diagnosis do, and UnknownName for an unknown diagnosis or setting.
    """
    diagnosis = registry.load("diagnoses", name, Diagnosis)
    spec = planned(wanted, open_table, workshop)
    diagnosis.check(spec)
    common = common_settings(wanted, spec)
    settings = filled(name, diagnosis.settings, common, given)
    diagnosed = opened(spec, common, open_table, workshop)
    return diagnosed, diagnosis.examine(diagnosed, settings)
