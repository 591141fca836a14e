"""Data sets: the official formats, splits, and augmentation on the device."""
