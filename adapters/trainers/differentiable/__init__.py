"""Trainers that learn architecture parameters by gradients."""
