"""Tables of a leaderboard, one kind a file."""
