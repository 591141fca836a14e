"""One verb of the command line a module."""
