"""Pages that examine a table, a trainer, a diagnosis, or list the methods."""
