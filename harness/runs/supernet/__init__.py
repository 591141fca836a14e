"""Runs that train a supernet and select from it."""
