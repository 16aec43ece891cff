"""Pretrained weights: every released checkpoint, and exact inflation from images."""

from keras_nonlocal.weights.checkpoint import Checkpoint, read_checkpoint
from keras_nonlocal.weights.download import (
    DownloadError,
    LicenseNotice,
    download_preset,
    load_imagenet,
    load_preset,
)
from keras_nonlocal.weights.errors import CheckpointError
from keras_nonlocal.weights.inflation import inflate
from keras_nonlocal.weights.loading import convert_checkpoint, load_checkpoint
from keras_nonlocal.weights.normalization import (
    KERAS_IMAGENET_NORMALIZATION,
    KINETICS_NORMALIZATION,
    TORCH_IMAGENET_NORMALIZATION,
    PixelNormalization,
)
from keras_nonlocal.weights.parity import ParityReport, parity_report
from keras_nonlocal.weights.presets import PRESETS, Preset, find_preset
from keras_nonlocal.weights.report import LoadReport

__all__ = [
    "KERAS_IMAGENET_NORMALIZATION",
    "KINETICS_NORMALIZATION",
    "PRESETS",
    "TORCH_IMAGENET_NORMALIZATION",
    "Checkpoint",
    "CheckpointError",
    "DownloadError",
    "LicenseNotice",
    "LoadReport",
    "ParityReport",
    "PixelNormalization",
    "Preset",
    "convert_checkpoint",
    "download_preset",
    "find_preset",
    "inflate",
    "load_checkpoint",
    "load_imagenet",
    "load_preset",
    "parity_report",
    "read_checkpoint",
]
