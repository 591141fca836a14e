"""Benchmark tables: the folder format, its reader, its writer, and where tables are found."""
