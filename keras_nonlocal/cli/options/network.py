"""The options for a network."""

import argparse
from collections.abc import Mapping
from typing import Any

from keras_nonlocal.architectures import DEPTHS, VARIANTS

VIDEO_VARIANTS = tuple(key for key, row in VARIANTS.items() if row.rank == 3)

_ARCHITECTURE = (
    "depth",
    "variant",
    "nonlocal_blocks",
    "nonlocal_mode",
    "width",
    "classes",
    "stem_temporal_strides",
    "stem_pool_padding",
    "stride_in_1x1",
    "temporal_pool",
)


def add_network_options(command: argparse.ArgumentParser) -> None:
    """Adds `--preset` and, as an alternative, the arguments of `NLResNet`.

    Omitted options are missing in the parsed options, so only `NLResNet` defines the
    defaults.
    """
    command.add_argument(
        "--preset", metavar="NAME", help="a checkpoint listed by `info`"
    )
    group = command.add_argument_group(
        "network, without --preset", argument_default=argparse.SUPPRESS
    )
    group.add_argument("--depth", type=int, choices=tuple(DEPTHS))
    group.add_argument("--variant", choices=VIDEO_VARIANTS)
    group.add_argument("--nonlocal-blocks", type=int, metavar="NUMBER")
    group.add_argument("--nonlocal-mode", metavar="MODE", help="such as dot_product")
    group.add_argument(
        "--width", type=int, metavar="CHANNELS", help="channels of conv1"
    )
    group.add_argument("--classes", type=int, metavar="NUMBER")
    group.add_argument("--stem-temporal-strides", type=int, nargs=2, metavar="STRIDE")
    group.add_argument("--stem-pool-padding", choices=("same", "valid"))
    group.add_argument("--stride-in-1x1", action="store_true")
    group.add_argument("--no-temporal-pool", action="store_false", dest="temporal_pool")
    group.add_argument(
        "--num-frames", type=int, metavar="FRAMES", help="frames per clip"
    )


def network_arguments(options: argparse.Namespace) -> tuple[dict[str, Any], int | None]:
    """Returns the arguments of `NLResNet` and the number of frames.

    Raises:
        ValueError: If the preset is unknown, if it is combined with options of a
            network, or if neither is given.
    """
    given = {key: value for key, value in vars(options).items() if key in _ARCHITECTURE}
    num_frames = getattr(options, "num_frames", None)
    if options.preset is not None:
        if given or num_frames is not None:
            given.setdefault("num_frames", num_frames)
            raise ValueError(
                "`--preset` cannot be combined with other options of the network. "
                f"Received: preset={options.preset!r} and {', '.join(sorted(given))}"
            )
        preset = _preset(options.preset)
        return dict(preset.architecture), preset.num_frames
    if not {"depth", "variant"} <= given.keys():
        raise ValueError(
            "Either `--preset` or `--depth` and `--variant` must be given. "
            f"Received: {_described(given)}"
        )
    if "stem_temporal_strides" in given:
        given["stem_temporal_strides"] = tuple(given["stem_temporal_strides"])
    return given, num_frames


def _preset(name: str) -> Any:
    from keras_nonlocal.weights import PRESETS

    if name not in PRESETS:
        raise ValueError(
            "`--preset` must be one of those that `keras-nonlocal info` lists. "
            f"Received: preset={name!r}"
        )
    return PRESETS[name]


def _described(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in given.items()) or "neither"
