"""Trainers that fill benchmark tables."""
