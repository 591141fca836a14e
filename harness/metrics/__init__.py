"""Numbers made of results: rank correlation, regret, anytime curves, statistics. Pure functions."""
