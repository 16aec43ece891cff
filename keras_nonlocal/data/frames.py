"""Videos whose frames are stored one by one, as JPEG or PNG pictures or as arrays."""

import abc
import fnmatch
import os
import re
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from keras_nonlocal.data import files
from keras_nonlocal.data._requirements import import_av
from keras_nonlocal.data.arguments import check_positive_number
from keras_nonlocal.data.pictures import CropCollector, PictureConverter
from keras_nonlocal.data.readers import VideoError
from keras_nonlocal.data.sources import PICTURE_EXTENSIONS
from keras_nonlocal.data.transforms import Framing

_CODECS = {b"\xff\xd8\xff": "mjpeg", b"\x89PNG": "png"}
# In a JPEG: where the last scan begins, and where the picture ends.
_SCAN, _END = b"\xff\xda", b"\xff\xd9"


class PictureReader(abc.ABC):
    """Scales and crops the frames of a video that stores each by itself.

    Args:
        path: What errors call the video.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._av = import_av()
        self._converter = PictureConverter(path)
        self._decoders: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Releases the decoders and what else the reader holds."""
        self._decoders.clear()

    @property
    @abc.abstractmethod
    def times(self) -> np.ndarray:
        """Presentation times in seconds, ascending, shape `(frames_in_video,)`."""

    @abc.abstractmethod
    def _frame(self, index: int) -> Any:
        """Returns a frame as an `av.VideoFrame`."""

    def read(self, indices: np.ndarray, framing: Framing) -> np.ndarray:
        """Reads, scales and crops frames.

        Args:
            indices: Places in presentation order, any shape and order.
            framing: What is kept of each picture.

        Returns:
            RGB bytes, shape `(*indices.shape, num_crops, crop_height, crop_width, 3)`.

        Raises:
            VideoError: If a picture cannot be decoded.
        """
        collector = CropCollector(self._path, indices, framing)
        for row, index in enumerate(collector.wanted):
            frame = self._frame(int(index))
            collector.put(row, self._converter.upright(frame, framing))
        return collector.crops()

    def _decoded(self, content: bytes, name: str) -> Any:
        """Decodes a JPEG or PNG; `name` says in errors which one."""
        codec = next(
            (codec for start, codec in _CODECS.items() if content.startswith(start)),
            None,
        )
        if codec is None:
            raise VideoError(self._path, f"its {name} is neither JPEG nor PNG")
        if codec == "mjpeg" and content.rfind(_END) < content.rfind(_SCAN):
            raise VideoError(self._path, f"its {name} is damaged")
        if codec not in self._decoders:
            decoder = self._av.CodecContext.create(codec, "r")
            decoder.thread_count = 1
            # Else what a JPEG lacks within is painted grey without a word.
            decoder.options = {"err_detect": "explode"}
            self._decoders[codec] = decoder
        packet = self._av.Packet(content)
        # Else the PNG decoder adds the picture to the one before.
        packet.is_keyframe = True
        try:
            (frame,) = self._decoders[codec].decode(packet)
        except (self._av.FFmpegError, ValueError):
            raise VideoError(self._path, f"its {name} is damaged") from None
        return frame


class FrameFolderReader(PictureReader):
    """Random access to a video that is a folder of JPEG or PNG pictures.

    Pictures are taken in the order of their names, with numbers by their values:
    `img_2.jpg` before `img_10.jpg`.

    Args:
        path: The folder; a path with a scheme (`gs://…`) is read by `tf.io.gfile`.
        fps: Pictures per second, as a folder does not tell. Pass another one by
            `open_video=functools.partial(FrameFolderReader, fps=25)`. Defaults to
            `30`.
        pattern: The names that count, where a folder also holds other pictures: with
            `"img_*"`, `flow_x_00001.jpg` is left out. Defaults to `"*"`.

    Raises:
        VideoError: If there is no such folder or no picture in it.
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
                and not name.startswith(".")
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

    def _frame(self, index: int) -> Any:
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
        path: What errors call the video.
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
        self._pictures = pictures
        self._times = np.arange(len(pictures)) / fps

    @property
    def times(self) -> np.ndarray:
        """Presentation times in seconds, ascending, shape `(frames_in_video,)`."""
        return self._times

    def _frame(self, index: int) -> Any:
        picture = self._pictures[index]
        if isinstance(picture, bytes):
            return self._decoded(picture, f"picture {index}")
        if picture.shape[-1] == 1:
            return self._av.VideoFrame.from_ndarray(picture[..., 0], "gray")
        return self._av.VideoFrame.from_ndarray(picture, "rgb24")


def _by_numbers(name: str) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
