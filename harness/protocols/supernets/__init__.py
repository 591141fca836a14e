"""Supernet protocols as TOML files; ``harness.protocols.supernet_file`` reads them."""
