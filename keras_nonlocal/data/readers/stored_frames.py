"""Videos whose frames are stored separately, as JPEG or PNG pictures or as arrays."""

import abc
import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from keras_nonlocal import files
from keras_nonlocal.arguments import check_positive_number
from keras_nonlocal.data.framing import Framing
from keras_nonlocal.data.lists.video_search import PICTURE_EXTENSIONS, is_hidden
from keras_nonlocal.data.readers.crops import PictureConverter
from keras_nonlocal.data.readers.exif import is_transposed, upright
from keras_nonlocal.data.readers.frame_reader import FrameReader
from keras_nonlocal.data.readers.picture_bytes import (
    MOST_PIXELS,
    PictureError,
    parse_picture,
)
from keras_nonlocal.data.readers.video_reader import VideoError
from keras_nonlocal.optional_packages import import_av


class StoredFrame(NamedTuple):
    """A frame that was decoded separately.

    Args:
        pixels: An `av.VideoFrame`.
        orientation: Orientation of the picture, from 1 to 8 as in the EXIF standard.
    """

    pixels: Any
    orientation: int = 1


class PictureReader(FrameReader):
    """Scales and crops the frames of a video that stores them separately.

    Pictures are rotated and mirrored according to their EXIF orientation.

    Args:
        path: Name of the video in errors.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._av = import_av()
        self._converter = PictureConverter(path)
        self._decoders: dict[str, Any] = {}

    def close(self) -> None:
        """Releases the decoders and other resources."""
        self._decoders.clear()

    @property
    def stored_size(self) -> tuple[int, int]:
        """Height and width of the first picture in pixels, before rotation."""
        pixels = self._frame(0).pixels
        return pixels.height, pixels.width

    @property
    def codec(self) -> str:
        """FFmpeg's names of the codecs of the pictures that were read so far."""
        return ", ".join(sorted(self._decoders))

    def check(self) -> None:
        """Decodes every picture.

        Raises:
            VideoError: If a picture is damaged.
        """
        for index in range(len(self.times)):
            self._frame(index)

    @abc.abstractmethod
    def _frame(self, index: int) -> StoredFrame:
        """Returns a frame in its stored orientation."""

    def _pictures(
        self, indices: list[int], framing: Framing
    ) -> Iterator[tuple[int, np.ndarray]]:
        for index in indices:
            yield index, self._upright(self._frame(index), framing)

    def stream(self, framing: Framing) -> Iterator[np.ndarray]:
        """Reads and scales all frames in order.

        Args:
            framing: Determines the scale. Pictures are not cropped.

        Yields:
            RGB bytes, shape `(scaled_height, scaled_width, 3)`.

        Raises:
            VideoError: If a picture cannot be decoded.
        """
        for index in range(len(self.times)):
            yield self._upright(self._frame(index), framing)

    def _upright(self, frame: StoredFrame, framing: Framing) -> np.ndarray:
        """Returns the scaled and upright picture."""
        if is_transposed(frame.orientation) and framing.crop_size is not None:
            framing = replace(framing, crop_size=framing.crop_size[::-1])
        scaled = self._converter.upright(frame.pixels, framing)
        return upright(scaled, frame.orientation)

    def _decoded(self, content: bytes, name: str) -> StoredFrame:
        """Decodes a JPEG or PNG with a `name` for errors."""
        try:
            picture = parse_picture(content)
        except PictureError as error:
            raise VideoError(self._path, f"its {name} {error}") from None
        packet = self._av.Packet(picture.content)
        # Otherwise, the PNG decoder adds the picture to the previous one.
        packet.is_keyframe = True
        try:
            (frame,) = self._decoder(picture.codec).decode(packet)
        except (self._av.FFmpegError, ValueError):
            raise VideoError(self._path, f"its {name} is damaged") from None
        return StoredFrame(frame, picture.orientation)

    def _decoder(self, codec: str) -> Any:
        if codec not in self._decoders:
            decoder = self._av.CodecContext.create(codec, "r")
            decoder.thread_count = 1
            # Otherwise, missing parts of a JPEG are silently painted gray.
            decoder.options = {
                "err_detect": "explode",
                "max_pixels": str(MOST_PIXELS),
            }
            self._decoders[codec] = decoder
        return self._decoders[codec]


class FrameFolderReader(PictureReader):
    """Random access to a video that is a folder of JPEG or PNG pictures.

    Pictures are sorted by name, with numbers by value: `img_2.jpg` precedes
    `img_10.jpg`.

    Args:
        path: The folder. A path with a scheme (`gs://…`) is read by `tf.io.gfile`.
        fps: Pictures per second, which a folder does not store. Pass a different value
            with `open_video=functools.partial(FrameFolderReader, fps=25)`. Defaults to
            `30`.
        pattern: Pattern for the names of the pictures to read, if a folder also
            contains others. With `"img_*"`, `flow_x_00001.jpg` is left out. Defaults to
            `"*"`.

    Raises:
        VideoError: If the folder does not exist or contains no such picture.
    """

    def __init__(self, path: str, fps: float = 30.0, pattern: str = "*") -> None:
        super().__init__(path)
        check_positive_number("fps", fps)
        try:
            names = files.list_names(path)
        except OSError as error:
            raise VideoError(path, error.strerror or str(error)) from None
        self._names = sorted(
            (
                name
                for name in names
                if name.lower().endswith(PICTURE_EXTENSIONS)
                and not is_hidden(name)
                and fnmatch.fnmatchcase(name, pattern)
            ),
            key=_by_numbers,
        )
        if not self._names:
            raise VideoError(path, f"it holds no JPEG or PNG named {pattern!r}")
        self._times = np.arange(len(self._names)) / fps

    @property
    def times(self) -> np.ndarray:
        """Presentation times in seconds, ascending, shape `(frames_in_video,)`."""
        return self._times

    def _frame(self, index: int) -> StoredFrame:
        name = self._names[index]
        try:
            with files.open_bytes(os.path.join(self._path, name)) as file:
                content = file.read()
        except OSError as error:
            reason = f"its {name}: {error.strerror or error}"
            raise VideoError(self._path, reason) from None
        return self._decoded(content, name)


class PicturesReader(PictureReader):
    """Random access to a video whose pictures are in memory.

    Args:
        path: Name of the video in errors.
        pictures: JPEGs or PNGs as byte strings, or an array of bytes of shape
            `(frames_in_video, height, width, 1 or 3)`.
        fps: Pictures per second.

    Raises:
        VideoError: If there are no pictures.
    """

    def __init__(
        self, path: str, pictures: Sequence[bytes] | np.ndarray, fps: float
    ) -> None:
        super().__init__(path)
        check_positive_number("fps", fps)
        if not len(pictures):
            raise VideoError(path, "it has no frames")
        self._stored = pictures
        self._times = np.arange(len(pictures)) / fps

    @property
    def times(self) -> np.ndarray:
        """Presentation times in seconds, ascending, shape `(frames_in_video,)`."""
        return self._times

    def _frame(self, index: int) -> StoredFrame:
        picture = self._stored[index]
        if isinstance(picture, bytes):
            return self._decoded(picture, f"picture {index}")
        if picture.shape[-1] == 1:
            frame = self._av.VideoFrame.from_ndarray(picture[..., 0], "gray")
        else:
            frame = self._av.VideoFrame.from_ndarray(picture, "rgb24")
        return StoredFrame(frame)


def _by_numbers(name: str) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
