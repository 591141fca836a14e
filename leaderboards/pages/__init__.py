"""A table to be shown, and its renderings."""
