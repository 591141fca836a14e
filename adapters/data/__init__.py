"""Benchmark tables that ship with the package, one folder each."""

from __future__ import annotations

from pathlib import Path

NAS_BENCH_201_DIGITS = Path(__file__).parent / "nas_bench_201_digits"
"""Every cell of NAS-Bench-201 trained on scikit-learn's digits, by `harness tables build`."""
