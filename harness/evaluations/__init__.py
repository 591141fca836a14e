"""Evaluation protocols as TOML files; ``harness.evaluation_protocol`` reads them."""
