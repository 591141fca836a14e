"""The numbers that a row of a leaderboard shows."""
