"""`ElementLoader`: clips and labels of videos, some of which cannot be read."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_nonlocal.data.datasets.failures import FailurePolicy
from keras_nonlocal.data.datasets.labels import LabelEncoder
from keras_nonlocal.data.datasets.loading import LoadedClips, ViewSampler
from keras_nonlocal.data.lists.video_list import Label
from keras_nonlocal.data.readers.video_reader import VideoError

if TYPE_CHECKING:
    from keras_nonlocal.models import ClipInfo


class Element(NamedTuple):
    """A video of an epoch.

    Args:
        is_read: Whether it could be read. Otherwise, the rest is a placeholder.
        loaded: Its clips.
        label: Its encoded label, or `None` without labels.
    """

    is_read: bool
    loaded: LoadedClips
    label: Any


class ElementLoader:
    """Loads videos, and leaves out those that cannot be read.

    Args:
        views: Reads the clips from each video.
        failures: Handles videos that cannot be read.
        labels: Encodes the labels, or `None` for no labels.

    Attributes:
        left_out: Indices of the videos left out so far.
    """

    def __init__(
        self, views: ViewSampler, failures: FailurePolicy, labels: LabelEncoder | None
    ) -> None:
        self.views = views
        self.failures = failures
        self.labels = labels
        self.left_out: set[int] = set()

    def load(
        self,
        index: int,
        read: Callable[[], LoadedClips],
        label: Callable[[], Label],
    ) -> Element:
        """Returns a video of an epoch.

        Args:
            index: Index of the video.
            read: Returns its clips.
            label: Returns its label.
        """
        is_read = True
        try:
            loaded = read()
        except VideoError as error:
            self.failures.handle(error, index)
            self.left_out.add(index)
            is_read, loaded = False, self.views.nothing()
        encoded: Any = None
        if self.labels is not None:
            encoded = self.labels.encode(label(), bool(loaded.is_mirrored))
        return Element(is_read, loaded, encoded)

    def clip_info(self, class_names: Sequence[str] | None) -> "ClipInfo":
        """Returns the facts about the clips that a model trained on them keeps."""
        from keras_nonlocal.models import ClipInfo

        clips = self.views.clips
        return ClipInfo(
            tuple(class_names) if class_names and self.labels is not None else None,
            clips.num_frames,
            clips.frame_stride,
            clips.target_fps,
        )

    def views_of_clip(self) -> Any:
        """The numbers of the views in an element, `int32`."""
        num_views = self.views.num_views
        return np.int32(0) if num_views is None else np.arange(num_views, dtype="int32")
