"""One network trained from scratch, and its results kept."""
