"""`video_dataset_from_tfds`: clips and labels from TensorFlow Datasets."""

from collections.abc import Sequence
from typing import Any, Literal

from keras_nonlocal.arguments import (
    check_choice,
    check_positive_integer,
    check_positive_number,
    named_elsewhere,
)
from keras_nonlocal.data.datasets.clip_dataset import ClipDataset
from keras_nonlocal.data.datasets.clip_plan import Batches, ClipPlan, Order
from keras_nonlocal.data.datasets.failures import FailurePolicy, OnError
from keras_nonlocal.data.datasets.labels import FlipLabels, Labeling
from keras_nonlocal.data.datasets.stream_pipeline import StreamPipeline
from keras_nonlocal.data.framing import FramingSampler
from keras_nonlocal.data.lists.tfds import video_stream
from keras_nonlocal.data.sampling import ClipSampler, ShortVideos


@named_elsewhere(image_size="crop_size")
def video_dataset_from_tfds(
    source: Any,
    split: str | None = None,
    label_mode: Literal["int", "categorical", "binary"] | None = "int",
    batch_size: int | None = 8,
    num_frames: int = 8,
    frame_stride: int = 8,
    crop_size: int | tuple[int, int] = 224,
    shuffle: bool = True,
    seed: int | None = None,
    *,
    video_key: str = "video",
    label_key: str = "label",
    class_names: Sequence[str] | None = None,
    fps: float = 30.0,
    shuffle_buffer: int = 128,
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
    with_info: bool = False,
    shard: tuple[int, int] | None = None,
    drop_remainder: bool = False,
) -> ClipDataset:
    """Generates a `tf.data.Dataset` of clips from TensorFlow Datasets.

    The videos are streamed in their stored order. Only the pictures that a clip needs
    are decoded from a builder's videos.

    Args:
        source: A builder with a `tfds.features.Video` feature, or a `tf.data.Dataset`
            of decoded videos: dictionaries, or pairs of a video of shape
            `(frames_in_video, height, width, 1 or 3)` and a class index.
        split: Split of a builder's data set, such as `"train[:80%]"`. It is required
            for a builder and invalid for a dataset. Defaults to `None`.
        label_mode: Format of the labels. `"int"`: `int32`, shape `(batch,)`.
            `"categorical"`: one-hot `float32`, shape `(batch, num_classes)`.
            `"binary"`: `float32` 0 or 1, shape `(batch, 1)`, for two classes. `None`:
            no labels. Defaults to `"int"`.
        batch_size: Number of videos per batch. With `None`, videos are not batched.
            Defaults to `8`.
        num_frames: Number of frames per clip. Defaults to `8`.
        frame_stride: Distance between two frames of a clip, in frames. Defaults to
            `8`.
        crop_size: Side of the square crop, or `(height, width)`, in pixels. Defaults
            to `224`.
        shuffle: Whether to shuffle the videos within a buffer, in a different order in
            each epoch. Defaults to `True`.
        seed: Seed of the order and of all random choices. With a seed, and with the
            same `tf.random.set_seed` if any, epoch `e` has the same clips in the same
            order in every run. Defaults to a random seed.
        video_key: Name of the feature with the video. Defaults to `"video"`.
        label_key: Name of the feature with the class. Defaults to `"label"`.
        class_names: Names of the classes. Defaults to those of the builder.
        fps: Frames per second, which are not stored with the videos. Defaults to `30`.
        shuffle_buffer: Number of videos from which the next one is drawn. They are kept
            in memory in their stored form. Defaults to `128`.
        augment: Whether to draw clips, scales and crops at random. Defaults to `True`
            if the videos are shuffled, unless `num_clips` or `num_crops` is given.
        short_side: Length in pixels to which the shorter side of the picture is scaled,
            or a pair of lengths between which it is drawn at random. Defaults to 8/7 of
            the longer side of the crop, or at random up to 10/7: 256 to 320 for
            `crop_size=224`.
        horizontal_flip: Whether to mirror half of the augmented clips, as is usual for
            Kinetics. If classes distinguish left from right, see `flip_labels`.
            Defaults to `False`.
        flip_labels: Mapping between classes, by name or index, that are swapped in a
            mirrored clip. `{"turning left": "turning right"}` applies in both
            directions. Defaults to `None`, no class.
        num_clips: Number of clips per video, evenly spaced over the whole video, for
            testing. Defaults to `None`, one clip without an axis for the views.
        num_crops: Number of crops per clip for testing: 1 (the center) or 3 (side by
            side along the longer side of the picture). Defaults to `None`, one crop
            without an axis for the views.
        target_fps: Frames per second at which `frame_stride` counts. Defaults to the
            frame rate of each file.
        short_videos: How to fill a clip that is longer than its video: `"loop"`
            starts over, `"repeat_last"` repeats the last frame. Defaults to `"loop"`.
        on_error: How to handle a video that cannot be read. `"raise"` raises its
            `keras_nonlocal.data.VideoError`. `"skip"` leaves it out of the epoch and
            logs one warning at the end of the epoch, to the logger `keras_nonlocal`,
            that lists the omitted videos. A function is called with the `VideoError`;
            the video is left out unless the function raises. With any value but
            `"raise"`, the number of batches is unknown in advance: `fit` counts them in
            its first epoch, and Keras warns at the end of each epoch that the data ran
            out. To find broken videos beforehand, see `scan_videos`. Defaults to
            `"raise"`.
        max_errors: Maximum number of videos to leave out. One more raises an error.
            Defaults to `100`.
        with_info: Whether elements end with a dictionary about the origin of the clips:
            their `"path"`, the `"times"` of their frames in seconds from the beginning
            of the video, and their `"view"`. Use it for inspection and testing only,
            because `fit` would interpret it as sample weights. Defaults to `False`.
        shard: `(index, count)`, the share of worker `index` of `count`. Together, the
            workers have every video once per epoch. All workers need the same `seed`.
            Defaults to `None`, all videos.
        drop_remainder: Whether to drop an incomplete last batch. With `shard`, all
            workers then have the same number of batches, as synchronous training
            requires, and `on_error` must be `"raise"`. Do not use it for testing.
            Defaults to `False`.

    Returns:
        A `tf.data.Dataset` of `(clips, labels)`, or of `clips` only if there are no
        labels.

        Clips are `uint8` RGB of shape `(batch, num_frames, height, width, 3)`. With
        `num_clips` or `num_crops`, their shape is
        `(batch, num_clips * num_crops, num_frames, height, width, 3)`, and the crops of
        a clip are next to each other. With `with_info`, a last component contains
        `"path"` (`string`, shape `(batch,)`), `"times"` (`float64`, the shape of the
        clips up to the frames) and `"view"` (`int32`: the number of the clip times
        `num_crops` plus that of the crop, shape `(batch, num_clips * num_crops)`; zeros
        of shape `(batch,)` without views). The path is the name of the data set, the
        split and the number of the video.

        The dataset has the attributes of `keras_nonlocal.data.ClipDataset`:
        `class_names`, `file_paths` (`None`), `failures.reasons` (the videos left out)
        and `resume(epoch, batch)`, which returns the rest of an epoch of an interrupted
        run. Videos that `on_error` has left out do not count. A new process does not
        know which videos an earlier one left out, so the same number of videos from
        before that batch may be repeated.

    Raises:
        ValueError: If the source does not contain such videos, or an argument has an
            invalid value.
        ImportError: If TensorFlow or TensorFlow Datasets is not installed.

    Example:

    >>> builder = tfds.builder("ucf101")  # doctest: +SKIP
    >>> builder.download_and_prepare()  # doctest: +SKIP
    >>> train = video_dataset_from_tfds(builder, "train", fps=25)  # doctest: +SKIP
    """
    check_choice("label_mode", label_mode, ("int", "categorical", "binary", None))
    check_positive_integer("shuffle_buffer", shuffle_buffer)
    check_positive_number("fps", fps)
    plan = ClipPlan(
        ClipSampler(num_frames, frame_stride, num_clips, target_fps, short_videos),
        FramingSampler(crop_size, short_side, num_crops, horizontal_flip),
        Order(shuffle, seed, shard),
        Batches(batch_size, drop_remainder, with_info),
        Labeling(label_mode, flip_labels),
        FailurePolicy(on_error, max_errors),
        augment,
    )
    stream = video_stream(
        source, split, video_key, label_mode and label_key, class_names
    )
    if label_mode is not None and stream.class_names is None:
        raise ValueError(
            "`class_names` must be given if the source does not name its classes. "
            f"Received: class_names=None, label_mode={label_mode!r}"
        )
    return StreamPipeline(stream, fps, plan, shuffle_buffer).dataset()
