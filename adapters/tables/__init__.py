"""Benchmark tables that ship with the package, one folder each."""

from __future__ import annotations

from pathlib import Path

NAS_BENCH_201_DIGITS = Path(__file__).parent / "nas_bench_201_digits"
"""Every cell of NAS-Bench-201 trained on scikit-learn's digits, by `harness tables build`."""

NAS_BENCH_1SHOT1_1_DIGITS = Path(__file__).parent / "nas_bench_1shot1_1_digits"
"""Space 1 of NAS-Bench-1Shot1, a training for every NAS-Bench-101 hash, on the same digits."""
