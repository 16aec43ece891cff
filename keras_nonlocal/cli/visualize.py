"""`keras-nonlocal visualize`: draws attention and class activation in a video."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.options.class_names import (
    add_class_names_option,
    class_names_or_numbers,
)
from keras_nonlocal.cli.options.model_file import (
    add_model_argument,
    load_classifier_file,
    load_model_file,
)
from keras_nonlocal.cli.options.views import (
    FRAME_STRIDE_HELP,
    TARGET_FPS_HELP,
    trained_rate,
)

if TYPE_CHECKING:
    from keras_nonlocal.visualize import Attention, ClassActivation

_KINDS = ("attention", "grad-cam")
_CLIP = (
    "num_frames",
    "frame_stride",
    "start",
    "crop_size",
    "short_side",
    "target_fps",
    "picture_height",
)
# Options of each kind, besides the clip and the layer.
_OWN = {"attention": ("query", "connections"), "grad-cam": ("class_name",)}


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "visualize",
        help="draw attention or class activation in a video",
        description="Draws what one position of a clip attends to, or where and when a "
        "class shows (Grad-CAM), over the frames: side by side as .png, or one after "
        "the other as .mp4.",
        epilog="exit codes: 0; 2 for a user's error. "
        "example: keras-nonlocal visualize model.keras ball.mp4 ball.png "
        "--query 0 80 120",
    )
    add_model_argument(command)
    command.add_argument(
        "video", metavar="VIDEO", help="a video file, or a folder of frames"
    )
    command.add_argument(
        "output", metavar="OUTPUT", help="output file, which ends in .png or .mp4"
    )
    command.add_argument(
        "--kind", choices=_KINDS, default=_KINDS[0], help="(default: %(default)s)"
    )
    command.add_argument(
        "--layer", metavar="NAME", help="(default: the last non-local block)"
    )
    _add_own_options(command)
    _add_clip_options(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(
        renamed={
            "layer_name": "layer",
            "num_connections": "connections",
            "video": "VIDEO",
            "output": "OUTPUT",
        }
    )
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    _check_kind(options)
    attends = options.kind == "attention"
    model = (load_model_file if attends else load_classifier_file)(options.model)
    from keras_nonlocal import visualize
    from keras_nonlocal.data.opening import open_any_video

    given = vars(options)
    stated = {name: given[name] for name in _CLIP if name in given}
    clip = visualize.ClipChoice(**trained_rate(model, options.model, stated) | stated)
    files = (model, options.video, options.output, options.layer)
    names = class_names_or_numbers(model, options)
    printed: dict[str, Any]
    if attends:
        attention = visualize.draw_attention(
            *files,
            query=getattr(options, "query", None),
            num_connections=getattr(options, "connections", 20),
            class_names=names,
            clip=clip,
            open_video=open_any_video,
        )
        printed, text = _attention_report(attention)
    else:
        activation = visualize.draw_grad_cam(
            *files,
            class_index=_class_index(options, names),
            class_names=names,
            clip=clip,
            open_video=open_any_video,
        )
        printed, text = _activation_report(activation, names)
    if options.json:
        print_json({"output": options.output, **printed})
    else:
        print(f"{text}\nwritten to {options.output}")
    return 0


def _add_own_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("attention", argument_default=argparse.SUPPRESS)
    group.add_argument(
        "--query",
        type=int,
        nargs=3,
        metavar=("FRAME", "ROW", "COLUMN"),
        help="pixel of the model's clip to use as the query, from 0 "
        "(default: the center of the middle frame)",
    )
    group.add_argument(
        "--connections",
        type=int,
        metavar="NUMBER",
        help="maximum number of arrows (default: 20)",
    )
    group = command.add_argument_group("grad-cam", argument_default=argparse.SUPPRESS)
    group.add_argument(
        "--class",
        metavar="CLASS",
        dest="class_name",
        help="name or number of the class (default: the one with the highest score)",
    )
    add_class_names_option(command, "those of Kinetics for 400 classes, else numbers")


def _add_clip_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("clip", argument_default=argparse.SUPPRESS)
    for name, kind, unit, meaning in (
        ("num-frames", int, "FRAMES", "frames per clip (default: that of the model)"),
        ("frame-stride", int, "FRAMES", FRAME_STRIDE_HELP),
        (
            "start",
            float,
            "SECONDS",
            "start of the clip (default: a clip in the middle)",
        ),
        ("crop-size", int, "PIXELS", "side of the square (default: that of the model)"),
        (
            "short-side",
            int,
            "PIXELS",
            "length of the scaled shorter side (default: 8/7 of the crop)",
        ),
        (
            "target-fps",
            float,
            "RATE",
            TARGET_FPS_HELP,
        ),
        ("picture-height", int, "PIXELS", "height of a drawn frame (default: 320)"),
    ):
        group.add_argument(f"--{name}", type=kind, metavar=unit, help=meaning)


def _check_kind(options: argparse.Namespace) -> None:
    """Raises an error if an option belongs to the other kind."""
    for kind, names in _OWN.items():
        for name in names:
            if kind != options.kind and name in vars(options):
                option = "class" if name == "class_name" else name
                raise ValueError(
                    f"`--{option}` belongs to `--kind {kind}`. "
                    f"Received: kind={options.kind!r}"
                )


def _class_index(options: argparse.Namespace, names: tuple[str, ...]) -> int | None:
    name = getattr(options, "class_name", None)
    if name is None:
        return None
    if name in names:
        return names.index(name)
    if name.isdecimal() and int(name) < len(names):
        return int(name)
    raise ValueError(
        f"`--class` must be the name or number of one of the {len(names)} classes. "
        f"Received: {name!r}"
    )


def _attention_report(attention: "Attention") -> tuple[dict[str, Any], str]:
    weights = [round(float(weight), 6) for weight in attention.frame_weights]
    printed = {**asdict(attention), "frame_weights": weights}
    drawn = sum(connection.weight for connection in attention.connections)
    text = (
        f"{attention.layer_name}: {len(attention.connections)} connections with "
        f"{drawn:.3f} of the weight\nweight per frame: "
        f"{' '.join(f'{weight:.3f}' for weight in weights)}"
    )
    return printed, text


def _activation_report(
    activation: "ClassActivation", names: tuple[str, ...]
) -> tuple[dict[str, Any], str]:
    name = names[activation.class_index]
    strengths = activation.heat.max(axis=(1, 2)).tolist()
    printed = {
        "layer_name": activation.layer_name,
        "class_index": activation.class_index,
        "class": name,
        "score": activation.score,
        "strength_per_feature_frame": strengths,
    }
    text = (
        f"{activation.layer_name}: class {name} with the score {activation.score:.4f}"
    )
    return printed, text
