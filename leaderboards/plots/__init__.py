"""Plots: what is to be drawn as plain values, then a drawing of it."""
