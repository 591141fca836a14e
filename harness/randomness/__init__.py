"""Named random streams, for numpy and for torch."""
