"""Trainers that train one sampled architecture a step and learn no architecture parameters."""
