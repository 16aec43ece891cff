"""Writes a labeled collection of H.264 videos in which a ring points to a digit.

A video shows a handwritten 0, a handwritten 1 and a ring, at different places, at
different times, or both. The class is the digit that has the color of the ring.
`keras_nonlocal.experiments` draws these clips and says more about them.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from motion_videos import write_video

from keras_nonlocal.experiments import ClipTask, Scenes, draw_clips

CLASSES = ("points_to_0", "points_to_1")
KINDS = ("space", "time", "both")
NUM_FRAMES = 16
_TASK = ClipTask(num_frames=8, size=64)
# The default test crop is 7/8 of a picture and cuts off nothing else.
_BORDER = 4
SIDE = _TASK.size + 2 * _BORDER
_RING = 2
_THREADS = 2


class RingVideo(NamedTuple):
    """A video file and where its ring is.

    Args:
        path: The file.
        kind: What separates the ring and the digits: `"space"`, `"time"` or `"both"`.
        ring: Center of the ring in space and time: frame, row and column, each relative
            to the number of frames, the height and the width of the video.
    """

    path: Path
    kind: str
    ring: tuple[float, float, float]


def write_collection(
    directory: Path, writers: Literal["training", "test"], num_videos: int, seed: int
) -> Iterator[RingVideo]:
    """Writes `directory/<class>/<number>.mp4` and yields each finished video.

    Args:
        directory: Output folder, created if it does not exist.
        writers: Whose digits to show. Nobody wrote for both.
        num_videos: Number of videos of both classes together.
        seed: The same seed always gives the same videos.
    """
    for class_name in CLASSES:
        (directory / class_name).mkdir(parents=True, exist_ok=True)
    clips, scenes = draw_clips(_TASK, writers, num_videos, seed)

    def write(number: int) -> RingVideo:
        class_name = CLASSES[scenes.label[number]]
        path = directory / class_name / f"{number:04d}.mp4"
        frames = clips[number].repeat(NUM_FRAMES // _TASK.num_frames, axis=0)
        border = (_BORDER, _BORDER)
        write_video(path, np.pad(frames, ((0, 0), border, border, (0, 0))))
        return RingVideo(
            path, KINDS[scenes.kind[number]], _center_of_ring(scenes, number)
        )

    with ThreadPoolExecutor(_THREADS) as threads:
        yield from threads.map(write, range(num_videos))


def _center_of_ring(scenes: Scenes, number: int) -> tuple[float, float, float]:
    """Returns where the ring is, relative to the size of the video."""
    place = np.array(divmod(scenes.place[number, _RING], 2))
    corner = _BORDER + place * _TASK.size / 2 + scenes.shift[number, _RING]
    center = corner + _TASK.thing_size / 2
    row, column = (center / SIDE).tolist()
    return (float(scenes.quarter[number, _RING]) + 0.5) / 4, row, column
