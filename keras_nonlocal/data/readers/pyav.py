"""`PyAVReader`: reads video files with PyAV, and decodes only the span of a clip."""

import os
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from keras_nonlocal.arguments import check_count
from keras_nonlocal.data.framing import Framing
from keras_nonlocal.data.lists.video_search import RECORD_EXTENSION
from keras_nonlocal.data.readers.container import VideoFile
from keras_nonlocal.data.readers.crops import PictureConverter
from keras_nonlocal.data.readers.decoding import UnexpectedFrameError, decode, in_order
from keras_nonlocal.data.readers.frame_reader import FrameReader
from keras_nonlocal.data.readers.seeking import (
    SeekError,
    packets_from,
    packets_from_start,
)
from keras_nonlocal.data.readers.timelines import Timelines
from keras_nonlocal.data.readers.video_reader import TimelineChangedError, VideoError

# A frame that is not output from its entry is tried from earlier entries.
_ENTRIES_BEFORE = (0, 1, 4)


class PyAVReader(FrameReader):
    """Random access to the frames of one video file.

    Frames are indexed in presentation order. They are the frames that the `ffmpeg`
    command outputs for the file, in the same order. Variable frame rates, edit lists,
    rotation, mirroring and non-square pixels are respected. Interlaced frames are not
    deinterlaced, and an alpha channel is dropped.

    Frames are byte-identical to those of a decoder that decodes the whole file. They
    are scaled in the step that converts their colors. Scaling is bilinear, with a
    triangle as wide as the larger pixel, and repeats border pixels outward. If no color
    is clipped, the brightness of a pixel, also at the borders, is within 6 of 255
    levels (1.7 on average) of the exact result, or within 1 level for odd widths.

    Args:
        path: A file in a container of local media such as MP4, or a path with a scheme
            (`gs://…`) that `tf.io.gfile` can read. Playlists and other files that only
            refer to media are not opened.
        video_stream: Index of the video stream to read, starting at 0. Pass it with
            `open_video=functools.partial(PyAVReader, video_stream=1)`. Defaults to the
            stream that a player shows: the default stream, or the one with the largest
            pictures.
        timeline_cache: Local directory for the order and times of each video's frames,
            which speeds up opening videos in later runs. Several processes may share
            it. Within a run, they are always kept in memory. Defaults to `None`, no
            directory.

    Raises:
        VideoError: If the file contains no readable video.

    Example:

    >>> open_video = functools.partial(  # doctest: +SKIP
    ...     PyAVReader, timeline_cache="~/timelines"
    ... )
    >>> video_dataset_from_directory("videos", open_video=open_video)  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        video_stream: int | None = None,
        timeline_cache: str | os.PathLike[str] | None = None,
    ) -> None:
        if video_stream is not None:
            check_count("video_stream", video_stream)
        super().__init__(os.fspath(path))
        # FFmpeg would find some of its JPEGs, and take them for a stream.
        if self._path.lower().endswith(RECORD_EXTENSION):
            raise VideoError(
                self._path,
                "it is a record, which `open_video=keras_nonlocal.data.RecordReader` "
                "reads",
            )
        self._converter = PictureConverter(self._path)
        self._video = VideoFile(self._path, video_stream)
        self._timelines = Timelines(self._path, video_stream, timeline_cache)
        try:
            self._timeline = self._timelines.get(self._video)
        except self._video.errors as error:
            self.close()
            raise self._video.error(error) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Releases the file and the decoder."""
        self._video.close()

    @property
    def times(self) -> np.ndarray:
        """Presentation times in seconds, ascending, shape `(frames_in_video,)`.

        They start at the beginning of the video, as in players, regardless of the clock
        of the container.
        """
        return self._timeline.times

    @property
    def stored_size(self) -> tuple[int, int]:
        """Height and width of the stored picture in pixels, before rotation."""
        return self._video.decoder.height, self._video.decoder.width

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec."""
        return self._video.codec

    def check(self) -> None:
        """Decodes every frame.

        Raises:
            VideoError: If a frame is missing or damaged.
            TimelineChangedError: As in `read`.
        """
        for _ in self._all_frames():
            pass

    def stream(
        self, framing: Framing, indices: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Decodes all frames in order, each once, and scales those that are wanted.

        Args:
            framing: Determines the scale. Pictures are not cropped.
            indices: Ascending indices of the wanted frames. Decoding stops after the
                last one. Defaults to `None`, all frames.

        Yields:
            RGB bytes, shape `(scaled_height, scaled_width, 3)`.

        Raises:
            VideoError: If a frame is missing or damaged.
            TimelineChangedError: As in `read`.
        """
        wanted = None if indices is None else {*indices.tolist()}
        stop = None if wanted is None else max(wanted, default=-1) + 1
        for place, frame in enumerate(islice(self._all_frames(), stop)):
            if wanted is None or place in wanted:
                yield self._picture(frame, framing)

    def _all_frames(self) -> Iterator[Any]:
        expected = 0
        try:
            for place, frame in self._frames_from(None):
                if place != expected:
                    break
                self._check_intact(place, frame)
                yield frame
                expected += 1
        except (SeekError, UnexpectedFrameError):
            pass
        except self._video.errors as error:
            raise self._video.error(error) from None
        if expected < len(self._timeline):
            self._find_timeline_anew(expected)

    def _pictures(
        self, indices: list[int], framing: Framing
    ) -> Iterator[tuple[int, np.ndarray]]:
        for entry, places in self._by_entry(indices):
            for place, frame in self._decode_group(entry, places):
                self._check_intact(place, frame)
                yield place, self._picture(frame, framing)

    def _picture(self, frame: Any, framing: Framing) -> np.ndarray:
        """Returns the scaled and upright picture."""
        aspect = float(self._video.stream.sample_aspect_ratio or 1) or 1.0
        return self._converter.upright(frame, framing, aspect)

    def _by_entry(self, places: list[int]) -> Iterator[tuple[int, list[int]]]:
        """Splits ascending places at the entries between them."""
        # After a seek, the decoder cannot know whether the second picture of a packet
        # is still to come.
        if self._timeline.is_packed:
            yield -1, places
            return
        groups: dict[int, list[int]] = {}
        entries = np.searchsorted(self._timeline.first_frames, places, "right") - 1
        for entry, place in zip(entries.tolist(), places, strict=True):
            groups.setdefault(entry, []).append(place)
        yield from groups.items()

    def _decode_group(self, entry: int, places: list[int]) -> Iterator[tuple[int, Any]]:
        """Yields the frames at ascending places that can be decoded from one entry."""
        missing = {*places}
        earlier = [entry - step for step in _ENTRIES_BEFORE if entry >= step]
        for begin in (*earlier, None):
            try:
                for place, frame in self._frames_from(begin, places):
                    if frame.is_corrupt and begin is not None:
                        break
                    if place in missing:
                        missing.discard(place)
                        yield place, frame
                    if not missing:
                        return
                    if place >= places[-1]:
                        break
            except (SeekError, UnexpectedFrameError):
                continue
            except self._video.errors as error:
                if begin is None:
                    raise self._video.error(error) from None
        self._find_timeline_anew(min(missing))

    def _frames_from(
        self, entry: int | None, places: list[int] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Decodes from an entry, or from the beginning of the file.

        Args:
            entry: Index of the timeline's entry, or `None` for the beginning.
            places: The wanted frames; others may be skipped. `None` stands for all
                frames.
        """
        timeline = self._timeline
        is_spared = None
        # Decoding from the beginning is the last resort, so nothing is skipped.
        if not (places is None or entry is None or timeline.is_decoded):
            wanted = {*timeline.sources[places].tolist()}
            is_spared = lambda number: number not in wanted  # noqa: E731
        if entry is None:
            first, packets = 0, packets_from_start(self._video, timeline)
        else:
            first = int(timeline.first_frames[entry])
            packets = packets_from(self._video, timeline, entry)
        frames = decode(
            self._video, packets, is_spared=is_spared, tolerates_errors=entry is None
        )
        placed = in_order(timeline, first, frames)
        if entry is not None and timeline.sources[first] == timeline.entries[entry]:
            placed = _begun_with_key_frame(first, placed)
        yield from placed

    def _find_timeline_anew(self, place: int) -> None:
        """Decodes all frames, because the one at `place` is not output.

        Raises:
            VideoError: Always.
        """
        known = self._timeline
        self._timeline = self._timelines.renew(self._video)
        if known.same_frames(self._timeline):
            raise self._frame_error(place, "cannot be decoded")
        raise TimelineChangedError(self._path)

    def _check_intact(self, place: int, frame: Any) -> None:
        if frame.is_corrupt:
            raise self._frame_error(place, "is damaged")

    def _frame_error(self, place: int, what: str) -> VideoError:
        time = self._timeline.times[place]
        return VideoError(self._path, f"its frame at {time:.3f} s {what}")


def _begun_with_key_frame(
    first: int, frames: Iterator[tuple[int, Any]]
) -> Iterator[tuple[int, Any]]:
    """Yields frames if the first is the expected one and needs no others.

    Some streams are refreshed gradually. A decoder that starts in the middle outputs
    frames that are only nearly correct.
    """
    has_begun = False
    for place, frame in frames:
        if not has_begun and not (place == first and frame.key_frame):
            raise SeekError
        has_begun = True
        yield place, frame
