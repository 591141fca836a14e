"""Supernet trainers, a folder a family."""
