"""`video_dataset_from_list`: paths and labels to clips and labels."""

from typing import Any, Literal

import numpy as np

from keras_nonlocal.data.arguments import (
    check_choice,
    check_count,
    check_positive_integer,
)
from keras_nonlocal.data.decoding import PyAVReader
from keras_nonlocal.data.epochs import EpochOrder, shard_of
from keras_nonlocal.data.failures import FailurePolicy, OnError
from keras_nonlocal.data.labels import LABEL_MODES, FlipLabels, label_table
from keras_nonlocal.data.loading import ClipLoader
from keras_nonlocal.data.pipeline import ListPipeline
from keras_nonlocal.data.readers import OpenVideo
from keras_nonlocal.data.sampling import ClipSampler, ShortVideos
from keras_nonlocal.data.sources import VideoList
from keras_nonlocal.data.transforms import FramingSampler


def video_dataset_from_list(
    videos: VideoList,
    label_mode: Literal["int", "categorical", "binary", "multi_hot"] | None = "int",
    batch_size: int | None = 8,
    num_frames: int = 8,
    frame_stride: int = 8,
    crop_size: int | tuple[int, int] = 224,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: Literal["training", "validation", "both"] | None = None,
    verbose: bool = True,
    *,
    augment: bool | None = None,
    short_side: int | tuple[int, int] | None = None,
    horizontal_flip: bool = False,
    flip_labels: FlipLabels | None = None,
    num_clips: int | None = None,
    num_crops: Literal[1, 3] | None = None,
    target_fps: float | None = None,
    short_videos: ShortVideos = "loop",
    on_error: OnError = "raise",
    max_errors: int = 100,
    open_video: OpenVideo = PyAVReader,
    with_info: bool = False,
    shard: tuple[int, int] | None = None,
    drop_remainder: bool = False,
) -> Any:
    """Generates a `tf.data.Dataset` of clips from a list of videos.

    Args:
        videos: Paths, labels and segments; see `keras_nonlocal.data.VideoList` and the
            functions that read the lists of known data sets.
        label_mode: As in `video_dataset_from_directory`, or `"multi_hot"`: `float32` of
            shape `(batch, num_classes)` with a 1 for each class of a video.
        batch_size, num_frames, frame_stride, crop_size, shuffle, seed: As in
            `video_dataset_from_directory`.
        validation_split, subset, verbose: As in `video_dataset_from_directory`.
        augment, short_side, horizontal_flip, flip_labels, num_clips, num_crops: As in
            `video_dataset_from_directory`.
        target_fps, short_videos, on_error, max_errors, open_video: As in
            `video_dataset_from_directory`.
        with_info, shard, drop_remainder: As in `video_dataset_from_directory`.

    Returns:
        What `video_dataset_from_directory` returns.

    Raises:
        ValueError: If an argument does not fit, in one sentence.
    """
    _check_arguments(label_mode, batch_size, shuffle, seed, validation_split, subset)
    _check_labels(label_mode, videos)
    share = shard_of(shard, is_equal=drop_remainder)
    check_shares(shard, shuffle, seed, drop_remainder, on_error)
    clips = ClipSampler(num_frames, frame_stride, num_clips, target_fps, short_videos)
    framings = FramingSampler(crop_size, short_side, num_crops, horizontal_flip)
    if seed is None:
        seed = int(np.random.default_rng().integers(2**31))
    if verbose:
        _report(videos)
    if shuffle:
        videos = videos.shuffle(seed)
    parts = _subsets(videos, validation_split, subset, verbose)

    def dataset(role: str, part: VideoList) -> Any:
        draws = shuffle and role == "training"
        random_views = draws and num_clips is None and num_crops is None
        loader = ClipLoader(
            part,
            open_video,
            clips,
            framings,
            seed if (random_views if augment is None else augment) else None,
        )
        pipeline = ListPipeline(
            loader,
            EpochOrder(len(part.paths), seed if draws else None, share),
            failures=FailurePolicy(on_error, max_errors),
            labels=label_table(part, label_mode, flip_labels),
            batch_size=batch_size,
            drop_remainder=drop_remainder,
            with_info=with_info,
        )
        return pipeline.dataset()

    datasets = tuple(dataset(role, part) for role, part in parts.items())
    return datasets if subset == "both" else datasets[0]


def check_shares(
    shard: Any, shuffle: Any, seed: Any, drop_remainder: Any, on_error: Any
) -> None:
    """Refuses shares that would overlap, or not be equal although they have to be."""
    if shard is not None and shuffle and seed is None:
        raise ValueError(
            "`seed` must be given, the same for all workers, if shuffled videos are "
            f"dealt out to them. Received: seed=None, shard={shard!r}"
        )
    if shard is not None and drop_remainder and on_error != "raise":
        raise ValueError(
            '`on_error` must be "raise" if all workers are to have the same number of '
            "batches: leave out broken videos beforehand, as `scan_videos` finds them. "
            f"Received: on_error={on_error!r}, shard={shard!r}, drop_remainder=True"
        )


def _check_arguments(
    label_mode: Any,
    batch_size: Any,
    shuffle: Any,
    seed: Any,
    validation_split: Any,
    subset: Any,
) -> None:
    check_choice("label_mode", label_mode, LABEL_MODES)
    if batch_size is not None:
        check_positive_integer("batch_size", batch_size)
    if seed is not None:
        check_count("seed", seed)
    check_choice("subset", subset, ("training", "validation", "both", None))
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(
            "`validation_split` must be between 0 and 1. "
            f"Received: validation_split={validation_split!r}"
        )
    if (validation_split is None) != (subset is None):
        raise ValueError(
            "`validation_split` and `subset` must be given together. "
            f"Received: validation_split={validation_split!r}, subset={subset!r}"
        )
    if validation_split is not None and subset != "both" and shuffle and seed is None:
        raise ValueError(
            "`seed` must be given if shuffled videos are split by two calls, so that "
            "training and validation do not overlap. "
            f"Received: seed=None, subset={subset!r}"
        )


def _check_labels(label_mode: Any, videos: VideoList) -> None:
    if not videos.paths:
        raise ValueError("`videos` must hold at least one video. Received: none")
    if label_mode not in (None, "multi_hot") and any(
        isinstance(label, tuple) for label in videos.labels or ()
    ):
        raise ValueError(
            '`label_mode` must be "multi_hot" or None for videos with several labels. '
            f"Received: label_mode={label_mode!r}"
        )
    if label_mode == "binary" and len(videos.class_names or ()) != 2:
        raise ValueError(
            '`label_mode="binary"` needs exactly two classes. '
            f"Received: the classes {[*(videos.class_names or ())]}"
        )


def _subsets(
    videos: VideoList, validation_split: float | None, subset: Any, verbose: bool
) -> dict[str, VideoList]:
    if validation_split is None:
        return {"training": videos}
    parts = dict(
        zip(("training", "validation"), videos.split(validation_split), strict=True)
    )
    if subset != "both":
        parts = {subset: parts[subset]}
    for role, part in parts.items():
        if not part.paths:
            raise ValueError(
                f"`validation_split` leaves no videos for {role}. Received: "
                f"validation_split={validation_split!r} of {len(videos.paths)} videos"
            )
        if verbose:
            _print(f"Using {len(part.paths)} videos for {role}.")
    return parts


def _report(videos: VideoList) -> None:
    classes = ""
    if videos.class_names is not None:
        classes = f" belonging to {len(videos.class_names)} classes"
    _print(f"Found {len(videos.paths)} videos{classes}.")


def _print(message: str) -> None:
    print(message)  # noqa: T201 - `verbose` asks for it
