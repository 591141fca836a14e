"""Suites: which methods run on which benchmarks, as TOML files; `suite` reads them."""
