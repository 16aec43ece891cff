"""`evaluate_coco`: a detector and a data set in, COCO's figures out."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_nonlocal.arguments import check_choice, check_fraction
from keras_nonlocal.data.coco.source import CocoSource, LoadedBatch, Task
from keras_nonlocal.data.datasets.failures import FailurePolicy, OnError
from keras_nonlocal.data.parallel import Workers
from keras_nonlocal.files import local_file, replacing, same_file
from keras_nonlocal.inference.coco_agreement import (
    category_ids,
    checked_sigmas,
    oks_sigmas,
)
from keras_nonlocal.inference.coco_detections import DetectionWriter
from keras_nonlocal.inference.coco_figures import (
    Evaluator,
    Part,
    count_objects,
    part_figures,
)
from keras_nonlocal.inference.coco_result import CocoResult
from keras_nonlocal.inference.coco_results_file import CocoResultsFile
from keras_nonlocal.inference.model_fingerprint import model_fingerprint
from keras_nonlocal.inference.pictures import fitted_to_input
from keras_nonlocal.processors import num_processors

FilePath = str | os.PathLike[str]
_Found = dict[Any, list[dict[str, Any]]]

# How a list of detections begins, or an empty list.
_RESULTS = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*(?:\]|\{)")
_START_BYTES = 4096


def evaluate_coco(
    model: keras.Model,
    dataset: Any,
    *,
    results_file: FilePath | None = None,
    detections_file: FilePath | None = None,
    evaluator: Evaluator = "pycocotools",
    mask_threshold: float = 0.5,
    on_error: OnError = "skip",
    max_errors: int = 100,
    verbose: str | int = "auto",
) -> CocoResult:
    """Tests a detector with COCO's figures.

    Every picture of the annotations is used once, at its largest scale, whatever the
    order and the augmentation of the dataset. Boxes and masks are mapped back to the
    pixels of the annotated pictures. Crowds count as COCO has it: detections that lie
    in them are neither right nor wrong.

    Args:
        model: A `keras_nonlocal.detection.RegionModel`, or another model that takes
            `"images"` and `"image_sizes"` and returns `"boxes"`, `"scores"`,
            `"labels"`, and maybe `"masks"` on a grid over each box, and `"keypoints"`,
            `(x, y, score)` in pixels of the image, of shape
            `(batch, detections, points, 3)`.
        dataset: What `keras_nonlocal.data.coco_dataset` returns.
        results_file: File to which the detections of each picture are written as soon
            as it is finished, one line of JSON each. If the file exists, only the
            pictures that it lacks are evaluated. It must be of the same model and
            arguments. While one process writes the file, it is refused to others.
            Defaults to `None`, no file.
        detections_file: File to which all detections are written at the end, in
            COCO's format of results, which `pycocotools.coco.COCO.loadRes` reads. An
            existing file is replaced only if it holds such results or nothing. Defaults
            to `None`, no file.
        evaluator: `"pycocotools"`, or `"faster-coco-eval"` for the same figures in
            less time, if that package is installed. Defaults to `"pycocotools"`.
        mask_threshold: Value from which a pixel belongs to a mask. Defaults to `0.5`.
        on_error: How to handle a picture that cannot be read. `"skip"` lists it in the
            result, and its objects do not count. `"raise"` raises its
            `keras_nonlocal.data.ImageError`. A function is called with the error and
            either raises or has the picture left out. Defaults to `"skip"`.
        max_errors: Number of pictures that may be left out. One more raises. Defaults
            to `100`.
        verbose: `1` shows a progress bar over the pictures, `"auto"` is `1`. Defaults
            to `"auto"`.

    Returns:
        A `keras_nonlocal.inference.CocoResult` with `box`, `mask` and `keypoints`, each
        a dictionary of COCO's figures or `None`, and with `per_class`, `detections` and
        `failures`.

    Raises:
        TypeError: If `dataset` is of another kind.
        ValueError: If an argument has a value it cannot have, the classes or keypoints
            of the model are not those of the dataset, `results_file` is of another
            model or other arguments, or in use, or `detections_file` would replace
            something else.
        ImportError: If pycocotools or `evaluator` is missing.

    Example:

    >>> result = keras_nonlocal.evaluate_coco(model, validation)  # doctest: +SKIP
    >>> result.mask["AP"]  # doctest: +SKIP

    References:
        [COCO's detection evaluation](https://cocodataset.org/#detection-eval).
    """
    check_choice("evaluator", evaluator, ("pycocotools", "faster-coco-eval"))
    mask_threshold = check_fraction("mask_threshold", mask_threshold)
    if not isinstance(getattr(dataset, "source", None), CocoSource):
        raise TypeError(
            "`dataset` must be a dataset of `keras_nonlocal.data.coco_dataset`, "
            f"without further transformations. Received: dataset={dataset!r}"
        )
    failures = FailurePolicy(on_error, max_errors)
    source = dataset.source.for_evaluation(failures)
    writer = DetectionWriter(category_ids(model, source), mask_threshold)
    # Whatever can be refused is refused before hours of detecting.
    check_choice("verbose", verbose, ("auto", 0, 1))
    if detections_file is not None:
        detections_file = _checked_target(detections_file, results_file)
    sigmas = oks_sigmas(model, source)
    truth = source.ground_truth()
    found, parts = _detect(model, source, writer, results_file, verbose)
    detections = [entry for own in found.values() for entry in own]
    if detections_file is not None:
        with replacing(detections_file) as unfinished:
            unfinished.write_text(json.dumps(detections), "utf-8")
    return _result(source, truth, found, detections, parts, evaluator, sigmas)


def _checked_target(path: FilePath, results_file: FilePath | None) -> Path:
    """Returns the path for the detections, which replaces nothing but detections."""
    target = local_file("detections_file", path)
    if results_file is not None and same_file(target, results_file):
        raise ValueError(
            "`detections_file` must differ from `results_file`, which it would "
            f"replace. Received: detections_file={str(target)!r}"
        )
    if target.is_file():
        with target.open("rb") as file:
            start = file.read(_START_BYTES)
        if start and not _RESULTS.match(start):
            raise ValueError(
                "`detections_file` must be a new file, or one with detections in "
                "COCO's format of results, which it replaces. "
                f"Received: detections_file={str(target)!r}"
            )
    return target


def _detect(
    model: keras.Model,
    source: CocoSource,
    writer: DetectionWriter,
    results_file: FilePath | None,
    verbose: str | int,
) -> tuple[_Found, list[Part]]:
    """Image id → detections, and what the model finds of each object."""
    names: set[str] = set()
    settings = partial(_settings, model, source, writer)
    with CocoResultsFile.opened(results_file, settings) as results:
        found: _Found = {} if results is None else results.known()
        shown = 1 if verbose == "auto" else int(verbose)
        bar = keras.utils.Progbar(
            source.num_pictures, verbose=shown, unit_name="picture"
        )
        bar.update(len(found))
        for batch in _unknown(source, found):
            outputs = _outputs(model, batch)
            names |= outputs.keys()
            pictures = writer.batch(batch, outputs)
            for picture, own in zip(batch.pictures, pictures, strict=True):
                found[picture.id] = own
                if results is not None:
                    results.write(picture.id, own)
                bar.add(1)
    return found, _parts(model, source, names, found)


def _unknown(source: CocoSource, found: _Found) -> Iterator[LoadedBatch]:
    """Loads the pictures that have no detections yet."""

    def rest() -> Iterator[Task]:
        for task in source.tasks(0):
            items = tuple(item for item in task.items if item.picture.id not in found)
            if items:
                yield task._replace(items=items)

    for batch in Workers(source.load, num_processors()).in_order(rest()):
        if batch is not None:
            yield batch


def _outputs(model: keras.Model, batch: LoadedBatch) -> dict[str, np.ndarray]:
    outputs = model.predict_on_batch(fitted_to_input(model, batch.x))
    missing = {"boxes", "scores", "labels"} - {*outputs}
    if missing:
        raise ValueError(
            '`model` must return "boxes", "scores" and "labels". '
            f"Received: a model without {', '.join(sorted(missing))}"
        )
    return {name: np.asarray(values) for name, values in outputs.items()}


def _parts(
    model: keras.Model, source: CocoSource, names: set[str], found: _Found
) -> list[Part]:
    """Lists the parts that both the detections and the annotations have."""
    for own in found.values():
        names = names.union(*own)
    targets = source.plan.targets
    parts: list[Part] = ["box"]
    has_masks = getattr(model, "has_masks", False) or names & {"masks", "segmentation"}
    if has_masks and targets.mask_size is not None:
        parts.append("mask")
    has_keypoints = getattr(model, "has_keypoints", False) or "keypoints" in names
    if has_keypoints and targets.keypoints is not None:
        parts.append("keypoints")
    return parts


def _result(
    source: CocoSource,
    truth: dict[str, Any],
    found: _Found,
    detections: list[dict[str, Any]],
    parts: Sequence[Part],
    evaluator: Evaluator,
    sigmas: Sequence[float] | None,
) -> CocoResult:
    if "keypoints" in parts:
        sigmas = checked_sigmas(sigmas, source)
    figures = {
        part: part_figures(
            part,
            truth,
            detections,
            [*found],
            evaluator,
            sigmas if part == "keypoints" else None,
        )
        for part in parts
    }
    objects = count_objects(truth, found)
    per_class = [
        {
            "class": name,
            "objects": objects[category],
            **{part: own.class_ap[category] for part, own in figures.items()},
        }
        for category, name in zip(
            source.categories.ids, source.categories.names, strict=True
        )
    ]
    return CocoResult(
        num_pictures=len(found),
        box=figures["box"].figures,
        mask=figures["mask"].figures if "mask" in figures else None,
        keypoints=figures["keypoints"].figures if "keypoints" in figures else None,
        per_class=per_class,
        detections=detections,
        failures=source.failures.reasons,
    )


def _settings(
    model: keras.Model, source: CocoSource, writer: DetectionWriter
) -> dict[str, Any]:
    """Returns everything that the detections depend on."""
    sizing = source.plan.sizing
    return {
        "model": model_fingerprint(model),
        "short_side": sizing.short_sides[1],
        "long_side": sizing.long_side,
        "buckets": [[*shape] for shape in sizing.shapes],
        "mask_threshold": writer.mask_threshold,
        "category_ids": [*writer.category_ids],
        "data": source.checksum(),
    }
