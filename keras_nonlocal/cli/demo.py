"""`keras-nonlocal demo`: a page in the browser that shows what a model does."""

import argparse
import os
from pathlib import Path
from typing import Any

from keras_nonlocal.cli.options.class_names import (
    add_class_names_option,
    class_names_or_numbers,
    detector_class_names,
)
from keras_nonlocal.cli.options.model_file import (
    add_model_argument,
    as_classifier,
    load_model_file,
)
from keras_nonlocal.cli.options.views import (
    add_view_options,
    given_steps,
    given_views,
)


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="try a model in the browser",
        description="Opens a page on this machine. Drop a video, or use the camera, "
        "and see the classes with the highest scores, the attention over the frames "
        "and Grad-CAM. A detector takes pictures and draws their objects. Nothing is "
        "sent to other machines.",
        epilog="exit codes: 0 if it was ended by Ctrl+C; 2 for a user's error. "
        "example: keras-nonlocal demo model.keras --examples videos/test",
    )
    add_model_argument(command)
    command.add_argument(
        "--examples",
        metavar="DIR",
        help="directory with videos, or pictures for a detector, to choose from",
    )
    command.add_argument(
        "--port", type=int, metavar="NUMBER", help="(default: a free one from 7860 on)"
    )
    command.add_argument(
        "--no-browser",
        action="store_true",
        help="do not open the browser; the address is printed",
    )
    add_class_names_option(command, "those of Kinetics for 400 classes, else numbers")
    add_view_options(command, num_clips=4, num_crops=1)
    command.set_defaults(renamed={"directory": "examples"})
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    from keras_nonlocal.demo.server import check_port, local_folder, serve
    from keras_nonlocal.optional_packages import import_gradio

    check_port(options.port)
    with local_folder() as folder:
        import_gradio()
        model = load_model_file(options.model)
        page, examples = _page(model, folder, options)
        serve(
            page,
            port=options.port,
            opens_browser=not options.no_browser,
            readable=examples,
            announce=_announce,
        )
    return 0


def _announce(address: str) -> None:
    print(f"The demo is at {address} (end it with Ctrl+C)", flush=True)


def _page(
    model: Any, folder: Path, options: argparse.Namespace
) -> tuple[Any, list[str]]:
    """Returns the page for a model and the examples on it."""
    from keras_nonlocal.demo.page import classifier_page, detector_page
    from keras_nonlocal.demo.scoring import ClassifierDemo, DetectorDemo
    from keras_nonlocal.detection import RegionModel

    name = Path(options.model).stem
    if isinstance(model, RegionModel):
        pictures = _examples(options.examples, of_pictures=True)
        detector = DetectorDemo(model, detector_class_names(model, options))
        return detector_page(detector, name, pictures), pictures
    videos = _examples(options.examples, of_pictures=False)
    model = as_classifier(model)
    names = class_names_or_numbers(model, options)
    views = given_views(model, options)
    classifier = ClassifierDemo(model, names, views, folder, **given_steps(options))
    return classifier_page(classifier, name, videos), videos


def _examples(directory: str | None, of_pictures: bool) -> list[str]:
    """Returns the absolute paths of the videos or pictures below a directory."""
    if directory is None:
        return []
    from keras_nonlocal.data import list_directory

    if not of_pictures:
        return [*map(os.path.abspath, list_directory(directory, labels=None).paths)]
    from keras_nonlocal.data.lists.video_search import PICTURE_EXTENSIONS

    if not os.path.isdir(directory):
        raise ValueError(f"`examples` must be a directory. Received: {directory!r}")
    found = sorted(
        path
        for path in Path(directory).rglob("*")
        if path.name.lower().endswith(PICTURE_EXTENSIONS)
    )
    return [str(path.absolute()) for path in found]
