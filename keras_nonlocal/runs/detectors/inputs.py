"""The datasets of a detector's training run."""

import hashlib
import os
from dataclasses import dataclass
from typing import Any

from keras_nonlocal.data import coco_dataset
from keras_nonlocal.runs.detectors.settings import DetectorSettings
from keras_nonlocal.runs.setting_groups import PathName


@dataclass(frozen=True)
class DetectorInputs:
    """The datasets of a detector's training run and their properties.

    Attributes:
        training: The training pictures.
        validation: The validation pictures, or `None`.
        test: The pictures of the final test, or `None`.
        class_names: Names of the classes.
        category_ids: The `id` of each class in the annotations.
        num_pictures: Number of training pictures.
        num_test_pictures: Number of pictures of the final test.
        steps_per_epoch: Number of training batches in an epoch.
        fingerprints: Hashes of the training and validation annotations.
    """

    training: Any
    validation: Any
    test: Any
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]
    num_pictures: int
    num_test_pictures: int
    steps_per_epoch: int
    fingerprints: dict[str, str | None]


def inputs_of_pictures(settings: DetectorSettings) -> DetectorInputs:
    """Reads the annotations in the settings.

    Raises:
        ValueError: If there are none, a setting is invalid, or the classes of the parts
            differ.
    """
    data = settings.data
    if data.annotations is None:
        raise ValueError(
            "`annotations` must be a JSON file in COCO's format. Received: None"
        )
    training = _dataset(settings, data.annotations, data.images, trains=True)
    validation, test = (
        None if file is None else _dataset(settings, file, images, trains=False)
        for file, images in (
            (data.validation, data.validation_images),
            (data.test, data.test_images),
        )
    )
    if not any(len(one.objects.labels) for one in training.source.pictures):
        raise ValueError(
            "`annotations` must have objects to learn from. "
            f"Received: {training.source.num_pictures} pictures without any"
        )
    for part, dataset in (("validation", validation), ("test", test)):
        if dataset is not None and _categories(dataset) != _categories(training):
            raise ValueError(
                f"`{part}` must have the categories of `annotations`, "
                f"{_categories(training)}. Received: {_categories(dataset)}"
            )
        if dataset is not None and dataset.keypoint_names != training.keypoint_names:
            raise ValueError(
                f"`{part}` must have the keypoints of `annotations`, "
                f"{training.keypoint_names}. Received: {dataset.keypoint_names}"
            )
    if test is not None and data.keypoints and training.oks_sigmas is None:
        raise ValueError(
            "`oks_sigmas` must be given for the figures of keypoints other than "
            f"COCO's. Received: None for the keypoints {training.keypoint_names}"
        )
    return DetectorInputs(
        training=training,
        validation=validation,
        test=test,
        class_names=tuple(training.class_names),
        category_ids=tuple(training.category_ids),
        num_pictures=training.source.num_pictures,
        num_test_pictures=0 if test is None else test.source.num_pictures,
        steps_per_epoch=training.source.num_batches,
        fingerprints={
            "training": _fingerprint(data.annotations),
            "validation": None
            if data.validation is None
            else _fingerprint(data.validation),
        },
    )


def _categories(dataset: Any) -> dict[Any, str]:
    return dict(zip(dataset.category_ids, dataset.class_names, strict=True))


def _fingerprint(file: PathName) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]


def _dataset(
    settings: DetectorSettings, file: PathName, images: PathName | None, trains: bool
) -> Any:
    data, pictures = settings.data, settings.pictures
    return coco_dataset(
        file,
        os.path.dirname(os.fspath(file)) if images is None else images,
        settings.recipe.batch_size,
        shuffle=trains,
        seed=settings.recipe.seed,
        verbose=False,
        short_side=pictures.short_side,
        long_side=pictures.long_side,
        buckets=pictures.buckets,
        masks=not data.keypoints,
        mask_size=pictures.mask_size,
        keypoints=data.keypoints,
        flip_pairs=data.flip_pairs,
        oks_sigmas=data.oks_sigmas,
        max_boxes=pictures.max_boxes,
        horizontal_flip=pictures.horizontal_flip,
        keep_empty=data.keep_empty or not trains,
        on_error=data.on_error,
        max_errors=data.max_errors,
        dataset_type="tf.data",
        workers=settings.run.workers,
    )
