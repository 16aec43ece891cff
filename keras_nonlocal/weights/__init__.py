"""Pretrained weights: every released checkpoint, and exact inflation from images."""

from keras_nonlocal.weights.checkpoint import Checkpoint, read_checkpoint
from keras_nonlocal.weights.errors import CheckpointError
from keras_nonlocal.weights.loading import convert_checkpoint, load_checkpoint
from keras_nonlocal.weights.parity import ParityReport, parity_report
from keras_nonlocal.weights.report import LoadReport

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "LoadReport",
    "ParityReport",
    "convert_checkpoint",
    "load_checkpoint",
    "parity_report",
    "read_checkpoint",
]
