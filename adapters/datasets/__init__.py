"""Data sets that the harness can train on."""
