"""`VideoRun`: finds the objects of a video and writes them to files, or yields them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_nonlocal.data.datasets.failures import FailurePolicy
from keras_nonlocal.data.readers.video_reader import (
    OpenVideo,
    TimelineChangedError,
    VideoError,
    VideoReader,
)
from keras_nonlocal.files import replacing
from keras_nonlocal.inference.model_fingerprint import model_fingerprint
from keras_nonlocal.inference.video_scorer import function_name
from keras_nonlocal.video_detection.detections import FrameDetections
from keras_nonlocal.video_detection.frame_choice import FrameChoice
from keras_nonlocal.video_detection.frame_detector import FrameDetector
from keras_nonlocal.video_detection.mp4_writer import MP4Writer
from keras_nonlocal.video_detection.results_file import (
    VideoResultsFile,
    content_digest,
)
from keras_nonlocal.video_detection.video_pass import Known, VideoPass
from keras_nonlocal.visualize.detected_objects import draw_detections
from keras_nonlocal.visualize.poses import draw_poses

_REST = "from its first unreadable frame on"


@dataclass(frozen=True)
class Output:
    """The MP4 to write.

    Args:
        path: The file.
        min_score: Detections with a lower score are not drawn.
        comment: Values for the comment of the file.
    """

    path: Path
    min_score: float
    comment: Mapping[str, Any]


@dataclass(frozen=True)
class VideoRun:
    """A video and all settings for finding its objects.

    Args:
        path: The video.
        detector: The detector.
        choice: The frames to search.
        open_video: Opens a path.
        failures: Handles a video that cannot be read.
    """

    path: str
    detector: FrameDetector
    choice: FrameChoice
    open_video: OpenVideo
    failures: FailurePolicy

    def settings(self) -> dict[str, Any]:
        """Returns everything that the detections depend on, in JSON types.

        The batch size is left out, because it changes detections by rounding only.
        """
        return {
            "video": content_digest(self.path),
            "model": model_fingerprint(self.detector.model),
            "every": self.choice.text,
            "short_side": self.detector.short_side,
            "long_side": self.detector.long_side,
            "masks": self.detector.mask_format,
            "class_names": [*self.detector.class_names],
            "open_video": function_name(self.open_video),
        }

    def times(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the indices and the times of the frames to search."""
        with self.open_video(self.path) as reader:
            indices = self.choice.indices(reader.times)
            if not len(indices):
                raise VideoError(self.path, "it has no frames")
            return indices, reader.times[indices]

    def frames(self) -> Iterator[FrameDetections]:
        """Finds the objects of one frame after the other, and writes no file."""
        try:
            with self.open_video(self.path) as reader:
                yield from self._frames_of(reader)
        except VideoError as error:
            self.handle(error, _REST)

    def write(
        self, results: VideoResultsFile | None, output: Output | None, verbose: int
    ) -> None:
        """Finds the objects of all frames and writes them to files.

        Args:
            results: The file of detections, or `None`.
            output: The MP4, or `None`.
            verbose: `1` shows a progress bar.
        """
        with self.open_video(self.path) as reader:
            try:
                self._write(reader, results, output, verbose)
            except TimelineChangedError:
                # Now the reader knows the times of the frames.
                self._write(reader, results, output, verbose)

    def handle(self, error: VideoError, part: str) -> None:
        """Raises the error, or logs that a part of the video is left out."""
        self.failures.handle(error)
        self.failures.report(part)

    def _frames_of(self, reader: VideoReader) -> Iterator[FrameDetections]:
        times, count = reader.times, 0
        indices = self.choice.indices(times)
        for is_last in (False, True):
            video_pass = VideoPass(self.path, reader, self.detector, indices)
            try:
                for place, (_, frame) in enumerate(video_pass.results()):
                    if place >= count:
                        yield frame
                        count += 1
                return
            except TimelineChangedError:
                yielded = [*zip(indices[:count], times[indices[:count]], strict=True)]
                times = reader.times
                indices = self.choice.indices(times)
                same = zip(indices[:count], times[indices[:count]], strict=True)
                if is_last or [*same] != yielded:
                    # What has been handed over cannot be corrected.
                    raise

    def _write(
        self,
        reader: VideoReader,
        results: VideoResultsFile | None,
        output: Output | None,
        verbose: int,
    ) -> None:
        times = reader.times
        indices = self.choice.indices(times)
        progress = _Progress(indices, times, results, verbose)
        video_pass = VideoPass(
            self.path,
            reader,
            self.detector,
            indices,
            shows_all=output is not None,
            known=progress.known,
        )
        with ExitStack() as files:
            draw: Callable[[np.ndarray, FrameDetections], None] | None = None
            try:
                for (index, picture), frame in video_pass.results():
                    if frame.index == index:
                        progress.add(frame)
                    if output is not None:
                        # A video without a readable frame leaves no file.
                        draw = draw or _drawing(files, output, times, self.detector)
                        draw(picture, frame)
            except TimelineChangedError:
                raise
            except VideoError as error:
                # If this does not raise, the MP4 ends here.
                self.handle(error, _REST)


class _Progress:
    """Writes new detections to the results file and advances the progress bar.

    Args:
        indices: The chosen frames.
        times: Times of all frames in seconds.
        results: The file, or `None`.
        verbose: `1` shows a progress bar.
    """

    def __init__(
        self,
        indices: np.ndarray,
        times: np.ndarray,
        results: VideoResultsFile | None,
        verbose: int,
    ) -> None:
        self._indices = indices
        self._times = times[indices]
        self._results = results
        self._verbose = verbose
        self._num_known = 0
        self._bar: Any = None

    def known(self, ends: Sequence[int]) -> Known:
        """Returns what the file has of the whole batches, and drops the rest."""
        if self._results is not None:
            count = self._results.num_known(self._indices, self._times)
            self._num_known = max((end for end in ends if end <= count), default=0)
            self._results.keep_first(self._num_known)
        # Known frames take no time worth mentioning, unless there are no others.
        left = len(self._indices) - self._num_known
        self._bar = keras.utils.Progbar(
            left or len(self._indices), verbose=self._verbose, unit_name="frame"
        )
        if not self._num_known or self._results is None:
            return 0, iter(())
        return self._num_known, self._results.frames(self._num_known)

    def add(self, frame: FrameDetections) -> None:
        """Takes the detections of the next chosen frame."""
        place = int(np.searchsorted(self._indices, frame.index))
        is_new = place >= self._num_known
        if is_new and self._results is not None:
            self._results.write(frame)
        if is_new or self._num_known == len(self._indices):
            self._bar.add(1)


def _drawing(
    files: ExitStack, output: Output, times: np.ndarray, detector: FrameDetector
) -> Callable[[np.ndarray, FrameDetections], None]:
    """Opens the MP4 and returns a function that draws a frame."""
    unfinished = files.enter_context(replacing(output.path))
    writer = files.enter_context(MP4Writer(unfinished, times, output.comment))

    def draw(picture: np.ndarray, frame: FrameDetections) -> None:
        writer.write(_drawn(picture, frame, output, detector))

    return draw


def _drawn(
    picture: np.ndarray, frame: FrameDetections, output: Output, detector: FrameDetector
) -> np.ndarray:
    """Draws boxes, masks and keypoints, as far as the model returns them."""
    found = frame.drawn()
    names, min_score = detector.class_names, output.min_score
    if "keypoints" not in found:
        return draw_detections(picture, found, names, min_score=min_score)
    has_masks = "masks" in found
    if has_masks:
        picture = draw_detections(picture, found, names, min_score=min_score)
    return draw_poses(
        picture,
        found,
        detector.model.keypoints,
        class_names=names,
        show_boxes=not has_masks,
        min_score=min_score,
    )
