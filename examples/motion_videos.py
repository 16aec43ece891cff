"""Writes a small labeled collection of H.264 videos of camera motions.

No single frame identifies the class, and each class has a time-reversed counterpart. A
network must use the order of the frames to score above one half.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

import av
import numpy as np

# Class -> motion of the camera per frame: (down, right) in pixels, and zoom.
MOTIONS: dict[str, tuple[float, float, float]] = {
    "pan_down": (1.0, 0.0, 1.0),
    "pan_left": (0.0, -1.0, 1.0),
    "pan_right": (0.0, 1.0, 1.0),
    "pan_up": (-1.0, 0.0, 1.0),
    "zoom_in": (0.0, 0.0, 1 / 1.02),
    "zoom_out": (0.0, 0.0, 1.02),
}
HEIGHT, WIDTH = 72, 96
NUM_FRAMES = 40
FRAMES_PER_SECOND = 25


def write_collection(
    directory: Path,
    videos_per_class: int,
    seed: tuple[int, ...],
    class_names: Collection[str] = tuple(MOTIONS),
) -> Iterator[Path]:
    """Writes `directory/<class>/<number>.mp4` and yields each finished file.

    Args:
        directory: Output folder, created if it does not exist.
        videos_per_class: Number of videos of every class.
        seed: Collections with different seeds share no background.
        class_names: The motions. Defaults to all.
    """
    for class_number, class_name in enumerate(MOTIONS):
        if class_name not in class_names:
            continue
        folder = directory / class_name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(videos_per_class):
            rng = np.random.default_rng((*seed, class_number, number))
            path = folder / f"{number:03d}.mp4"
            write_video(path, render(class_name, rng))
            yield path


def write_video(path: Path, frames: np.ndarray) -> None:
    """Encodes `frames`, uint8 of shape `(num_frames, height, width, 3)`, as H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18", "preset": "veryfast", "threads": "1"}
        for image in frames:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def render(class_name: str, rng: np.random.Generator) -> np.ndarray:
    """Films a random wall: uint8 frames `(NUM_FRAMES, HEIGHT, WIDTH, 3)`."""
    down, right, zoom = MOTIONS[class_name]
    wall = _wall(rng)
    speed = rng.uniform(1.0, 2.0)
    scale = rng.uniform(0.7, 1.3)
    center = rng.uniform(0, len(wall), 2)
    sticker = _Sticker(rng)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    frames = np.empty((NUM_FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    for time in range(NUM_FRAMES):
        size = scale * zoom ** (speed * (time - NUM_FRAMES / 2))
        y = (rows - HEIGHT / 2) * size + center[0] + down * speed * time
        x = (columns - WIDTH / 2) * size + center[1] + right * speed * time
        frames[time] = wall[y.astype(int) % len(wall), x.astype(int) % len(wall)]
        sticker.paint(frames[time])
    return frames


class _Sticker:
    """A spot on the lens, which reveals nothing about the motion."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.center = rng.uniform((0, 0), (HEIGHT, WIDTH))
        self.radius = rng.uniform(4, 9)
        self.color = rng.integers(0, 256, 3)

    def paint(self, image: np.ndarray) -> None:
        rows, columns = np.ogrid[:HEIGHT, :WIDTH]
        distance = np.hypot(rows - self.center[0], columns - self.center[1])
        image[distance < self.radius] = self.color


def _wall(rng: np.random.Generator, size: int = 160) -> np.ndarray:
    """A random smooth texture that repeats seamlessly, `(size, size, 3)` uint8."""
    num_cells = int(rng.integers(8, 20))
    grid = rng.uniform(0, 255 * rng.uniform(0.5, 1), (num_cells, num_cells, 3))
    position = np.arange(size) * num_cells / size
    low = position.astype(int)
    high = (low + 1) % num_cells
    share = (position - low)[:, None, None]
    blended = grid[low] * (1 - share) + grid[high] * share
    blended = blended.transpose(1, 0, 2)
    blended = blended[low] * (1 - share) + blended[high] * share
    return blended.transpose(1, 0, 2).astype(np.uint8)
