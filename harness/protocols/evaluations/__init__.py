"""Evaluation protocols as TOML files; ``harness.protocols.evaluation`` reads them."""
