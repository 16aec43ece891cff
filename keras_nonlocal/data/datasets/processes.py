"""`ClipProcesses`: clips that processes load."""

from typing import NamedTuple

from keras_nonlocal.data.datasets.clip_loader import ClipLoader
from keras_nonlocal.data.datasets.epochs import EpochOrder
from keras_nonlocal.data.datasets.loading import LoadedClips
from keras_nonlocal.data.in_processes import InProcesses
from keras_nonlocal.data.readers.video_reader import OpenVideo, VideoError

# Clips that wait in a process until they are needed.
_CLIPS_AHEAD = 4


class _Outcome(NamedTuple):
    """The result of a process for one video: its clips, or an error."""

    video: int
    clips: LoadedClips | None
    error: VideoError | None


class ClipProcesses:
    """Loads the clips of one epoch after the other in several processes.

    Args:
        loader: Loads the clips. It is copied into the processes.
        order: The order of the videos in each epoch.
        num_processes: Number of processes.
    """

    in_order = True

    def __init__(
        self, loader: ClipLoader, order: EpochOrder, num_processes: int
    ) -> None:
        self.videos = loader.videos
        self._load = InProcesses(_Load(loader), order, num_processes, _CLIPS_AHEAD)
        _check_copied(loader.open_video)

    def load_with_times(self, index: int, epoch: int = 0) -> LoadedClips:
        """Returns the clips of video `index` in an epoch, as `ClipLoader` does."""
        outcome: _Outcome = self._load(epoch, index)
        if outcome.error is not None:
            raise outcome.error
        assert outcome.video == index
        assert outcome.clips is not None
        return LoadedClips(*outcome.clips)

    def close(self) -> None:
        """Ends the processes."""
        self._load.close()


def _check_copied(open_video: OpenVideo) -> None:
    import cloudpickle

    try:
        cloudpickle.dumps(open_video)
    except Exception as error:
        raise ValueError(
            "`open_video` must be a function that can be pickled for `workers`. "
            f"Received: open_video={open_video!r} ({error})"
        ) from error


class _Load:
    """Loads a video, in a process."""

    def __init__(self, loader: ClipLoader) -> None:
        self._loader = loader

    def __call__(self, epoch: int, index: int) -> _Outcome:
        try:
            return _Outcome(index, self._loader.load_with_times(index, epoch), None)
        except VideoError as error:
            # Without what a reader's own class of error may need to be copied.
            plain = VideoError(error.path, error.reason, error.segment)
            return _Outcome(index, None, plain)
