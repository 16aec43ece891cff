"""`keras-nonlocal detect`: the objects in pictures and videos."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_nonlocal.cli.detect_videos import (
    detect_in_video,
    listed_objects,
    print_objects,
)
from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.options.class_names import (
    add_class_names_option,
    detector_class_names,
)
from keras_nonlocal.cli.options.model_file import add_model_argument, load_detector_file
from keras_nonlocal.cli.options.pictures import add_side_options
from keras_nonlocal.files import printable

_Outputs = dict[str, tuple[Path, ...]]

# In the pictures that the command may replace.
_COMMENT = "drawn by keras-nonlocal detect"


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "detect",
        help="the objects in pictures and videos",
        description="Finds objects in pictures and in the frames of videos, and prints "
        "the class, the score, the box and the keypoints of each in pixels. With "
        "--output, it also draws them.",
        epilog="exit codes: 0; 1 if a file could not be read; 2 for a user's error. "
        "example: keras-nonlocal detect model.keras a.jpg b.mp4 --output drawn",
    )
    add_model_argument(command, "train-coco")
    command.add_argument(
        "files", nargs="+", metavar="FILE", help="a picture or a video, by its content"
    )
    command.add_argument(
        "--output",
        metavar="DIR",
        help="folder for the drawn pictures, NAME.png each, and for videos: NAME.mp4 "
        "and, with the detections, NAME.jsonl, from which an interrupted command "
        "resumes; only files that the command wrote are replaced",
    )
    command.add_argument(
        "--every",
        default="1",
        metavar="STEP",
        help="frames of a video to search: 5 for every 5th, 0.5s for one each half "
        "second (default: %(default)s)",
    )
    add_class_names_option(command, "those of the model, else numbers")
    command.add_argument(
        "--min-score",
        type=float,
        default=0.5,
        metavar="SCORE",
        help="of the objects that are shown (default: %(default)s)",
    )
    add_side_options(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(renamed={"results_file": "output"})
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    from keras_nonlocal.data import ImageError
    from keras_nonlocal.video_detection.frame_choice import FrameChoice
    from keras_nonlocal.video_detection.media import is_video

    if not 0 <= options.min_score <= 1:
        raise ValueError(
            "`min_score` must be a number from 0 to 1. "
            f"Received: min_score={options.min_score}"
        )
    FrameChoice.of(options.every)
    videos = {path for path in options.files if is_video(path)}
    outputs = _outputs(options, videos)
    model = load_detector_file(options.model)
    names = detector_class_names(model, options)
    rows: dict[str, list[dict[str, Any]]] = {"pictures": [], "videos": []}
    for path in options.files:
        if path in videos:
            row = detect_in_video(model, path, names, outputs.get(path), options)
            rows["videos"].append(row)
            continue
        try:
            found = _detect(model, path, names, outputs.get(path), options)
            rows["pictures"].append({"path": path, "objects": found})
        except ImageError as error:
            rows["pictures"].append({"path": path, "error": error.reason})
        if not options.json:
            _print(rows["pictures"][-1])
    if options.json:
        print_json(rows)
    return 1 if any("error" in row for part in rows.values() for row in part) else 0


def _outputs(options: argparse.Namespace, videos: set[str]) -> _Outputs:
    """The files that each picture or video is written to."""
    if options.output is None:
        return {}
    from keras_nonlocal.files import local_path

    folder = local_path("output", options.output)
    if folder.exists() and not folder.is_dir():
        raise ValueError(
            f"`output` must be a folder. Received: output={options.output!r}, a file"
        )
    endings = {
        path: (".mp4", ".jsonl") if path in videos else (".png",)
        for path in options.files
    }
    outputs = {
        path: tuple(folder / f"{Path(path).stem}{ending}" for ending in own)
        for path, own in endings.items()
    }
    paths = [path for own in outputs.values() for path in own]
    if len({*paths}) < len(paths):
        raise ValueError(
            "Pictures and videos that are drawn must have different names. "
            f"Received: {options.files}"
        )
    sources = {Path(path).resolve() for path in options.files}
    if overwritten := sorted(str(p) for p in paths if p.resolve() in sources):
        raise ValueError(
            "`output` must be another folder than that of the files. "
            f"Received: output={options.output!r}, with {overwritten}"
        )
    _check_replaced([path for path in paths if path.suffix == ".png"], options.output)
    folder.mkdir(parents=True, exist_ok=True)
    return outputs


def _check_replaced(pictures: Sequence[Path], output: str) -> None:
    """Raises an error if pictures are replaced that this command did not draw.

    `detect_video` does the same for videos.
    """
    from keras_nonlocal.visualize.picture_files import comment_of_png

    others = [
        str(path)
        for path in pictures
        if path.exists() and not (path.is_file() and comment_of_png(path) == _COMMENT)
    ]
    if others:
        raise ValueError(
            "`output` must be a folder without other pictures of these names. "
            f"Received: output={output!r}, with {others}"
        )


def _detect(
    model: Any,
    path: str,
    names: Sequence[str],
    outputs: tuple[Path, ...] | None,
    options: argparse.Namespace,
) -> list[dict[str, Any]]:
    from keras_nonlocal.inference.pictures import predict_picture, read_pixels

    pixels = read_pixels(path)
    found = predict_picture(
        model, pixels, short_side=options.short_side, long_side=options.long_side
    )
    if outputs is not None:
        _draw(model, pixels, found, names, outputs[0], options.min_score)
    return listed_objects(
        [names[label] for label in found["labels"]],
        found,
        options.min_score,
        model.keypoints if model.has_keypoints else None,
    )


def _draw(
    model: Any,
    pixels: Any,
    found: dict[str, Any],
    names: Sequence[str],
    output: Path,
    min_score: float,
) -> None:
    from keras_nonlocal.visualize import draw_detections, draw_poses
    from keras_nonlocal.visualize.picture_files import write_png

    if model.has_keypoints:
        points = model.keypoints
        drawn = draw_poses(
            pixels, found, points, class_names=names, min_score=min_score
        )
    else:
        drawn = draw_detections(pixels, found, names, min_score=min_score)
    write_png(output, drawn, _COMMENT)


def _print(row: dict[str, Any]) -> None:
    if "error" in row:
        print(printable(f"{row['path']}: {row['error']}"), file=sys.stderr)
        return
    print(printable(row["path"]))
    print_objects(row["objects"])
