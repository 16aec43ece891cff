"""Presets from the network: downloaded, checked, loaded."""

import hashlib
import os
import warnings
from pathlib import Path

import keras

from keras_nonlocal.weights.checkpoint import Checkpoint, read_checkpoint
from keras_nonlocal.weights.errors import CheckpointError
from keras_nonlocal.weights.inflation import inflate
from keras_nonlocal.weights.loading import assign_checkpoint
from keras_nonlocal.weights.presets import Preset
from keras_nonlocal.weights.report import LoadReport
from keras_nonlocal.weights.slots import HEAD, model_slots

CACHE_FOLDER = os.path.join("models", "keras_nonlocal")
IMAGENET_CLASSES = 1000

# Residual blocks of res4, which tell the depths apart.
_IMAGE_BUILDERS = {6: "ResNet50", 23: "ResNet101", 36: "ResNet152"}


class DownloadError(OSError):
    """A file that could not be downloaded, or is not what it should be."""


class LicenseNotice(UserWarning):
    """The licence of weights that are about to be used."""


def load_preset(
    model: keras.Model,
    preset: Preset,
    *,
    strict: bool = True,
    cache_dir: str | os.PathLike[str] | None = None,
) -> LoadReport:
    """Downloads a released checkpoint, once, and loads it.

    Args:
        model: The network of `preset.architecture`, with or without its classifier.
        preset: A row of `PRESETS`.
        strict: Whether a classifier of another number of classes than the file's is
            an error. With `False` it stays as it is. A model without classifier leaves
            that of the file unused in any case, and everything else must fit in any
            case. Defaults to `True`.
        cache_dir: Folder of the cache. Defaults to Keras's, `~/.keras`.

    Returns:
        What was loaded, skipped and left.

    Raises:
        DownloadError: If the file cannot be downloaded, or what comes is damaged or
            has the wrong hash. Nothing of it stays in the cache.
        CheckpointError: If the file does not fit the model.
    """
    checkpoint = download_preset(preset, cache_dir=cache_dir)
    warnings.warn(
        f"The weights {preset.name!r} are licensed as {preset.license}.",
        LicenseNotice,
        stacklevel=2,
    )
    return assign_checkpoint(
        model, checkpoint, without_head=True, other_classes=not strict
    )


def download_preset(
    preset: Preset, *, cache_dir: str | os.PathLike[str] | None = None
) -> Checkpoint:
    """Downloads a released checkpoint, or takes it from the cache, and reads it.

    Args:
        preset: A row of `PRESETS`.
        cache_dir: Folder of the cache. Defaults to Keras's, `~/.keras`.

    Returns:
        The content of the file.

    Raises:
        DownloadError: See `load_preset`.
    """
    path = _cached_file(preset, cache_dir)
    try:
        _check_file(preset, path)
        return read_checkpoint(path)
    except (CheckpointError, DownloadError) as error:
        # A damaged file must not be found again by the next attempt.
        path.unlink(missing_ok=True)
        reason = error.reason if isinstance(error, CheckpointError) else str(error)
        raise DownloadError(
            f"What came from {preset.url} is not the checkpoint {preset.name!r}: "
            f"{reason} It was removed from the cache."
        ) from error


def _cached_file(preset: Preset, cache_dir: str | os.PathLike[str] | None) -> Path:
    name = f"{preset.name}{Path(preset.url).suffix}"
    try:
        path = keras.utils.get_file(
            name,
            preset.url,
            cache_subdir=CACHE_FOLDER,
            cache_dir=None if cache_dir is None else os.fspath(cache_dir),
        )
    except Exception as error:  # `get_file` raises bare `Exception`s
        raise DownloadError(
            f"Downloading {preset.name!r} from {preset.url} failed: {error}"
        ) from error
    return Path(path)


def _check_file(preset: Preset, path: Path) -> None:
    size = path.stat().st_size
    if preset.size is not None and size != preset.size:
        raise DownloadError(f"It has {size} bytes instead of {preset.size}.")
    if preset.sha256 is None:
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(preset.sha256):
        raise DownloadError(
            f"Its SHA-256 is {digest} and should begin with {preset.sha256}."
        )


def load_imagenet(video_model: keras.Model, *, strict: bool = True) -> LoadReport:
    """Inflates the ImageNet weights of `keras.applications` into a network.

    The network then takes pixels as `keras.applications.resnet.preprocess_input` leaves
    them (`KERAS_IMAGENET_NORMALIZATION`).

    Args:
        video_model: A network of this package of width 64, built with
            `stride_in_1x1=True`. Non-local blocks stay as they are.
        strict: Whether a classifier of another number of classes than 1000 is an
            error. Defaults to `True`.

    Returns:
        What was loaded and left.

    Raises:
        ValueError: If the network has another geometry; see `inflate`.
    """
    slots = model_slots(video_model)
    num_blocks = 1 + max(
        (
            slot.place.block
            for slot in slots
            if slot.place is not None and slot.place.stage == 4
        ),
        default=-1,
    )
    if num_blocks not in _IMAGE_BUILDERS:
        raise ValueError(
            "`video_model` must have the depth 50, 101 or 152. Received: "
            f"video_model={video_model.name!r} with {num_blocks} blocks in res4"
        )
    builder = getattr(keras.applications, _IMAGE_BUILDERS[num_blocks])
    classes = [slot.shape[0] for slot in slots if slot.name == f"{HEAD}/bias"]
    image_model = builder(
        include_top=bool(classes) and (strict or classes == [IMAGENET_CLASSES]),
        weights="imagenet",
    )
    return inflate(image_model, video_model, strict=strict)
