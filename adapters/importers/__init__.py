"""Readers of benchmark files, official and one's own."""
