"""COCO's figures by pycocotools or faster-coco-eval."""

import contextlib
import io
import math
from collections import Counter
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from keras_nonlocal.inference.coco_result import Detection, Figures
from keras_nonlocal.optional_packages import (
    import_faster_coco_eval,
    import_pycocotools_evaluation,
)

Evaluator = Literal["pycocotools", "faster-coco-eval"]
Part = Literal["box", "mask", "keypoints"]

# The type of overlap, what a detection must have, and the names of the figures.
_OVERLAPS = {"box": "bbox", "mask": "segm", "keypoints": "keypoints"}
_FIELDS = {"box": "bbox", "mask": "segmentation", "keypoints": "keypoints"}
_NAMES = {
    **dict.fromkeys(
        ("box", "mask"),
        (
            *("AP", "AP50", "AP75", "APs", "APm", "APl"),
            *("AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
        ),
    ),
    "keypoints": (
        *("AP", "AP50", "AP75", "APm", "APl"),
        *("AR", "AR50", "AR75", "ARm", "ARl"),
    ),
}


@dataclass(frozen=True)
class PartFigures:
    """The figures of the boxes, the masks or the keypoints.

    Args:
        figures: By their names, NaN where there are no objects.
        class_ap: Category id → average precision.
    """

    figures: Figures
    class_ap: Mapping[int, float]


def part_figures(
    part: Part,
    ground_truth: Mapping[str, Any],
    detections: Sequence[Detection],
    images: Collection[Any],
    evaluator: Evaluator,
    sigmas: Sequence[float] | None = None,
) -> PartFigures:
    """Compares detections with the ground truth.

    Args:
        part: What is compared.
        ground_truth: Images, annotations and categories in COCO's format.
        detections: Detections in COCO's format of results.
        images: The `id` of each image that counts.
        evaluator: The package that computes the figures.
        sigmas: Standard deviations of the keypoints.
    """
    is_fast = evaluator == "faster-coco-eval"
    coco, evaluation = (
        import_faster_coco_eval() if is_fast else import_pycocotools_evaluation()
    )
    with contextlib.redirect_stdout(io.StringIO()):
        truth = _index(coco, _truth_of(part, ground_truth))
        found = _found(coco, truth, part, detections)
        run = evaluation(truth, found, iouType=_OVERLAPS[part])
        run.params.imgIds = sorted(images)
        if sigmas is not None:
            run.params.kpt_oks_sigmas = np.array(sigmas)
        run.evaluate()
        run.accumulate()
        run.summarize()
    names = _NAMES[part]
    figures = dict(zip(names, map(_figure, run.stats[: len(names)]), strict=True))
    # Overlap, recall, class, size (all of them first), number of detections.
    precision = np.asarray(run.eval["precision"])[:, :, :, 0, -1]
    class_ap = {
        category: _mean(precision[:, :, index])
        for index, category in enumerate(run.params.catIds)
    }
    return PartFigures(figures, class_ap)


def count_objects(
    ground_truth: Mapping[str, Any], images: Container[Any]
) -> Counter[int]:
    """Returns category id → number of objects in these images that are no crowds."""
    return Counter(
        entry["category_id"]
        for entry in ground_truth["annotations"]
        if not entry["iscrowd"] and entry["image_id"] in images
    )


def _truth_of(part: Part, ground_truth: Mapping[str, Any]) -> dict[str, Any]:
    annotations = [dict(entry) for entry in ground_truth["annotations"]]
    if part == "mask":
        annotations = [entry for entry in annotations if entry["segmentation"]]
    elif part == "box":
        for entry in annotations:
            del entry["segmentation"]
    else:
        lengths = {len(e["keypoints"]) for e in annotations if "keypoints" in e}
        for entry in annotations:
            entry.setdefault("num_keypoints", 0)
            entry.setdefault("keypoints", [0.0] * max(lengths, default=0))
    return {**ground_truth, "annotations": annotations}


def _found(coco: Any, truth: Any, part: Part, detections: Sequence[Detection]) -> Any:
    # With the boxes of masks, pycocotools would use their areas for those of masks.
    kept = ("image_id", "category_id", "score", _FIELDS[part])
    entries = [{name: entry[name] for name in kept} for entry in detections]
    if entries:
        return truth.loadRes(entries)
    # `loadRes` does not take an empty list.
    return _index(coco, {**truth.dataset, "annotations": []})


def _index(coco: Any, content: Mapping[str, Any]) -> Any:
    indexed = coco()
    indexed.dataset = content
    indexed.createIndex()
    return indexed


def _figure(value: Any) -> float:
    return math.nan if value < 0 else float(value)


def _mean(precision: np.ndarray) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else math.nan
