"""Downloads released checkpoints once, verifies and loads them."""

import hashlib
import os
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import keras

from keras_nonlocal import files
from keras_nonlocal.layer_names import PREDICTIONS
from keras_nonlocal.weights.checkpoint import Checkpoint, read_checkpoint
from keras_nonlocal.weights.errors import CheckpointError
from keras_nonlocal.weights.inflation import inflate
from keras_nonlocal.weights.loading import assign_checkpoint
from keras_nonlocal.weights.presets import Preset
from keras_nonlocal.weights.report import LoadReport
from keras_nonlocal.weights.slots import model_slots

CACHE_FOLDER = os.path.join("models", "keras_nonlocal")
IMAGENET_CLASSES = 1000
# Number of channels of conv1 in all released networks.
RELEASED_WIDTH = 64

# Numbers of residual blocks in res4, which identify the depths.
_IMAGE_BUILDERS = {6: "ResNet50", 23: "ResNet101", 36: "ResNet152"}


class DownloadError(OSError):
    """Raised if a file cannot be downloaded, or is not the expected one."""


class LicenseNotice(UserWarning):
    """Warning that states the license of loaded weights."""


def load_preset(
    model: keras.Model,
    preset: Preset,
    *,
    strict: bool = True,
    cache_dir: str | os.PathLike[str] | None = None,
) -> LoadReport:
    """Downloads a released checkpoint, unless it is in the cache, and loads it.

    Args:
        model: The network of `preset.architecture`, with or without its classifier.
        preset: A row of `PRESETS`.
        strict: Whether to raise an error if the classifier's number of classes differs
            from the file's. With `False`, such a classifier keeps its values. For a
            model without a classifier, the file's classifier is ignored. Everything
            else must fit. Defaults to `True`.
        cache_dir: Folder of the cache, created if it does not exist. Defaults to
            Keras's, `~/.keras`.

    Returns:
        A report on the loaded, skipped and unchanged weights.

    Raises:
        DownloadError: If the file cannot be downloaded, is damaged, or has the wrong
            hash. The file is not kept in the cache.
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
    """Reads a released checkpoint from the cache, and downloads it first if necessary.

    Several processes may call this at the same time: one of them downloads the file and
    the others wait. A damaged file in the cache is downloaded again.

    Args:
        preset: A row of `PRESETS`.
        cache_dir: Folder of the cache, created if it does not exist. Defaults to
            Keras's, `~/.keras`.

    Returns:
        The content of the file.

    Raises:
        DownloadError: See `load_preset`.
    """
    path = _cache_path(preset, cache_dir)
    # Without a lock, as a shared cache may be read-only.
    if (checkpoint := _cached(preset, path)) is not None:
        return checkpoint
    # A second process waits for the first one's download.
    with files.lock(path, "cache_dir", waits=True):
        if (checkpoint := _cached(preset, path)) is not None:
            return checkpoint
        path.unlink(missing_ok=True)  # damaged, so it is downloaded again
        with files.replacing(path) as unfinished:
            _fetch(preset, unfinished)
            try:
                return replace(_checked(preset, unfinished), path=str(path))
            except (CheckpointError, DownloadError) as error:
                reason = str(error)
                if isinstance(error, CheckpointError):
                    reason = error.reason
                raise DownloadError(
                    f"The file at {preset.url} is not the checkpoint {preset.name!r}: "
                    f"{reason} It was not kept in the cache."
                ) from error


def _cache_path(preset: Preset, cache_dir: str | os.PathLike[str] | None) -> Path:
    """Returns the path of a file in the cache, and creates its folder."""
    if cache_dir is None:
        home = _keras_home()
    else:
        home = files.local_path("cache_dir", cache_dir).expanduser()
    folder = home / CACHE_FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(
            "`cache_dir` must be a folder that exists or can be created "
            f"({error.strerror}). Received: cache_dir={str(home)!r}"
        ) from error
    return folder / f"{preset.name}{Path(preset.url).suffix}"


def _keras_home() -> Path:
    """Returns the folder in which Keras stores its files, by Keras's rules."""
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    writable = home if home.exists() else home.parent
    if os.access(writable, os.W_OK):
        return home
    return Path(tempfile.gettempdir(), ".keras")


def _fetch(preset: Preset, target: Path) -> None:
    try:
        keras.utils.get_file(
            target.name,
            preset.url,
            cache_dir=str(target.parent),
            cache_subdir="",
            force_download=True,
        )
    except Exception as error:  # `get_file` raises bare `Exception`s
        raise DownloadError(
            f"Downloading {preset.name!r} from {preset.url} failed: {error}"
        ) from error


def _cached(preset: Preset, path: Path) -> Checkpoint | None:
    """Reads a file of the cache; `None` if it is not there or damaged."""
    try:
        return _checked(preset, path)
    except (CheckpointError, DownloadError, FileNotFoundError):
        return None


def _checked(preset: Preset, path: Path) -> Checkpoint:
    """Reads a file after checking that it is the released one."""
    _check_file(preset, path)
    return read_checkpoint(path)


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

    The network then expects pixels as `keras.applications.resnet.preprocess_input`
    returns them (`KERAS_IMAGENET_NORMALIZATION`).

    Args:
        video_model: A network of this package of width 64, built with
            `stride_in_1x1=True`. Non-local blocks keep their values.
        strict: Whether to raise an error if the classifier does not have 1000 classes.
            Defaults to `True`.

    Returns:
        A report on the loaded and unchanged weights.

    Raises:
        DownloadError: If the weights cannot be downloaded.
        ValueError: If the network has a different geometry; see `inflate`.
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
    classes = [slot.shape[0] for slot in slots if slot.name == f"{PREDICTIONS}/bias"]
    include_top = bool(classes) and (strict or classes == [IMAGENET_CLASSES])
    try:
        image_model = builder(include_top=include_top, weights="imagenet")
    except Exception as error:  # `get_file` raises bare `Exception`s
        if "URL fetch failure" not in str(error) and not isinstance(error, OSError):
            raise
        raise DownloadError(
            f"Downloading the ImageNet weights of {builder.__name__!r} failed: {error}"
        ) from error
    return inflate(image_model, video_model, strict=strict)
