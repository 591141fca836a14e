"""Curvature: the dominant Hessian eigenvalue of the validation loss in alpha, after a search.

The dominant eigenvalue of the Hessian of the validation loss in the architecture parameters, which
Zela et al. (Understanding and Robustifying Differentiable Architecture Search, ICLR 2020) found to
grow where a search degenerates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.diagnoses.contract import Diagnosis, Findings, FoundTable, FoundValue, Heading
from harness.diagnoses.row import Diagnosed
from harness.errors import NotApplicable
from harness.supernets.hessian import dominant_eigenvalue
from harness.supernets.training import EpochLog


@dataclass(frozen=True)
class CurvatureSettings:
    """Without settings: the first validation batch is used, whatever its size."""


def examine(diagnosed: Diagnosed, settings: CurvatureSettings) -> Findings:
    """The eigenvalue at the end, and along the epochs if the protocol had it measured.

    Raises NotApplicable for a trainer without architecture parameters.
    """
    trainer = diagnosed.supernet.trainer
    if not trainer.alphas():
        raise NotApplicable(
            f"trainer {diagnosed.trained.recipe.trainer} has no architecture parameters, in "
            "which curvature is measured"
        )
    eigenvalue = dominant_eigenvalue(trainer, diagnosed.supernet.data)
    return Findings((table(diagnosed.trained.log, eigenvalue),))


def table(log: EpochLog, eigenvalue: float) -> FoundTable:
    """A row for each epoch with a measurement, and one for the end."""
    noted: list[dict[str, FoundValue]] = [
        {"at": f"epoch {epoch}", "epoch": epoch, "eigenvalue": value, "valid": accuracy}
        for epoch, (value, accuracy) in enumerate(
            zip(log.eigenvalue, log.valid_accuracy, strict=True), start=1
        )
        if not math.isnan(value)
    ]
    known = [accuracy for accuracy in log.valid_accuracy if not math.isnan(accuracy)]
    end: dict[str, FoundValue] = {
        "at": "end",
        "epoch": log.epochs,
        "eigenvalue": eigenvalue,
        "valid": known[-1] if known else None,
    }
    return FoundTable(
        "curvature",
        (
            Heading("at", "after", digits=None),
            Heading("epoch", "epoch", digits=None, shown=False),
            Heading("eigenvalue", "dominant\neigenvalue", digits=4),
            Heading("valid", "validation\naccuracy"),
        ),
        (*noted, end),
        notes=(
            "eigenvalue: the largest of the Hessian of the validation loss in the architecture "
            "parameters, on the first validation batch; a protocol with hessian_every notes it "
            "along the epochs",
        ),
    )


DIAGNOSIS = Diagnosis(
    summary="How sharply does the validation loss bend in the architecture parameters?",
    text="The dominant eigenvalue of the Hessian at the end of the search, and along it where the "
    "protocol had it noted (Zela et al., ICLR 2020).",
    settings=CurvatureSettings,
    examine=examine,
)
