"""Black-box searches in benchmark tables."""
