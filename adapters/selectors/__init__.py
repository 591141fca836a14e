"""Selectors: from a trained supernet to one architecture."""
