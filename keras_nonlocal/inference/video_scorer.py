"""`VideoScorer`: scores whole videos, with one row of scores for each."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from keras_nonlocal.arguments import check_positive_integer
from keras_nonlocal.data.datasets.clip_loader import ClipLoader
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.video_reader import OpenVideo, VideoError
from keras_nonlocal.inference.exported.exported_model import ExportedModel
from keras_nonlocal.inference.view_reduction import (
    Reduction,
    check_reduction,
    reduce_views,
)
from keras_nonlocal.inference.view_scores import scored_views
from keras_nonlocal.inference.views import Views
from keras_nonlocal.models.clip_model import ClipModel, clip_model
from keras_nonlocal.tensors import Tensor

if TYPE_CHECKING:
    import keras

    # A model, an exported file, or its path.
    ScoringModel: TypeAlias = keras.Model | ExportedModel | str | os.PathLike[str]
else:
    # Exported files need no Keras.
    ScoringModel = Any


@dataclass(frozen=True)
class VideoScorer:
    """A model and all settings for scoring videos.

    `scorer` creates it from the arguments of the public functions.

    Args:
        own: The model and its properties.
        views: The clips and crops to score, resolved for the model.
        reduction: How to combine the scores of the views.
        batch_size: Number of views per step of the model.
        preprocessing: The user's preprocessing, or `None` for that of the model.
        open_video: Opens a path.
    """

    own: ClipModel
    views: Views
    reduction: Reduction
    batch_size: int
    preprocessing: Callable[[Tensor], Tensor] | None
    open_video: OpenVideo

    def scores(
        self, videos: VideoList, indices: Sequence[int], errors_end: bool = False
    ) -> Iterator[tuple[int, np.ndarray | VideoError]]:
        """Scores some videos of a list.

        Args:
            videos: The list.
            indices: Those to score.
            errors_end: As in `scored_views`.

        Yields:
            The index of a video and its scores `(num_outputs,)` or the error, in the
            order in which videos are finished.
        """
        loader = ClipLoader(videos, self.open_video, self.views.sampler())
        preprocessing = self.own.preprocessing(self.preprocessing)
        for index, scores in scored_views(
            self.own.model,
            loader,
            indices,
            self.batch_size,
            preprocessing,
            errors_end,
        ):
            if isinstance(scores, VideoError):
                yield index, scores
            else:
                yield index, reduce_views(scores, self.reduction, self.own.activation)

    def in_order(self, videos: VideoList) -> Iterator[np.ndarray | VideoError]:
        """Scores all videos of a list.

        Yields:
            The scores `(num_outputs,)` or the error of each video, in the order of the
            list and as soon as those before it are known.
        """
        waiting: dict[int, np.ndarray | VideoError] = {}
        num_yielded = 0
        for index, scores in self.scores(videos, range(len(videos.paths))):
            waiting[index] = scores
            while num_yielded in waiting:
                yield waiting.pop(num_yielded)
                num_yielded += 1

    def settings(self) -> dict[str, Any]:
        """Returns the settings that the scores depend on, in JSON types.

        The batch size is left out, because it changes scores by rounding only.
        """
        return self.views.to_dict() | {
            "reduction": self.reduction,
            "preprocessing": function_name(self.preprocessing),
            "open_video": function_name(self.open_video),
        }


def scorer(
    model: ScoringModel,
    views: Views,
    reduction: Reduction,
    batch_size: int,
    preprocessing: Callable[[Tensor], Tensor] | None,
    open_video: OpenVideo,
) -> VideoScorer:
    """Determines the properties of a model once and checks that the arguments fit it.

    Args:
        model: Takes clips `(batch, num_frames, height, width, 3)` and returns scores,
            or the path of an exported file.
        views, reduction, batch_size: As in `VideoScorer`.
        preprocessing, open_video: As in `VideoScorer`.

    Raises:
        ValueError: If the model does not score clips, or an argument does not fit it.
    """
    check_positive_integer("batch_size", batch_size)
    if isinstance(model, (str, os.PathLike)):
        model = ExportedModel(model)
    if isinstance(model, ExportedModel) and preprocessing is not None:
        raise ValueError(
            "`preprocessing` must be left out for an exported file, whose graph "
            f"normalizes the pixels. Received: preprocessing={preprocessing!r}"
        )
    own = clip_model(model)
    check_reduction(reduction, own.activation)
    return VideoScorer(
        own, views.resolved(own), reduction, batch_size, preprocessing, open_video
    )


def progress_bar(total: int, verbose: str | int) -> Any:
    """Returns a progress bar over videos."""
    import keras

    shown = 1 if verbose == "auto" else int(verbose)
    return keras.utils.Progbar(total, verbose=shown, unit_name="video")


def function_name(function: Any) -> str | None:
    """Returns a name that identifies a function in every process."""
    if function is None:
        return None
    if isinstance(function, partial):
        arguments = [*map(repr, function.args)]
        arguments += [f"{key}={value!r}" for key, value in function.keywords.items()]
        return f"{function_name(function.func)}({', '.join(arguments)})"
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '')}.{name}"
