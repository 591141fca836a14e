"""Settings by which adapters that are slow with their published ones take seconds in tests."""

from __future__ import annotations

from typing import Any

TRAINERS: dict[str, dict[str, Any]] = {
    "enas": {"controller_updates": 1, "controller_samples": 2},
    # Every strength is a search of its own, in an epoch at the least.
    "r-darts-l2": {"grid": "1, 9"},
    "r-darts-dp": {"grid": "0, 0.4"},
}

SELECTORS: dict[str, dict[str, Any]] = {
    "perturbation": {"tuning_epochs": 1},
    "progressive-magnitude": {"tuning_epochs": 1},
    "convergence": {"tuning_epochs": 1},
    "sampling": {"samples": 8, "finalists": 2, "batch": 32},
    "policy-sampling": {"samples": 8, "batch": 32},
    "evolution": {
        "population": 4,
        "generations": 2,
        "mutants": 2,
        "crossovers": 2,
        "parents": 2,
        "valid_batch": 32,
    },
    "zero-cost-pt": {"proposals": 2, "validation_batches": 1, "batch": 8},
    "proxy-sampling": {"samples": 6, "batch": 8},
    "balenas-tf": {"samples": 6, "batch": 8},
    "parameters": {"samples": 6},
    "indicator": {"subsets": 2},
}
