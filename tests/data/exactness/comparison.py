"""What `PyAVReader` reads of a film, beside what the `ffmpeg` command shows."""

from dataclasses import dataclass

import numpy as np

from keras_nonlocal.data import Framing, PyAVReader
from keras_nonlocal.data.readers.video_reader import TimelineChangedError
from tests.data.exactness.films import Film
from tests.data.exactness.pictures import number_in
from tests.data.exactness.reference import Shown, shown_by_ffmpeg


@dataclass(frozen=True)
class Comparison:
    """A film, as it is shown and as it is read.

    Args:
        film: The file.
        shown: What the `ffmpeg` command shows.
        times: What the reader says, in seconds, shape `(frames,)`.
        pictures: What it reads from the first frame to the last one, shape
            `(frames, height, width, 3)`.
    """

    film: Film
    shown: Shown
    times: np.ndarray
    pictures: np.ndarray

    @property
    def framing(self) -> Framing:
        """The framing that leaves the size as it is shown."""
        return framing_of(self.shown)

    def numbers(self, pictures: np.ndarray) -> list[int]:
        """Returns which of the made pictures these are, from 0 on."""
        return [number_in(picture) - self.film.first for picture in pictures]


def compare(film: Film) -> Comparison:
    """Decodes a film twice."""
    shown = shown_by_ffmpeg(film.path, film.kind.shown_size)
    with PyAVReader(str(film.path)) as video:
        times, pictures = read_pictures(video, framing_of(shown))
    return Comparison(film, shown, times, pictures)


def framing_of(shown: Shown) -> Framing:
    """Returns the framing that leaves the size as it is shown."""
    return Framing(min(shown.pictures.shape[1:3]), crop_size=None)


def read_pictures(
    video: PyAVReader, framing: Framing, indices: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the times of a video and the pictures, all of them or some."""
    for _ in range(2):
        try:
            times = video.times
            wanted = np.arange(len(times)) if indices is None else indices
            return times, video.read(wanted, framing)[:, 0]
        except TimelineChangedError:
            # The times are right afterwards.
            continue
    raise AssertionError("the times change at each read")
