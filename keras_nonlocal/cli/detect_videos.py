"""The objects in a video, for `keras-nonlocal detect`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_nonlocal.files import printable

if TYPE_CHECKING:
    from keras_nonlocal.detection import KeypointSet


def detect_in_video(
    model: Any,
    path: str,
    names: Sequence[str],
    outputs: tuple[Path, ...] | None,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Finds the objects of a video and prints them, unless JSON is asked for.

    Args:
        model: The detector.
        path: The video.
        names: Names of the classes.
        outputs: The MP4 and the results file to write, or `None`.
        options: The options of the command.

    Returns:
        The row of the video for JSON.
    """
    from keras_nonlocal.video_detection import detect_video

    row: dict[str, Any] = {"path": path}

    def remember(error: Any) -> None:
        row["error"] = error.reason

    drawn, results_file = outputs or (None, None)
    found = detect_video(
        model,
        path,
        every=options.every,
        output=drawn,
        results_file=results_file,
        class_names=names,
        min_score=options.min_score,
        short_side=options.short_side,
        long_side=options.long_side,
        on_error=remember,
        verbose=int(sys.stdout.isatty() and not options.json),
    )
    if not options.json and ("error" not in row or len(found)):
        print(printable(path))
    if results_file is None:
        keypoints = model.keypoints if model.has_keypoints else None
        row["frames"] = _listed(found, options, keypoints)
    elif len(found):
        row |= _counted(found, options.min_score)
        row["results"] = str(results_file)
        row["drawn"] = str(drawn)
        if not options.json:
            print(f"  objects in {row['with_objects']} of {row['frames']} frames")
    if not options.json and "error" in row:
        print(printable(f"{path}: {row['error']}"), file=sys.stderr)
    return row


def listed_objects(
    classes: Sequence[str],
    found: Mapping[str, Any],
    min_score: float,
    keypoints: "KeypointSet | None" = None,
) -> list[dict[str, Any]]:
    """Returns the class, the score, the box and the keypoints of each object.

    Args:
        classes: Names of their classes.
        found: As `predict_picture` returns it.
        min_score: Objects with a lower score are left out.
        keypoints: The keypoints of the model, if it has any. Defaults to `None`.
    """
    rows = []
    for index, score in enumerate(found["scores"]):
        if score < min_score:
            continue
        row: dict[str, Any] = {
            "class": classes[index],
            "score": float(score),
            "box": [round(float(side), 2) for side in found["boxes"][index]],
        }
        if keypoints is not None:
            row["keypoints"] = _listed_points(found["keypoints"][index], keypoints)
        rows.append(row)
    return rows


def _listed_points(points: Any, keypoints: "KeypointSet") -> list[dict[str, Any]]:
    names = keypoints.names or [str(number) for number in range(keypoints.count)]
    return [
        {
            "name": name,
            "x": round(float(x), 2),
            "y": round(float(y), 2),
            "score": round(float(score), 4),
        }
        for name, (x, y, score) in zip(names, points, strict=True)
    ]


def print_objects(entries: Sequence[dict[str, Any]], indent: str = "  ") -> None:
    """Prints one line per object, and one per keypoint."""
    for entry in entries:
        box = " ".join(f"{side:.0f}" for side in entry["box"])
        print(f"{indent}{entry['score']:.4f}  {entry['class']}  {box}")
        for point in entry.get("keypoints", ()):
            place = f"{point['x']:.0f} {point['y']:.0f}"
            line = f"{indent}  {point['score']:.4f}  {point['name']}  {place}"
            print(printable(line))
    if not entries:
        print(f"{indent}nothing")


def _listed(
    found: Any, options: argparse.Namespace, keypoints: "KeypointSet | None"
) -> list[dict[str, Any]]:
    """The objects of each frame; they are printed as soon as they are found."""
    rows = []
    for frame in found:
        entries = listed_objects(
            frame.names, frame.drawn(), options.min_score, keypoints
        )
        if options.json:
            row = {"frame": frame.index, "time": frame.time, "objects": entries}
            rows.append(row)
        else:
            print(f"  {frame.time:.3f} s", flush=True)
            print_objects(entries, "    ")
    return rows


def _counted(found: Any, min_score: float) -> dict[str, int]:
    with_objects = sum(bool((frame.scores >= min_score).any()) for frame in found)
    return {"frames": len(found), "with_objects": with_objects}
