"""The version of nas-harness."""

__version__ = "0.1.0"
