"""The newest clip of a camera, while it is filming."""

import sys
import threading
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from keras_nonlocal.optional_packages import import_av

_OPTIONS = {"darwin": {"framerate": "30"}}  # without it, avfoundation refuses


def camera_input(device: str | None) -> tuple[str, str]:
    """Returns FFmpeg's name of a camera and of the input format for cameras.

    Args:
        device: Name of the camera, or `None` for the first one.

    Raises:
        ValueError: If the system has no name for the first camera.
    """
    if sys.platform == "darwin":
        return device or "default", "avfoundation"
    if sys.platform != "win32":
        return device or "/dev/video0", "v4l2"
    if device is None:
        raise ValueError(
            "`camera` must be the name of a camera, such as 'Integrated Camera'. "
            "Received: none"
        )
    return f"video={device}", "dshow"


class CameraClips:
    """Films in a thread, and returns the newest clip whenever it is asked for one.

    Args:
        device: Name of the camera, or `None` for the first one.
        num_frames: Frames per clip.
        frame_stride: Distance between two frames of a clip, in frames.
        target_fps: Frames per second at which the stride counts, or `None` for the
            frames of the camera.

    Raises:
        ValueError: If the camera cannot be opened.
    """

    def __init__(
        self,
        device: str | None,
        num_frames: int,
        frame_stride: int,
        target_fps: float | None = None,
    ) -> None:
        av = import_av()
        name, form = camera_input(device)
        try:
            options = _OPTIONS.get(sys.platform, {})
            self._container = av.open(name, format=form, options=options)
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ValueError(
                f"`camera` must be a camera that can be opened: {reason}. "
                f"Received: camera={name!r}"
            ) from None
        self._errors = (av.FFmpegError, OSError)
        self._stride = frame_stride
        self._interval = None if target_fps is None else frame_stride / target_fps
        self._frames: deque[np.ndarray] = deque(maxlen=num_frames)
        self._changed = threading.Condition()
        self._is_new = False
        self._has_ended = False
        self._thread = threading.Thread(target=self._film, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._has_ended = True
        self._thread.join()
        self._container.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields clips of RGB bytes, `(num_frames, height, width, 3)`.

        The first one comes when the camera has filmed enough frames. Each of the others
        has at least one frame that the one before lacks. Iteration ends with the
        recording.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_new or self._has_ended)
                if not self._is_new:
                    return
                self._is_new = False
                frames = [*self._frames]
            if len(frames) == self._frames.maxlen:
                yield np.stack(frames)

    def _film(self) -> None:
        try:
            for frame in self._taken(self._container.decode(video=0)):
                pixels = frame.to_ndarray(format="rgb24")
                with self._changed:
                    self._frames.append(pixels)
                    self._is_new = True
                    self._changed.notify()
        except self._errors:
            pass  # The camera was unplugged, which ends the recording.
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify()

    def _taken(self, frames: Iterator[Any]) -> Iterator[Any]:
        """Yields the frames at the distance of a clip's frames."""
        next_time = None
        for index, frame in enumerate(frames):
            if self._has_ended:
                return
            if self._interval is None or frame.time is None:
                if index % self._stride == 0:
                    yield frame
            elif next_time is None or frame.time >= next_time:
                next_time = frame.time + self._interval - 1e-3
                yield frame
