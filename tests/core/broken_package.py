"""What a stranger's broken package does."""

raise RuntimeError("broken on import")
