"""IT-NAS: candidates as tokens of a small transformer, ranked by what its indicator attends to."""
