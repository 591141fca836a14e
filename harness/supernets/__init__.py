"""Supernets: what they are, how they are trained, and how an architecture is selected from one."""
