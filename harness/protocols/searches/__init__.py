"""Search protocols as TOML files; ``harness.protocols.search_file`` reads them."""
