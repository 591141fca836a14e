"""What is to be run, what came of it, and the store that keeps it."""
