"""Pretrained weights: released checkpoints and exact inflation of image networks."""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.weights.checkpoint import Checkpoint as Checkpoint
    from keras_nonlocal.weights.checkpoint import read_checkpoint as read_checkpoint
    from keras_nonlocal.weights.download import DownloadError as DownloadError
    from keras_nonlocal.weights.download import LicenseNotice as LicenseNotice
    from keras_nonlocal.weights.download import download_preset as download_preset
    from keras_nonlocal.weights.download import load_imagenet as load_imagenet
    from keras_nonlocal.weights.download import load_preset as load_preset
    from keras_nonlocal.weights.errors import CheckpointError as CheckpointError
    from keras_nonlocal.weights.inflation import inflate as inflate
    from keras_nonlocal.weights.loading import convert_checkpoint as convert_checkpoint
    from keras_nonlocal.weights.loading import load_checkpoint as load_checkpoint
    from keras_nonlocal.weights.normalization import (
        KERAS_IMAGENET_NORMALIZATION as KERAS_IMAGENET_NORMALIZATION,
    )
    from keras_nonlocal.weights.normalization import (
        KINETICS_NORMALIZATION as KINETICS_NORMALIZATION,
    )
    from keras_nonlocal.weights.normalization import (
        TORCH_IMAGENET_NORMALIZATION as TORCH_IMAGENET_NORMALIZATION,
    )
    from keras_nonlocal.weights.normalization import (
        PixelNormalization as PixelNormalization,
    )
    from keras_nonlocal.weights.parity import ParityReport as ParityReport
    from keras_nonlocal.weights.parity import parity_report as parity_report
    from keras_nonlocal.weights.presets import PRESETS as PRESETS
    from keras_nonlocal.weights.presets import Preset as Preset
    from keras_nonlocal.weights.presets import find_preset as find_preset
    from keras_nonlocal.weights.report import LoadReport as LoadReport
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
