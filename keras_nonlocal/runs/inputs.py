"""The datasets of a training run and their properties."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from keras_nonlocal.runs.class_balance import class_weights, evenly_sampled
from keras_nonlocal.runs.setting_groups import ClipSettings, LabelMode
from keras_nonlocal.runs.settings import TrainingSettings
from keras_nonlocal.runs.shares import Share
from keras_nonlocal.runs.videos import TrainingVideos

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoList


@dataclass(frozen=True)
class TrainingInputs:
    """The datasets of a training run and their properties.

    Attributes:
        training: Training data, in batches of clips and labels.
        validation: Validation data, or `None`.
        test: Videos of the final test, or `None`.
        class_names: Names of the classes, if they are known.
        classes: Number of classes.
        label_mode: Format of the labels.
        num_videos: Number of training videos, or of clips per epoch for other data.
        num_validation_videos: Number of validation videos, in the same way.
        steps_per_epoch: Number of training batches in an epoch.
        fingerprints: Hashes of the videos of each part.
        class_weights: Weights of the classes in the loss, or `None`.
        found: Sources of the videos for validation and for the test that the settings
            do not name.
    """

    training: Any
    validation: Any
    test: "VideoList | None"
    class_names: tuple[str, ...] | None
    classes: int
    label_mode: LabelMode
    num_videos: int
    num_validation_videos: int
    steps_per_epoch: int
    fingerprints: dict[str, str | None]
    class_weights: dict[int, float] | None = None
    found: dict[str, str] = field(default_factory=dict)

    @property
    def num_outputs(self) -> int:
        """Number of scores per clip."""
        return 1 if self.label_mode == "binary" else self.classes

    @property
    def num_test_videos(self) -> int:
        """Number of videos of the final test."""
        return 0 if self.test is None else len(self.test.paths)


def inputs_of_videos(
    settings: TrainingSettings, share: Share | None = None
) -> TrainingInputs:
    """Creates the datasets of the videos in the settings.

    Args:
        settings: The settings.
        share: This worker's share of every batch, if each reads its own. Incomplete
            batches are then dropped, because all workers need the same number of
            batches, of the same size.

    Raises:
        ValueError: If there are no videos, or a setting is invalid.
    """
    videos = TrainingVideos.of(settings.data, settings.recipe.seed)
    balance, weights = settings.recipe.class_balance, None
    if balance == "weights":
        weights = class_weights(videos.training)
    elif balance == "sampling":
        videos = replace(videos, training=evenly_sampled(videos.training))
    validation = videos.validation
    num_validation_videos = 0 if validation is None else len(validation.paths)
    if share is not None:
        validation = share.validation_videos(validation)
    mode = videos.label_mode
    return TrainingInputs(
        training=_dataset(videos.training, mode, settings, share, trains=True),
        validation=validation
        and _dataset(validation, mode, settings, share, trains=False),
        test=videos.test,
        class_names=videos.training.class_names,
        classes=videos.classes,
        label_mode=mode,
        num_videos=len(videos.training.paths),
        num_validation_videos=num_validation_videos,
        steps_per_epoch=_num_batches(
            len(videos.training.paths), settings.recipe.batch_size, share
        ),
        fingerprints=videos.fingerprints(),
        class_weights=weights,
        found=videos.found,
    )


def inputs_of_datasets(
    settings: TrainingSettings, clips: Any, validation: Any
) -> TrainingInputs:
    """Uses datasets that the user has created.

    Raises:
        ValueError: If the class names are not known, or the settings also name videos.
    """
    if settings.data.videos is not None:
        raise ValueError(
            "`clips` can be given where `videos` is `None` only. "
            f"Received: videos={settings.data.videos!r}"
        )
    if settings.recipe.class_balance is not None:
        raise ValueError(
            "`class_balance` can be given for the videos of the settings only, not for "
            f"`clips`. Received: class_balance={settings.recipe.class_balance!r}"
        )
    names = settings.data.class_names or getattr(clips, "class_names", None)
    if not names:
        raise ValueError(
            "`class_names` must name the classes of `clips`, which has no "
            "`class_names` of its own. Received: class_names=None"
        )

    def count(dataset: Any) -> int:
        paths = getattr(dataset, "file_paths", None)
        return len(paths or ()) or len(dataset) * settings.recipe.batch_size

    return TrainingInputs(
        training=clips,
        validation=validation,
        test=None,
        class_names=tuple(names),
        classes=len(names),
        label_mode=settings.data.label_mode or "int",
        num_videos=count(clips),
        num_validation_videos=0 if validation is None else count(validation),
        steps_per_epoch=len(clips),
        fingerprints={"training": None, "validation": None, "test": None},
    )


def _num_batches(videos: int, batch_size: int, share: Share | None) -> int:
    if share is None:
        return -(-videos // batch_size)
    share.check_videos(videos)
    return videos // batch_size


def _dataset(
    videos: "VideoList",
    label_mode: LabelMode,
    settings: TrainingSettings,
    share: Share | None,
    trains: bool,
) -> Any:
    from keras_nonlocal.data import video_dataset_from_list
    from keras_nonlocal.data.opening import reader_of_list

    clips: ClipSettings = settings.clips
    # Validation clips are taken from the middle of the video and are not mirrored.
    drawn: dict[str, Any] = {}
    if trains:
        drawn = {
            "short_side": clips.short_side,
            "horizontal_flip": clips.horizontal_flip,
            "flip_labels": clips.flip_labels,
        }
    if share is not None:
        drawn |= {"shard": share.shard, "drop_remainder": trains}
    return video_dataset_from_list(
        videos,
        label_mode=label_mode,
        batch_size=settings.recipe.batch_size if share is None else share.batch_size,
        num_frames=clips.num_frames,
        frame_stride=clips.frame_stride,
        crop_size=clips.crop_size,
        target_fps=clips.target_fps,
        short_videos=clips.short_videos,
        shuffle=trains,
        seed=settings.recipe.seed,
        on_error=settings.data.on_error,
        max_errors=settings.data.max_errors,
        open_video=reader_of_list(videos.paths),
        workers=settings.run.workers,
        verbose=False,
        **drawn,
    )
