"""What a leaderboard shows of each kind of run: one module a kind."""
