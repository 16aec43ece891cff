"""From the file of a picture to RGB bytes, upright as it was annotated."""

import io
from typing import Any

import numpy as np

from keras_nonlocal import files
from keras_nonlocal.data.readers.exif import ORIENTATION_TAG, is_transposed, upright
from keras_nonlocal.data.readers.read_error import ReadError
from keras_nonlocal.optional_packages import import_pillow


class ImageError(ReadError):
    """A picture that cannot be read; the message names the file and the reason.

    Args:
        path: The file.
        reason: Why it cannot be read.
    """

    medium = "picture"


def stored_size(path: str) -> tuple[int, int]:
    """Returns the height and width of a picture as it is shown.

    Raises:
        ImageError: If it cannot be read.
    """
    try:
        with _opened(read_bytes(path)) as image:
            width, height = image.size
            turned = is_transposed(_orientation(image))
    except ImportError:
        raise
    except Exception as error:
        raise _named(path, error) from error
    return (width, height) if turned else (height, width)


def encoded_size(content: bytes | np.ndarray, path: str) -> tuple[int, int]:
    """Returns the height and width of a picture as its pixels are stored.

    Args:
        content: The file, or the pixels themselves.
        path: Its name in errors.

    Raises:
        ImageError: If it cannot be read.
    """
    if isinstance(content, np.ndarray):
        return content.shape[0], content.shape[1]
    try:
        with _opened(content) as image:
            width, height = image.size
    except ImportError:
        raise
    except Exception as error:
        raise _named(path, error) from error
    return height, width


def read_bytes(path: str) -> bytes:
    """Returns the contents of a file.

    Raises:
        ImageError: If it cannot be read.
    """
    try:
        with files.open_bytes(path) as file:
            return file.read()
    # A name may contain a null byte.
    except (OSError, ValueError) as error:
        raise _named(path, error) from error


def decode_picture(
    content: bytes | np.ndarray, path: str, size: tuple[int, int] | None
) -> np.ndarray:
    """Decodes a JPEG, a PNG or what else Pillow reads.

    Gray, palette and CMYK pictures become RGB; transparency is dropped. A picture is
    turned and mirrored as its EXIF orientation says. If only its stored pixels have the
    size in the annotations, it was annotated as stored and stays so.

    Args:
        content: The file, or its pixels.
        path: Its name in errors.
        size: Height and width according to the annotations; `None`: unknown.

    Returns:
        `uint8` of shape `(height, width, 3)`.

    Raises:
        ImageError: If it cannot be decoded, or has another size.
    """
    if isinstance(content, np.ndarray):
        return np.repeat(content, 3, axis=2) if content.shape[2] == 1 else content
    try:
        with _opened(content) as image:
            image.load()  # since EXIF data may come after the pixels
            orientation = _orientation(image)
            stored = _rgb(image)
    except ImportError:
        raise
    except Exception as error:
        raise _named(path, error) from error
    shown = upright(stored, orientation)
    if size is None or shown.shape[:2] == tuple(size):
        return np.ascontiguousarray(shown)
    if stored.shape[:2] == tuple(size):
        return stored
    raise ImageError(
        path,
        f"it has {shown.shape[0]} × {shown.shape[1]} pixels, and its annotations are "
        f"for {size[0]} × {size[1]}",
    )


def resize_picture(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scales a picture bilinearly, with smoothing where it gets smaller.

    Args:
        pixels: `uint8` of shape `(height, width, 3)`.
        size: The new height and width.
    """
    if pixels.shape[:2] == tuple(size):
        return pixels
    pillow = import_pillow()
    image = pillow.fromarray(pixels)
    return np.asarray(image.resize(size[::-1], pillow.Resampling.BILINEAR))


def _opened(content: bytes) -> Any:
    return import_pillow().open(io.BytesIO(content))


def _orientation(image: Any) -> int:
    """How a picture must be turned yet, from 1 to 8 as in the EXIF standard."""
    if image.format == "TIFF":
        return 1  # Pillow has turned it.
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:
        # Damaged EXIF data are no reason to refuse a picture.
        return 1
    return value if value in range(1, 9) else 1


def _rgb(image: Any) -> np.ndarray:
    if image.mode == "F" or (image.mode == "I" and image.format != "PNG"):
        raise ValueError("its pixels have 32 bits, and their range is not known")
    if image.mode.startswith("I"):
        # 16 bits of gray, which Pillow would cut off at 255.
        gray = np.asarray(image).astype(np.int64) >> 8
        gray = np.clip(gray, 0, 255).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    return np.array(image.convert("RGB"))


def _named(path: str, error: Exception) -> ImageError:
    if isinstance(error, ImageError):
        return error
    if type(error).__name__ == "UnidentifiedImageError":
        # Its own message has an address in memory.
        return ImageError(path, "it is no picture that Pillow can read")
    return ImageError(path, f"{type(error).__name__}: {error}".rstrip(": "))
