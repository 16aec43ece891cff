"""Video files to frames, by PyAV: only the span that a clip needs is decoded."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from keras_nonlocal.data import files
from keras_nonlocal.data._requirements import import_av
from keras_nonlocal.data.completeness import check_complete
from keras_nonlocal.data.pictures import CropCollector, PictureConverter
from keras_nonlocal.data.readers import TimelineChangedError, VideoError
from keras_nonlocal.data.transforms import Framing

# Decoders that leave out frames which no other frame refers to when told so packet by
# packet. Others would apply the first setting to the whole stream.
_SKIPPING_DECODERS = ("h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4")


class PyAVReader:
    """Random access to the frames of one video file.

    Frames are addressed by their place in presentation order. The order and the
    times come from the timestamps of all packets, so variable frame rates and edit
    lists are honoured, and so are rotation and non-square pixels. Interlaced frames
    stay woven and an alpha channel is dropped.

    Frames are those of a decoder that decodes the whole file, to the byte. They are
    scaled in the step that converts their colours, which rounds more than once: the
    brightness of a pixel is within 4 of 255 levels, 1.5 in the mean, of the exact one.

    Args:
        path: A file that FFmpeg can read, or a path with a scheme (`gs://…`) that
            `tf.io.gfile` can read.

    Raises:
        VideoError: If the file holds no video that can be read.
    """

    def __init__(self, path: str) -> None:
        self._av = import_av()
        # PyAV raises an IndexError at packets of a stream that was not announced.
        self._errors = (self._av.FFmpegError, OSError, IndexError)
        self._path = path
        self._is_counted = False
        self._converter = PictureConverter(path)
        self._open()
        try:
            self._read_timeline()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Releases the file and the decoder."""
        self._container.close()
        if self._remote is not None:
            self._remote.close()

    @property
    def times(self) -> np.ndarray:
        """Presentation times in seconds, ascending, shape `(frames_in_video,)`."""
        return self._timestamps * self._tick

    @property
    def stored_size(self) -> tuple[int, int]:
        """Height and width of the stored picture in pixels, before it is upright."""
        return self._stream.codec_context.height, self._stream.codec_context.width

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec."""
        return self._stream.codec_context.codec.canonical_name

    def check(self) -> None:
        """Decodes every frame.

        Raises:
            VideoError: If one is missing or damaged.
        """
        for group in self._groups_by_key_frame(self._timestamps.tolist()):
            for timestamp, frame in self._decode_group(group):
                self._check_intact(timestamp, frame)

    def read(self, indices: np.ndarray, framing: Framing) -> np.ndarray:
        """Decodes, scales and crops frames.

        Args:
            indices: Places in presentation order, any shape and order.
            framing: What is kept of each picture.

        Returns:
            RGB bytes, shape `(*indices.shape, num_crops, crop_height, crop_width, 3)`.

        Raises:
            VideoError: If a frame cannot be decoded.
            TimelineChangedError: If the file holds other frames than its packets
                announce; `times` is right afterwards.
        """
        collector = CropCollector(self._path, indices, framing)
        timestamps = self._timestamps[collector.wanted].tolist()
        rows = {timestamp: row for row, timestamp in enumerate(timestamps)}
        for group in self._groups_by_key_frame(timestamps):
            for timestamp, frame in self._decode_group(group):
                self._check_intact(timestamp, frame)
                aspect = float(self._stream.sample_aspect_ratio or 1) or 1.0
                picture = self._converter.upright(frame, framing, aspect)
                collector.put(rows[timestamp], picture)
        return collector.crops()

    def _open(self) -> None:
        self._remote = None
        try:
            if files.is_remote(self._path):
                self._remote = files.open_bytes(self._path)
            else:
                files.check_readable(self._path)
            # Titles are not always UTF-8, whatever the format demands.
            self._container = self._av.open(
                self._remote or self._path, metadata_errors="replace"
            )
        except self._errors as error:
            if self._remote is not None:
                self._remote.close()
            raise self._error(error) from None
        pictures = self._av.stream.Disposition.attached_pic
        streams = [
            stream
            for stream in self._container.streams.video
            if not stream.disposition & pictures
        ]
        if not streams:
            self.close()
            raise VideoError(self._path, "it holds no video stream")
        self._stream = streams[0]
        if self._stream.codec_context is None:
            self.close()
            raise VideoError(self._path, "there is no decoder for its codec")
        # Several files are decoded at a time: one thread for each.
        self._stream.codec_context.thread_count = 1

    def _read_timeline(self) -> None:
        """Takes the order of the frames from the packets, without decoding."""
        timestamps, key_timestamps, ends, num_packets = [], [], [], 0
        try:
            for packet in self._container.demux(self._stream):
                if not packet.size:
                    continue
                num_packets += 1
                if packet.pts is not None:
                    ends.append(packet.pts + (packet.duration or 0))
                if packet.is_discard:
                    continue
                timestamps.append(packet.pts)
                if packet.is_keyframe:
                    key_timestamps.append(packet.pts)
        except self._errors as error:
            raise self._error(error) from None
        check_complete(self._path, self._container, self._stream, num_packets, ends)
        if self._are_presentation_times(timestamps):
            self._tick = float(self._stream.time_base)
            self._timestamps = np.array(sorted(timestamps), np.int64)
            self._key_timestamps = np.array(sorted(key_timestamps), np.int64)
            self._check_not_empty()
        else:
            self._decode_timeline()

    def _are_presentation_times(self, timestamps: list[int | None]) -> bool:
        known = [timestamp for timestamp in timestamps if timestamp is not None]
        if len({*known}) < len(timestamps):
            return False
        # Containers like AVI keep the order of decoding only, so if frames are
        # reordered, ascending timestamps are not those of the presentation.
        is_ascending = known == sorted(known)
        return not (is_ascending and self._stream.codec_context.has_b_frames)

    def _decode_timeline(self) -> None:
        """Takes the order of the frames from decoding them all."""
        self._reopen()
        try:
            timestamps = [frame.pts for frame in self._container.decode(self._stream)]
        except self._errors as error:
            raise self._error(error) from None
        self._key_timestamps = np.empty(0, np.int64)
        self._is_counted = None in timestamps or timestamps != sorted({*timestamps})
        if self._is_counted:
            self._tick = 1 / float(self._stream.guessed_rate or 25)
            timestamps = [*range(len(timestamps))]
        else:
            self._tick = float(self._stream.time_base)
        self._timestamps = np.array(timestamps, np.int64)
        self._check_not_empty()

    def _check_not_empty(self) -> None:
        if not len(self._timestamps):
            raise VideoError(self._path, "its video stream has no frames")

    def _groups_by_key_frame(self, targets: list[int]) -> Iterator[list[int]]:
        """Splits ascending timestamps where a key frame lies in between."""
        groups: dict[int, list[int]] = {}
        for target in targets:
            key = int(np.searchsorted(self._key_timestamps, target, "right"))
            groups.setdefault(key, []).append(target)
        yield from groups.values()

    def _decode_group(self, targets: list[int]) -> Iterator[tuple[int, Any]]:
        """Yields the frames with the given timestamps, in any order."""
        missing = {*targets}
        failure = None
        for decode in (self._decode_sparsely, self._decode_from_start):
            try:
                for timestamp, frame in decode(targets):
                    missing.discard(timestamp)
                    yield timestamp, frame
                    if not missing:
                        return
            except self._errors as error:
                failure = error
        if failure is not None:
            raise self._error(failure) from None
        known = self._timestamps
        self._decode_timeline()
        if np.array_equal(known, self._timestamps):
            raise self._frame_error(min(missing), "cannot be decoded")
        raise TimelineChangedError(self._path)

    def _decode_sparsely(self, targets: list[int]) -> Iterator[tuple[int, Any]]:
        """Decodes from the key frame on, sparing frames that no other needs."""
        if not len(self._key_timestamps):
            return
        self._seek_key_frame(targets[0])
        context = self._stream.codec_context
        can_skip = context.name in _SKIPPING_DECODERS
        wanted = {*targets, None}
        for packet in self._container.demux(self._stream):
            if can_skip:
                context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
            for frame in packet.decode():
                if frame.pts in wanted:
                    yield frame.pts, frame

    def _decode_from_start(self, targets: list[int]) -> Iterator[tuple[int, Any]]:
        self._reopen()
        wanted = {*targets}
        for count, frame in enumerate(self._container.decode(self._stream)):
            timestamp = count if self._is_counted else frame.pts
            if timestamp in wanted:
                yield timestamp, frame

    def _seek_key_frame(self, timestamp: int) -> None:
        keys_before = int(np.searchsorted(self._key_timestamps, timestamp, "right"))
        key_timestamp = int(self._key_timestamps[max(keys_before - 1, 0)])
        try:
            self._container.seek(key_timestamp, stream=self._stream)
        except self._errors:
            self._reopen()

    def _reopen(self) -> None:
        self.close()
        self._open()

    def _check_intact(self, timestamp: int, frame: Any) -> None:
        if frame.is_corrupt:
            raise self._frame_error(timestamp, "is damaged")

    def _frame_error(self, timestamp: int, what: str) -> VideoError:
        time = timestamp * self._tick
        return VideoError(self._path, f"its frame at {time:.3f} s {what}")

    def _error(self, error: Exception) -> VideoError:
        if isinstance(error, IndexError):
            return VideoError(self._path, "it has a stream that it does not announce")
        return VideoError(self._path, getattr(error, "strerror", None) or str(error))
