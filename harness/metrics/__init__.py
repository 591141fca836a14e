"""Pure functions of results: rank correlation, regret, anytime curves, statistics."""
