"""`video_dataset_from_directory`: a folder per class to clips and labels."""

import os
from collections.abc import Sequence
from typing import Any, Literal

from keras_nonlocal.data.decoding import PyAVReader
from keras_nonlocal.data.failures import OnError
from keras_nonlocal.data.frames import FrameFolderReader
from keras_nonlocal.data.labels import FlipLabels
from keras_nonlocal.data.listed import video_dataset_from_list
from keras_nonlocal.data.readers import OpenVideo
from keras_nonlocal.data.sampling import ShortVideos
from keras_nonlocal.data.sources import list_directory


def video_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Sequence[int] | Literal["inferred"] | None = "inferred",
    label_mode: Literal["int", "categorical", "binary"] | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 8,
    num_frames: int = 8,
    frame_stride: int = 8,
    crop_size: int | tuple[int, int] = 224,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: Literal["training", "validation", "both"] | None = None,
    follow_links: bool = False,
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
    open_video: OpenVideo | None = None,
    frame_folders: bool = False,
    with_info: bool = False,
    shard: tuple[int, int] | None = None,
    drop_remainder: bool = False,
) -> Any:
    """Generates a `tf.data.Dataset` of clips from video files in a directory.

    The directory has a subdirectory per class:

    ```
    main_directory/
    ...class_a/
    ......a_video_1.mp4
    ......a_video_2.mp4
    ...class_b/
    ......b_video_1.mp4
    ......b_video_2.mp4
    ```

    An epoch takes every video once. In training, its clip starts at a random frame,
    the picture is scaled at random and a random part of it is kept; otherwise the
    clip and the part in the middle are kept. Clips are decoded while they are needed,
    several files at a time.

    Args:
        directory: Directory where the videos are. A path with a scheme (`gs://…`) is
            read by `tf.io.gfile`, and so are the videos in it.
        labels: `"inferred"` (a class per subdirectory), `None` (no labels), or a list
            or tuple with a class index for each video, in the alphanumeric order
            of the paths, as `os.walk` finds them.
        label_mode: `"int"`: labels `int32` of shape `(batch,)`; `"categorical"`:
            one-hot `float32` of shape `(batch, num_classes)`; `"binary"`: `float32`
            0 or 1 of shape `(batch, 1)`, for two classes; `None`: no labels.
        class_names: Names of the subdirectories to use, in the order of the classes.
            Only with `labels="inferred"`. Defaults to all in alphanumeric order.
        batch_size: Videos per batch. If `None`, they are not batched. Defaults to
            `8`.
        num_frames: Frames per clip. Defaults to `8`.
        frame_stride: Distance between two frames of a clip, in frames. Defaults to
            `8`.
        crop_size: Side of the square that is kept, or `(height, width)`, in pixels.
            Defaults to `224`.
        shuffle: Whether to shuffle the videos, anew in each epoch (a validation
            subset: once, before the split). Defaults to `True`.
        seed: Seed of the order and of all random choices. With it, epoch `e` has the
            same clips in the same order in every run.
        validation_split: Share of the videos, between 0 and 1, kept for validation.
        subset: `"training"`, `"validation"`, or `"both"` for a tuple of the two
            datasets. Needs `validation_split`.
        follow_links: Whether to visit subdirectories that links point to. Defaults
            to `False`.
        verbose: Whether to print the numbers of videos and classes. Defaults to
            `True`.
        augment: Whether clips, scales and crops are drawn at random. By default they
            are if the videos are shuffled, except in a validation subset and
            if `num_clips` or `num_crops` is given.
        short_side: Length in pixels to which the shorter side of the picture is
            scaled, or the pair between which it is drawn. Defaults to
            8/7 and, if drawn, up to 10/7 of the longer side of the crop: 256 to 320
            for `crop_size=224`.
        horizontal_flip: Whether half of the augmented clips are mirrored. Usual for
            Kinetics; if classes differ in left and right, see `flip_labels`. Defaults
            to `False`.
        flip_labels: Classes that change places when a clip is mirrored, by name or
            index: `{"turning left": "turning right"}` holds in both directions.
            Defaults to none.
        num_clips: Clips per video, evenly spaced over all of it, for testing.
        num_crops: 1, the centre, or 3, side by side along the longer side of the
            picture, for testing.
        target_fps: Frames per second at which `frame_stride` counts. Defaults to
            counting the frames of the file, whatever their rate.
        short_videos: What follows the last frame of a video shorter than a clip:
            `"loop"` starts over, `"repeat_last"` stands still. Defaults to `"loop"`.
        on_error: `"raise"` stops at the first video that cannot be read; `"skip"`
            leaves it out of the epoch and tells all of them in one warning at the
            end of the epoch, to the logger `keras_nonlocal`; a function is called
            with the `keras_nonlocal.data.VideoError` and either raises or has the
            video left out. The number of batches is not known in advance unless
            it is `"raise"`, which is the default: `fit` then counts them in its
            first epoch, and Keras remarks at the end of each that data ran out. To
            leave out broken videos once and for all, see `scan_videos`.
        max_errors: Videos that may be left out before an error stops the epoch.
            Defaults to `100`.
        open_video: Opens a path and returns a context manager with `times` and
            `read(indices, framing)`; see `keras_nonlocal.data.VideoReader`. Defaults
            to `keras_nonlocal.data.PyAVReader`, or to `FrameFolderReader` for
            `frame_folders=True`.
        frame_folders: Whether each video is a folder of JPEG or PNG pictures instead
            of a file. Defaults to `False`.
        with_info: Whether elements end with a dictionary that says where the clips
            come from: their `"path"`, the `"times"` of their frames in seconds and
            their `"view"`. For looking at data and for testing: `fit` would take
            it for weights. Defaults to `False`.
        shard: `(index, count)`: the share of worker `index` of `count`, so that the
            workers together have every video of an epoch once. All need the same
            `seed`. Defaults to all videos.
        drop_remainder: Whether to leave out a last batch that is not full; with
            `shard`, all workers then have the same number of batches, as training in
            step needs it, and `on_error` must be `"raise"`. Not for testing. Defaults
            to `False`.

    Returns:
        A `tf.data.Dataset` of `(clips, labels)`, or of `clips` alone without labels;
        for `subset="both"` the tuple of the training and the validation dataset.
        Clips are `uint8` RGB of shape `(batch, num_frames, height, width, 3)`; with
        `num_clips` or `num_crops`
        `(batch, num_clips * num_crops, num_frames, height, width, 3)`, the crops of
        a clip next to each other. With `with_info`, a last component holds `"path"`
        (`string`, shape `(batch,)`), `"times"` (`float64`, the shape of the clips up
        to the frames) and `"view"` (`int32`: the number of the clip times `num_crops`
        plus that of the crop, shape `(batch, num_clips * num_crops)`; zeros of shape
        `(batch,)` without views). The dataset has the attributes `class_names` and
        `file_paths`, `failures.reasons` (the videos left out) and, to go on with an
        interrupted run, `resume(epoch, batch)`: it returns a dataset of what is
        left of that epoch, and the dataset itself goes on with the epoch after it
        (for `batch=0` with that epoch). Videos that `on_error` has left out are
        not counted; of those that another process left out, nothing is known, so that
        as many videos from before that batch may come a second time.

    Raises:
        ValueError: If an argument or the directory does not fit, in one sentence.
        ImportError: If TensorFlow is missing; PyAV is needed when videos are read.

    Example:

    >>> train, validation = keras_nonlocal.data.video_dataset_from_directory(
    ...     "videos", validation_split=0.2, subset="both", seed=1
    ... )  # doctest: +SKIP
    >>> model.fit(train, validation_data=validation)  # doctest: +SKIP

    Several workers in step, each of which reads and decodes its own videos (the dataset
    itself has the `tf.data` sharding policy `DATA`, with which every worker decodes all
    videos and keeps its share):

    >>> def share(context):
    ...     return keras_nonlocal.data.video_dataset_from_directory(
    ...         "videos",
    ...         batch_size=context.get_per_replica_batch_size(64),
    ...         seed=1,
    ...         shard=(context.input_pipeline_id, context.num_input_pipelines),
    ...         drop_remainder=True,
    ...     )
    >>> train = strategy.distribute_datasets_from_function(share)  # doctest: +SKIP
    """
    if label_mode is None:
        labels = None
        class_names = None
    videos = list_directory(directory, labels, class_names, follow_links, frame_folders)
    if open_video is None:
        open_video = FrameFolderReader if frame_folders else PyAVReader
    return video_dataset_from_list(
        videos,
        label_mode,
        batch_size,
        num_frames,
        frame_stride,
        crop_size,
        shuffle,
        seed,
        validation_split,
        subset,
        verbose,
        augment=augment,
        short_side=short_side,
        horizontal_flip=horizontal_flip,
        flip_labels=flip_labels,
        num_clips=num_clips,
        num_crops=num_crops,
        target_fps=target_fps,
        short_videos=short_videos,
        on_error=on_error,
        max_errors=max_errors,
        open_video=open_video,
        with_info=with_info,
        shard=shard,
        drop_remainder=drop_remainder,
    )
