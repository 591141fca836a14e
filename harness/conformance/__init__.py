"""Test suites that an adapter of one's own must pass; they ship with the package."""
