"""Readers of the frames of one open video."""
