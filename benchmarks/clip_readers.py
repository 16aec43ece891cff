"""The readers that `clips.py` compares. Each returns the centers of the frames.

Files are named by their size, as in `340x256.mp4`.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "threads;1"

SHORT_SIDE, CROP = 256, 224
Read = Callable[[str, np.ndarray], np.ndarray]


def available_readers() -> dict[str, Read]:
    """Returns the installed readers and prints the missing ones."""
    readers: dict[str, Read] = {
        "this": read_with_this_package,
        "this, first time": read_for_the_first_time,
    }
    others: dict[str, dict[str, Read]] = {
        # PyTorch crashes if TensorFlow has been imported before it.
        "torchcodec.decoders": {
            f"torchcodec, {mode}": partial(read_with_torchcodec, mode=mode)
            for mode in ("exact", "approximate")
        },
        "decord": {"decord": read_with_decord},
        "cv2": {"cv2": read_with_opencv},
        "tensorflow": {"TFRecord": read_record},
    }
    for module, those in others.items():
        try:
            __import__(module)
        except (ImportError, RuntimeError):
            print(f"{module.partition('.')[0]} is not installed")
        else:
            readers |= those
    return readers


def read_with_this_package(path: str, indices: np.ndarray) -> np.ndarray:
    from keras_nonlocal.data import Framing, PyAVReader

    with PyAVReader(path) as video:
        return video.read(indices, Framing(SHORT_SIDE, (CROP, CROP)))[:, 0]


def read_for_the_first_time(path: str, indices: np.ndarray) -> np.ndarray:
    # A changed file counts as a new one.
    os.utime(path)
    return read_with_this_package(path, indices)


def read_record(path: str, indices: np.ndarray) -> np.ndarray:
    from keras_nonlocal.data import Framing, RecordReader

    record = Path(path).with_suffix(".records") / "000000.tfrecord"
    with RecordReader(str(record)) as video:
        return video.read(indices, Framing(SHORT_SIDE, (CROP, CROP)))[:, 0]


def read_with_decord(path: str, indices: np.ndarray) -> np.ndarray:
    import decord

    width, height = scaled_size(path)
    video = decord.VideoReader(path, width=width, height=height, num_threads=1)
    return center(video.get_batch(indices).asnumpy())


def read_with_opencv(path: str, indices: np.ndarray) -> np.ndarray:
    import cv2

    cv2.setNumThreads(1)
    size = scaled_size(path)
    video = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    video.set(cv2.CAP_PROP_POS_FRAMES, int(indices[0]))
    wanted = {*indices.tolist()}
    pictures = []
    for index in range(indices[0], indices[-1] + 1):
        video.grab()
        if index in wanted:
            picture = cv2.resize(video.retrieve()[1], size)
            pictures.append(center(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)))
    video.release()
    return np.stack(pictures)


def read_with_torchcodec(path: str, indices: np.ndarray, mode: str) -> np.ndarray:
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import CenterCrop, Resize

    width, height = scaled_size(path)
    transforms = [Resize((height, width)), CenterCrop((CROP, CROP))]
    video = VideoDecoder(
        path,
        dimension_order="NHWC",
        num_ffmpeg_threads=1,
        seek_mode=mode,
        transforms=transforms,
    )
    return video.get_frames_at(indices.tolist()).data.numpy()


def scaled_size(path: str) -> tuple[int, int]:
    width, height = (int(side) for side in Path(path).stem.split("x"))
    return round(width * SHORT_SIDE / height), SHORT_SIDE


def center(pictures: np.ndarray) -> np.ndarray:
    top, left = ((side - CROP) // 2 for side in pictures.shape[-3:-1])
    return pictures[..., top : top + CROP, left : left + CROP, :]
