"""Protocols: the rules of a search, of a supernet, of a training; and their files."""
