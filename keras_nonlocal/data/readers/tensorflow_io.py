"""`TensorFlowIOReader`: reads whole video files with tensorflow-io."""

import importlib
from typing import Any

import numpy as np

from keras_nonlocal import files
from keras_nonlocal.data.readers.stored_frames import PicturesReader
from keras_nonlocal.data.readers.video_reader import VideoError
from keras_nonlocal.optional_packages import import_tensorflow

_NEEDS = (
    "tensorflow-io 0.37.1 is needed, with TensorFlow 2.16 and the FFmpeg 4 libraries "
    "(`libavcodec.so.58`, `libavformat.so.58`, `libavutil.so.56`, `libswscale.so.5`) "
    "where the loader finds them; elsewhere, read videos with "
    "`keras_nonlocal.data.PyAVReader`."
)


class TensorFlowIOReader(PicturesReader):
    """Random access to the frames of a file, decoded by tensorflow-io.

    `tfio.experimental.ffmpeg.decode_video` returns all frames of a file, but no times,
    rotation or pixel aspect ratio. Frames are assumed to be evenly spaced, and the
    whole video is kept in memory. Prefer `PyAVReader`, unless the frames must be
    identical to those of other code that uses tensorflow-io.

    Args:
        path: A file that FFmpeg can read, or a path with a scheme (`gs://…`) that
            `tf.io.gfile` can read.
        fps: Frames per second. Pass a different value with
            `open_video=functools.partial(TensorFlowIOReader, fps=25)`. Defaults to
            `30`.

    Raises:
        ImportError: If tensorflow-io or its libraries cannot be loaded.
        VideoError: If the file contains no readable video.
    """

    def __init__(self, path: str, fps: float = 30.0) -> None:
        try:
            with files.open_bytes(path) as file:
                content = file.read()
        except OSError as error:
            raise VideoError(path, error.strerror or str(error)) from None
        super().__init__(path, _decoded(path, content), fps)


def _decoded(path: str, content: bytes) -> np.ndarray:
    tf = import_tensorflow()
    decode_video = _import_decoder()
    try:
        with tf.device("CPU"):
            return decode_video(content).numpy()
    except NotImplementedError:
        raise ImportError(_NEEDS) from None
    except tf.errors.OpError as error:
        raise VideoError(path, str(error.message)) from None


def _import_decoder() -> Any:
    try:
        module = importlib.import_module("tensorflow_io")
        return module.experimental.ffmpeg.decode_video
    except (ImportError, NotImplementedError):
        raise ImportError(_NEEDS) from None
