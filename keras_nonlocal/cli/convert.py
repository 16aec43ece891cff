"""`keras-nonlocal convert`: converts a checkpoint to a Keras weights file."""

import argparse
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.options.network import add_network_options, network_arguments

_TOLERANCE = 1e-4
_USUAL_SIDE = 224


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "convert",
        help="convert a checkpoint of another project to a Keras weights file",
        description="Loads a checkpoint of any project that `load_checkpoint` knows, "
        "strictly, and writes it as `.weights.h5`. With --reference it reads that file "
        "back and compares the network's logits with given ones.",
        epilog="exit codes: 0; 1 if a difference is above the tolerance (the file is "
        "written nevertheless); 2 for a user's error. "
        "example: keras-nonlocal convert i3d_nonlocal_8x8_IN_pretrain_400k.pkl "
        "i3d.weights.h5 --depth 50 --variant i3d --stem-pool-padding valid",
    )
    command.add_argument("source", help=".pkl, .pyth, .pth, .npz, .h5 or .keras")
    command.add_argument("destination", help="ends in .weights.h5")
    add_network_options(command)
    command.add_argument(
        "--reference",
        metavar="CASE.npz",
        help="`clip` (batch, frames, height, width, channels), normalized, its "
        "`logits` (batch, classes) and, optionally, `mean_s1` … `mean_s5` "
        "(batch, channels), the features after the stem and res2 … res5 averaged "
        "over all positions",
    )
    command.add_argument(
        "--tolerance",
        type=float,
        default=_TOLERANCE,
        help="largest difference relative to the largest reference value "
        "(default: %(default)s)",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    from keras_nonlocal.weights import convert_checkpoint, parity_report

    arguments, num_frames = network_arguments(options)
    reference = None if options.reference is None else _reference(options.reference)
    model = _network(arguments, num_frames, reference)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the report contains the notes
        report = convert_checkpoint(model, options.source, options.destination)
    parity = None
    if reference is not None:
        model.load_weights(options.destination)
        parity = parity_report(
            model,
            _as_input(reference["clip"]),
            reference["logits"],
            {key: value for key, value in reference.items() if key.startswith("mean_")},
            tolerance=options.tolerance,
        )
    if options.json:
        printed: dict[str, Any] = {
            "destination": options.destination,
            "load": asdict(report),
            "parity": parity and {**asdict(parity), "passed": parity.passed},
        }
        print_json(printed)
    else:
        print(report)
        print(f"written to {options.destination}")
        if parity is not None:
            print(f"\ndifference from {options.reference}\n{parity}")
    return 0 if parity is None or parity.passed else 1


def _network(
    arguments: Mapping[str, Any],
    num_frames: int | None,
    reference: Mapping[str, Any] | None,
) -> Any:
    """Builds the network, for clips of the reference's shape if there is one."""
    from keras_nonlocal.models import NLResNet

    if reference is not None:
        own_frames = reference["clip"].shape[1]
        if num_frames not in (None, own_frames):
            raise ValueError(
                "The clip of `--reference` must have the network's number of frames, "
                f"{num_frames}. Received: clip.shape={reference['clip'].shape}"
            )
        shape = _as_input(reference["clip"]).shape[1:]
        return NLResNet(input_shape=shape, classifier_activation=None, **arguments)
    if num_frames is None:
        return NLResNet(classifier_activation=None, **arguments)
    return NLResNet(
        input_shape=_channels_placed(num_frames),
        classifier_activation=None,
        **arguments,
    )


def _channels_placed(num_frames: int) -> tuple[int, ...]:
    positions = (num_frames, _USUAL_SIDE, _USUAL_SIDE)
    return (3, *positions) if _channels_first() else (*positions, 3)


def _as_input(clip: Any) -> Any:
    """Returns the clip in Keras's image data format."""
    import numpy as np

    return np.moveaxis(clip, -1, 1) if _channels_first() else clip


def _channels_first() -> bool:
    import keras

    return keras.config.image_data_format() == "channels_first"


def _reference(path: str) -> Mapping[str, Any]:
    """Returns the arrays of the reference file, read as safely as a checkpoint."""
    from keras_nonlocal.weights import read_checkpoint

    arrays = read_checkpoint(path).arrays
    if not {"clip", "logits"} <= arrays.keys() or arrays["clip"].ndim != 5:
        shapes = {key: array.shape for key, array in arrays.items()}
        raise ValueError(
            "`--reference` must hold `clip` (batch, frames, height, width, channels) "
            f"and `logits`. Received: reference={path!r} with {shapes}"
        )
    return arrays
