"""Settings for training a detector."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from keras_nonlocal.layers.block_arguments import Mode
from keras_nonlocal.runs.checked_fields import Group
from keras_nonlocal.runs.grouped_settings import GroupedSettings
from keras_nonlocal.runs.setting_groups import (
    Count,
    NotNegative,
    Number,
    PathName,
    Positive,
    RunSettings,
    Stage,
)
from keras_nonlocal.runs.typed_values import Bounds

RecipeName = Literal[
    "paper",
    "detectron2",
    "torchvision",
    "paper_keypoints",
    "detectron2_keypoints",
    "torchvision_keypoints",
]


@dataclass(frozen=True, kw_only=True)
class CocoSettings(Group):
    """The pictures of a detector's training run, with annotations in COCO's format.

    Args:
        annotations: JSON file of the training pictures. Defaults to `None`, which no
            run can have.
        images: Folder of the training pictures. Defaults to the folder of
            `annotations`.
        validation: JSON file of pictures whose losses are computed after each epoch.
            Defaults to `None`.
        validation_images: Folder of these pictures. Defaults to the folder of
            `validation`.
        test: JSON file of the pictures for the final test, which computes COCO's
            figures. Defaults to `None`.
        test_images: Folder of these pictures. Defaults to the folder of `test`.
        keep_empty: Whether to train on pictures without objects. Defaults to `True`.
        keypoints: Whether the detector finds the keypoints in the annotations instead
            of masks. Defaults to `False`.
        flip_pairs: Pairs of names of keypoints that change places in a mirrored
            picture. Defaults to those whose names differ in "left" and "right".
        oks_sigmas: Standard deviation of each keypoint for COCO's figures. Defaults to
            those of COCO if there are 17.
        on_error: `"raise"` raises an error for a picture that cannot be read, and
            `"skip"` leaves it out.
        max_errors: Maximum number of pictures that `"skip"` leaves out. Defaults to
            `100`.
    """

    annotations: PathName | None = None
    images: PathName | None = None
    validation: PathName | None = None
    validation_images: PathName | None = None
    test: PathName | None = None
    test_images: PathName | None = None
    keep_empty: bool = True
    keypoints: bool = False
    flip_pairs: tuple[tuple[str, str], ...] | None = None
    oks_sigmas: tuple[Positive, ...] | None = None
    on_error: Literal["raise", "skip"] = "raise"
    max_errors: Number = 100


@dataclass(frozen=True, kw_only=True)
class DetectorNetworkSettings(Group):
    """The detector: arguments of `NLMaskRCNN50` or `NLKeypointRCNN50`.

    Args:
        depth: `50` or `101`. Defaults to `50`.
        weights: As in `NLMaskRCNN50`. Defaults to `"imagenet"`.
        width: Number of channels of the first convolution. Defaults to `64`.
        nonlocal_blocks: As in `NLMaskRCNN50`. Defaults to `1`.
        nonlocal_mode: As in `NLMaskRCNN50`. Defaults to `"embedded_gaussian"`.
        nonlocal_pool_size: As in `NLMaskRCNN50`. Defaults to `2`.
        nonlocal_options: As in `NLMaskRCNN50`, in JSON types.
        head_nonlocal_blocks: As in `keras_nonlocal.NLKeypointRCNN50`, for keypoints.
            Defaults to `4`.
        head_nonlocal_mode: The same. Defaults to `"embedded_gaussian"`.
        head_nonlocal_pool_size: The same. Defaults to `None`.
        freeze: Stages to freeze. Defaults to `None`: the stem and res2 with weights,
            none without.
        detector_recipe: A name in `keras_nonlocal.detection.RECIPES`. Defaults to that
            of the weights.
        recipe_changes: Values of a `keras_nonlocal.detection.Recipe` to change, by
            group and field, such as `{"anchors": {"sizes": [16, 32, 64, 128, 256]}}`.
            Defaults to `None`.
    """

    depth: Literal[50, 101] = 50
    weights: PathName | None = "imagenet"
    width: Count = 64
    nonlocal_blocks: Number | Mapping[str, tuple[int, ...]] = 1
    nonlocal_mode: Mode = "embedded_gaussian"
    nonlocal_pool_size: Count | tuple[Count, Count] | None = 2
    nonlocal_options: Mapping[str, object] | None = None
    head_nonlocal_blocks: Number = 4
    head_nonlocal_mode: Mode = "embedded_gaussian"
    head_nonlocal_pool_size: Count | tuple[Count, Count] | None = None
    freeze: tuple[Stage, ...] | None = None
    detector_recipe: RecipeName | None = None
    recipe_changes: Mapping[str, Mapping[str, object]] | None = None


@dataclass(frozen=True, kw_only=True)
class PictureSettings(Group):
    """The pictures of a batch: arguments of `keras_nonlocal.data.coco_dataset`.

    Args:
        short_side: Minimum and maximum length in pixels of the shorter side, which is
            drawn at random for each picture; tests use the maximum. Defaults to
            `(800, 800)`.
        long_side: Greatest length of the longer side, in pixels. Defaults to `1333`.
        buckets: Pairs `(height, width)` divisible by 32, to the smallest of which a
            picture is padded. Defaults to those of `coco_dataset`.
        horizontal_flip: Whether to mirror half of the pictures. Defaults to `False`;
            published recipes use `True`.
        max_boxes: Greatest number of objects in a picture. Defaults to `100`.
        mask_size: Cells of the grid of a mask, along each axis. Defaults to `112`.
    """

    short_side: tuple[Count, Count] = (800, 800)
    long_side: Count = 1333
    buckets: tuple[tuple[Count, Count], ...] | None = None
    horizontal_flip: bool = False
    max_boxes: Count = 100
    mask_size: Count = 112


@dataclass(frozen=True, kw_only=True)
class DetectorRecipeSettings(Group):
    """The training recipe of a detector. The defaults are those of Detectron.

    Args:
        learning_rate: The rate for 16 pictures per update, which is scaled linearly
            with the actual number. Defaults to `0.02`.
        schedule: `"1x"`, `"2x"` or `"s1x"`, as in
            `keras_nonlocal.training.detector_schedule`, or `"cosine"`, which lowers the
            rate to 0 after a warm-up over a tenth of the run. Defaults to `"1x"`.
        batch_size: Number of pictures per batch, over all replicas. Defaults to `2`.
        gradient_accumulation: Number of batches per update of the weights. Defaults to
            `1`.
        updates: Length of the run in updates, rounded to whole epochs. Defaults to
            `None`.
        epochs: Length of the run in epochs. If neither `epochs` nor `updates` is given,
            the length depends on the schedule and the number of pictures; see
            `DetectorPlan`. Defaults to `None`.
        momentum: Momentum of SGD. Defaults to `0.9`.
        nesterov: Whether the momentum is Nesterov's. Defaults to `False`.
        weight_decay: Weight decay of kernels. Defaults to `1e-4`.
        clip_norm: Greatest norm of all gradients together. Defaults to `None`, no
            limit.
        precision: `"float32"`, `"bfloat16"` or `"float16"`.
        seed: Seed of the initial weights, the order of pictures and all samples.
            Defaults to `1`.

    References:
        `configs/12_2017_baselines` in https://github.com/facebookresearch/Detectron.
    """

    learning_rate: Positive = 0.02
    schedule: Literal["1x", "2x", "s1x", "cosine"] = "1x"
    batch_size: Count = 2
    gradient_accumulation: Count = 1
    updates: Count | None = None
    epochs: Count | None = None
    momentum: Annotated[float, Bounds(0, 1)] = 0.9
    nesterov: bool = False
    weight_decay: NotNegative = 1e-4
    clip_norm: Positive | None = None
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    seed: Number = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.updates is not None and self.epochs is not None:
            raise ValueError(
                "Either `updates` or `epochs` can be given. "
                f"Received: updates={self.updates}, epochs={self.epochs}"
            )


@dataclass(frozen=True, kw_only=True)
class DetectorSettings(GroupedSettings):
    """Everything that the training run of a detector depends on.

    As with `TrainingSettings`, `replace` returns changed settings, all values are
    checked, and `load` reads the `config.json` of a run folder.

    Args:
        data: The pictures and their annotations.
        network: The detector and its weights.
        pictures: Their sizes and augmentation.
        recipe: The optimizer, its schedule and the length of the run.
        run: The run folder and the devices.

    Raises:
        TypeError: If a value has the wrong type.
        ValueError: If a value is not one of the choices or is out of bounds.

    Example:

    >>> from keras_nonlocal.runs import DetectorSettings
    >>> settings = DetectorSettings().replace(
    ...     annotations="train.json", images="train", short_side=(640, 800))
    >>> settings.pictures.short_side, settings.recipe.schedule
    ((640, 800), '1x')
    """

    data: CocoSettings = field(default_factory=CocoSettings)
    network: DetectorNetworkSettings = field(default_factory=DetectorNetworkSettings)
    pictures: PictureSettings = field(default_factory=PictureSettings)
    recipe: DetectorRecipeSettings = field(default_factory=DetectorRecipeSettings)
    run: RunSettings = field(default_factory=RunSettings)
