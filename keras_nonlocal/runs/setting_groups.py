"""Settings for training, grouped by topic."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from keras_nonlocal.architectures.tables import StemPoolPadding, VideoVariant
from keras_nonlocal.layers.block_arguments import Mode, Normalization, Scope
from keras_nonlocal.runs.checked_fields import Group
from keras_nonlocal.runs.typed_values import Bounds

PathName = str | os.PathLike[str]
Count = Annotated[int, Bounds(1)]
Number = Annotated[int, Bounds(0)]
Positive = Annotated[float, Bounds(0, is_open=True)]
NotNegative = Annotated[float, Bounds(0)]
Part = Annotated[float, Bounds(0, 1, is_open=True)]

ListFormat = Literal["path-label", "path-labels", "kinetics", "charades"]
LabelMode = Literal["int", "multi_hot", "binary"]
Stage = Literal["stem", "res2", "res3", "res4", "res5"]


@dataclass(frozen=True, kw_only=True)
class DataSettings(Group):
    """Settings for the videos of a training run.

    Args:
        videos: A directory with a folder per class; a directory with such directories
            `train` and, optionally, `val` and `test`; or a list. Defaults to `None`, if
            `run_training` gets datasets of clips.
        validation: A directory or a list to validate on. Defaults to `None`.
        validation_split: Fraction of `videos` to use for validation instead, between 0
            and 1. Defaults to `None`.
        test: A directory or a list of videos for the final test, which scores whole
            videos. Defaults to `None`.
        list_format: Format of the lists. `"path-label"` has a path and a class index
            per line, and `"path-labels"` has several indices. `"kinetics"` and
            `"charades"` are the CSV files of these data sets.
        root: Directory to which the paths in a list are relative. Defaults to `""`.
        class_names: Names of the classes, in the order of the scores. Defaults to those
            of the folders or the list.
        label_mode: `"int"` for one class per video, `"multi_hot"` for several classes,
            or `"binary"` for two classes and a network with one sigmoid unit. Defaults
            to `"int"` or `"multi_hot"`, depending on the labels.
        on_error: `"raise"` raises an error for a video that cannot be read, and
            `"skip"` leaves it out.
        max_errors: Maximum number of videos that `"skip"` leaves out. Defaults to
            `100`.
    """

    videos: PathName | None = None
    validation: PathName | None = None
    validation_split: Part | None = None
    test: PathName | None = None
    list_format: ListFormat = "path-label"
    root: PathName = ""
    class_names: tuple[str, ...] | None = None
    label_mode: LabelMode | None = None
    on_error: Literal["raise", "skip"] = "raise"
    max_errors: Number = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.validation is not None and self.validation_split is not None:
            raise ValueError(
                "Either `validation` or `validation_split` can be given. Received: "
                f"validation={self.validation!r}, "
                f"validation_split={self.validation_split}"
            )


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(Group):
    """Settings for the network, which are arguments of `keras_nonlocal.NLResNet`.

    Args:
        depth, variant: As in `NLResNet`. Default to `50` and `"i3d"`.
        weights: As in `NLResNet`: `"imagenet"`, `"kinetics400"`, the name of a
            checkpoint, the path of a file, or `None`. Defaults to `"imagenet"`.
        width: Number of channels of the first convolution. Defaults to `64`.
        normalization: As in `NLResNet`. Defaults to `"batch"`.
        nonlocal_blocks, nonlocal_mode, nonlocal_scope: As in `NLResNet`. The mode
            defaults to that of the weights, or else to `"embedded_gaussian"`.
        nonlocal_pool_size, nonlocal_temporal_group_size: As in `NLResNet`.
        nonlocal_options: As in `NLResNet`, in JSON types: an initializer is its name or
            the result of `keras.initializers.serialize`.
        stem_temporal_strides, stem_pool_padding: As in `NLResNet`.
        stride_in_1x1, temporal_pool: As in `NLResNet`.
        freeze: Stages to freeze. Defaults to `()`.
    """

    depth: int = 50
    variant: VideoVariant = "i3d"
    weights: PathName | None = "imagenet"
    width: Count = 64
    normalization: Normalization = "batch"
    nonlocal_blocks: int | Mapping[str, tuple[int, ...]] = 5
    nonlocal_mode: Mode | None = None
    nonlocal_scope: Scope = "spacetime"
    nonlocal_pool_size: Count | tuple[Count, Count, Count] | None = (1, 2, 2)
    nonlocal_temporal_group_size: Count | Mapping[str, int] | None = None
    nonlocal_options: Mapping[str, object] | None = None
    stem_temporal_strides: tuple[int, int] = (1, 1)
    stem_pool_padding: StemPoolPadding | None = None
    stride_in_1x1: bool | None = None
    temporal_pool: bool = True
    freeze: tuple[Stage, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ClipSettings(Group):
    """Settings for the clips, which are arguments of `video_dataset_from_list`.

    Args:
        num_frames: Number of frames per clip. Defaults to `8`.
        frame_stride: Distance between two frames of a clip, in frames. Defaults to `8`.
        crop_size: Side of the square crop, or `(height, width)`, in pixels. Defaults to
            `224`.
        short_side: Minimum and maximum length in pixels of the shorter side, which is
            drawn at random for each clip. Defaults to 8/7 and 10/7 of the crop, such as
            256 and 320 pixels for 224.
        horizontal_flip: Whether to mirror half of the clips. If classes distinguish
            left from right, `flip_labels` must pair them. Defaults to `False`; the
            recipe of the paper uses `True`.
        flip_labels: Pairs of class names to swap in a mirrored clip.
        target_fps: Frames per second at which `frame_stride` counts. Defaults to the
            frame rate of each file.
        short_videos: How to fill a clip that is longer than its video: `"loop"` or
            `"repeat_last"`.
    """

    num_frames: Count = 8
    frame_stride: Count = 8
    crop_size: Count | tuple[Count, Count] = 224
    short_side: tuple[Count, Count] | None = None
    horizontal_flip: bool = False
    flip_labels: Mapping[str, str] | None = None
    target_fps: Positive | None = None
    short_videos: Literal["loop", "repeat_last"] = "loop"

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of a clip in pixels."""
        if isinstance(self.crop_size, tuple):
            return self.crop_size
        return self.crop_size, self.crop_size


@dataclass(frozen=True, kw_only=True)
class RecipeSettings(Group):
    """Settings for the training recipe. The defaults are the values of the paper.

    Args:
        optimizer: `"sgd"`, with Nesterov momentum and L2 in the gradient of kernels,
            or `"adamw"`, with decoupled weight decay.
        learning_rate: Maximum learning rate. Defaults to `0.01`.
        learning_rate_batch_size: Number of clips per update for which `learning_rate`
            is chosen. The rate is scaled linearly with the actual number, or not scaled
            if this is `None`. Defaults to `64`.
        schedule: `"steps"` divides the rate by 10 at each of `decay_at`, `"cosine"`
            lowers it to 0 after a warm-up, and `"constant"` keeps it.
        decay_at: Fractions of the training run, for `"steps"`. Defaults to
            `(0.375, 0.75)`, which are updates 150,000 and 300,000 of 400,000.
        warmup: Fraction of the run in which the rate rises from a tenth of its maximum,
            for `"cosine"`. Defaults to `34 / 196`, as in PySlowFast.
        batch_size: Number of clips per batch, over all replicas. Defaults to `64`.
        gradient_accumulation: Number of batches per update of the weights. Defaults to
            `1`.
        updates: Length of the run in updates, rounded to whole epochs. Defaults to
            `None`.
        epochs: Length of the run in epochs. If neither `epochs` nor `updates` is given,
            the length depends on the number of videos; see `TrainingPlan`. Defaults to
            `None`.
        momentum: Momentum of SGD. Defaults to `0.9`.
        weight_decay: Weight decay. Defaults to `1e-4`.
        dropout_rate: Fraction of the features dropped before the classifier. Defaults
            to `0.5`.
        precise_statistics: Number of batches from which to recompute the statistics of
            batch normalization after the last epoch. `0` keeps the moving statistics.
            Defaults to `200`.
        class_balance: `"weights"` to weight the loss of each class inversely to its
            number of videos, or `"sampling"` to repeat the videos of smaller classes
            until all classes have as many per epoch. Defaults to `None`, neither.
        early_stopping: Number of validations without a lower loss after which the run
            ends. Its model then has the weights of the epoch with the lowest loss.
            Defaults to `None`, no early end.
        precision: `"float32"`, `"bfloat16"`, `"float16"` or `"auto"`. Defaults to
            `"auto"`: bfloat16 for networks of `width` 16 or more on devices with units
            for it (see `keras_nonlocal.training.precision_policy`), else float32. A
            resumed run keeps what it began with.
        seed: Seed of the initial weights, the order of videos and the clips. Defaults
            to `1`.

    References:
        Section 4.1 of [Non-local Neural Networks](https://arxiv.org/abs/1711.07971).
    """

    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Positive = 0.01
    learning_rate_batch_size: Count | None = 64
    schedule: Literal["steps", "cosine", "constant"] = "steps"
    decay_at: tuple[Part, ...] = (0.375, 0.75)
    warmup: Annotated[float, Bounds(0, 1)] = 34 / 196
    batch_size: Count = 64
    gradient_accumulation: Count = 1
    updates: Count | None = None
    epochs: Count | None = None
    momentum: Annotated[float, Bounds(0, 1)] = 0.9
    weight_decay: NotNegative = 1e-4
    dropout_rate: Annotated[float, Bounds(0, 1)] = 0.5
    precise_statistics: Number = 200
    class_balance: Literal["weights", "sampling"] | None = None
    early_stopping: Count | None = None
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    seed: Number = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.updates is not None and self.epochs is not None:
            raise ValueError(
                "Either `updates` or `epochs` can be given. "
                f"Received: updates={self.updates}, epochs={self.epochs}"
            )
        if any(b <= a for a, b in zip(self.decay_at, self.decay_at[1:], strict=False)):
            raise ValueError(
                f"`decay_at` must increase. Received: decay_at={self.decay_at}"
            )


@dataclass(frozen=True, kw_only=True)
class RunSettings(Group):
    """Settings for the output and the devices of a training run.

    Args:
        output: The run folder. An interrupted run in it is resumed. Defaults to
            `"training"`.
        strategy: `"none"` for one device, `"mirrored"` for all GPUs, or
            `"multi-worker"` for the workers in the environment variable `TF_CONFIG` or
            the tasks of a step of Slurm, also on JAX.
        jit: Whether to compile the model with XLA: `"auto"` (on GPUs), `"on"` or
            `"off"`.
        save_every: Number of batches between two saved states within an epoch. Defaults
            to `1000`.
        validation_freq: Number of epochs between two validations. Defaults to `1`.
        check_finite: Whether to stop at a non-finite loss and name the layer and the
            files that caused it. Defaults to `False`.
        tensorboard: Whether to write curves and sample clips. Defaults to `False`.
        workers: Number of processes that decode the training and validation data, with
            Grain. Defaults to `0`, threads of this process.
    """

    output: PathName = "training"
    strategy: Literal["none", "mirrored", "multi-worker"] = "none"
    jit: Literal["auto", "on", "off"] = "auto"
    save_every: Count = 1000
    validation_freq: Count = 1
    check_finite: bool = False
    tensorboard: bool = False
    workers: Number = 0


@dataclass(frozen=True, kw_only=True)
class TestSettings(Group):
    """Settings for the views of a whole video in the final test.

    Args:
        num_clips: Number of clips per video. Defaults to `10`.
        num_crops: Number of crops per clip, `1` or `3`. Defaults to `3`.
        reduction: How to combine the scores of the views: `"mean"`, `"max"` or
            `"logits"`.
    """

    # Tells pytest that this is not a test case.
    __test__ = False

    num_clips: Count = 10
    num_crops: Literal[1, 3] = 3
    reduction: Literal["mean", "max", "logits"] = "mean"
