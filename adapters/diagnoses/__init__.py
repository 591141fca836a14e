"""Diagnoses of what a trained supernet has learnt."""
