"""`video_dataset_from_list`: clips and labels from a list of videos."""

from typing import Any, Literal, overload

from keras_nonlocal.arguments import named_elsewhere
from keras_nonlocal.data.datasets.clip_dataset import ClipDataset
from keras_nonlocal.data.datasets.clip_plan import (
    Batches,
    ClipPlan,
    DatasetType,
    Order,
    Split,
)
from keras_nonlocal.data.datasets.failures import FailurePolicy, OnError
from keras_nonlocal.data.datasets.labels import FlipLabels, Labeling
from keras_nonlocal.data.datasets.list_pipeline import datasets_of_list
from keras_nonlocal.data.framing import FramingSampler
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.pyav import PyAVReader
from keras_nonlocal.data.readers.video_reader import OpenVideo
from keras_nonlocal.data.sampling import ClipSampler, ShortVideos


@overload
def video_dataset_from_list(
    videos: VideoList,
    *args: Any,
    subset: Literal["both"],
    **options: Any,
) -> tuple[ClipDataset, ClipDataset]: ...


@overload
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
    subset: Literal["training", "validation"] | None = None,
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
    dataset_type: DatasetType | None = None,
    workers: int = 0,
) -> ClipDataset: ...


# The first signature represents calls with both subsets, with any other arguments.
@named_elsewhere(image_size="crop_size")  # type: ignore[misc]
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
    dataset_type: DatasetType | None = None,
    workers: int = 0,
) -> ClipDataset | tuple[ClipDataset, ClipDataset]:
    """Generates a dataset of clips from a list of videos.

    An epoch contains every entry of the list once. In training, the clip starts at a
    random frame, and the picture is scaled and cropped at random. Otherwise, the clip
    and the crop are taken from the middle.

    Args:
        videos: Paths, labels and segments. `keras_nonlocal.data` has functions that
            read the lists of published data sets.
        label_mode: Format of the labels. `"int"`: `int32`, shape `(batch,)`.
            `"categorical"`: one-hot `float32`, shape `(batch, num_classes)`.
            `"binary"`: `float32` 0 or 1, shape `(batch, 1)`, for two classes.
            `"multi_hot"`: `float32`, shape `(batch, num_classes)`, with a 1 for each
            class of a video. `None`: no labels. Defaults to `"int"`.
        batch_size: Number of videos per batch. With `None`, videos are not batched.
            Defaults to `8`.
        num_frames: Number of frames per clip. Defaults to `8`.
        frame_stride: Distance between two frames of a clip, in frames. Defaults to
            `8`.
        crop_size: Side of the square crop, or `(height, width)`, in pixels. Defaults
            to `224`.
        shuffle: Whether to shuffle the videos, in a different order in each epoch. A
            validation subset is shuffled only once, before the split. Defaults to
            `True`.
        seed: Seed of the order and of all random choices. With a seed, epoch `e` has
            the same clips in the same order in every run. Defaults to a random seed.
        validation_split: Fraction of the videos to use for validation, between 0 and 1.
            Defaults to `None`, no split.
        subset: `"training"`, `"validation"`, or `"both"` for a tuple of the two
            datasets. Requires `validation_split`. Defaults to `None`.
        verbose: Whether to print the number of videos and classes. Defaults to `True`.
        augment: Whether to draw clips, scales and crops at random. Defaults to `True`
            if the videos are shuffled, except for a validation subset or if `num_clips`
            or `num_crops` is given.
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
        open_video: Function that opens a path and returns a context manager with
            `times` and `read(indices, framing)`; see `keras_nonlocal.data.VideoReader`.
            Defaults to `keras_nonlocal.data.PyAVReader`.
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
        dataset_type: `"tf.data"`, or `"keras"` for a `keras.utils.PyDataset` with the
            same clips in the same order, which needs no TensorFlow. Call `fit` with
            `shuffle=False` then. Its `batch_size` must be a number. A video that
            `on_error` leaves out makes its batch smaller; since Keras asks for a fixed
            number of batches, one of which nothing can be read is another one again.
            Batches are always tuples, and paths are `str`. Defaults to `None`:
            `"tf.data"` if TensorFlow is installed.
        workers: Number of processes that decode, with the same clips in the same
            order. Threads share Python's lock, so more than a few processors need
            processes. They need Grain (`pip install grain`), an `open_video` that can
            be pickled and, as all spawned processes, a main program that does its work
            under `if __name__ == "__main__":`. They end with the dataset or the
            program. Defaults to `0`, threads.

    Returns:
        A dataset of `(clips, labels)`, or of `clips` only if there are no
        labels. For `subset="both"`, a tuple of the training and the validation dataset.

        Clips are `uint8` RGB of shape `(batch, num_frames, height, width, 3)`. With
        `num_clips` or `num_crops`, their shape is
        `(batch, num_clips * num_crops, num_frames, height, width, 3)`, and the crops of
        a clip are next to each other. With `with_info`, a last component contains
        `"path"` (`string`, shape `(batch,)`), `"times"` (`float64`, the shape of the
        clips up to the frames) and `"view"` (`int32`: the number of the clip times
        `num_crops` plus that of the crop, shape `(batch, num_clips * num_crops)`; zeros
        of shape `(batch,)` without views).

        The dataset has the attributes of `keras_nonlocal.data.ClipDataset`:
        `class_names`, `file_paths`, `failures.reasons` (the videos left out) and
        `resume(epoch, batch)`, which returns the rest of an epoch of an interrupted
        run. Videos that `on_error` has left out do not count. A new process does not
        know which videos an earlier one left out, so the same number of videos from
        before that batch may be repeated.

    Raises:
        ValueError: If the list does not fit the label mode, or an argument has an
            invalid value.
        ImportError: If `dataset_type="tf.data"` and TensorFlow is not installed.
            Reading videos also requires PyAV.

    Example:

    >>> videos = keras_nonlocal.data.read_charades_csv(
    ...     "Charades_v1_train.csv", "Charades_v1_480")  # doctest: +SKIP
    >>> train = keras_nonlocal.data.video_dataset_from_list(
    ...     videos, label_mode="multi_hot", seed=1)  # doctest: +SKIP
    """
    plan = ClipPlan(
        ClipSampler(num_frames, frame_stride, num_clips, target_fps, short_videos),
        FramingSampler(crop_size, short_side, num_crops, horizontal_flip),
        Order(shuffle, seed, shard),
        Batches(batch_size, drop_remainder, with_info, dataset_type, workers),
        Labeling(label_mode, flip_labels),
        FailurePolicy(on_error, max_errors),
        augment,
    )
    split = Split(validation_split, subset)
    return datasets_of_list(videos, open_video, plan, split, verbose)
