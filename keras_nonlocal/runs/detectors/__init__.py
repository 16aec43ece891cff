"""Training runs of detectors."""
