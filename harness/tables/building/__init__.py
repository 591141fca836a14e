"""Building a benchmark table by training every architecture of a space."""
