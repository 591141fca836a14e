"""`harness tables`: one file a verb."""
