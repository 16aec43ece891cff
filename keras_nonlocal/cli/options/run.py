"""The options that training runs of all kinds have."""

import argparse
from typing import Any

from keras_nonlocal.cli.options.fields import add_field
from keras_nonlocal.runs.grouped_settings import GroupedSettings


def add_length_options(
    group: Any, settings: type[GroupedSettings], chosen: str
) -> None:
    """Adds `--updates` and `--epochs`, of which one can be given.

    Args:
        group: A parser or a group of one.
        settings: The settings that have the fields.
        chosen: The length without either of them.
    """
    length = group.add_mutually_exclusive_group()
    add_field(
        length,
        "updates",
        f"length of the run in updates, rounded to epochs (default: {chosen})",
        settings,
        metavar="NUMBER",
    )
    add_field(
        length,
        "epochs",
        "length of the run in epochs (default: see --updates)",
        settings,
        metavar="NUMBER",
    )


def with_one_length(given: dict[str, Any]) -> dict[str, Any]:
    """Returns given fields whose length replaces that of a recipe or a file."""
    if "epochs" in given:
        return given | {"updates": None}
    return given | {"epochs": None} if "updates" in given else given


def add_run_options(
    command: argparse.ArgumentParser,
    settings: type[GroupedSettings],
    seeded: str,
    tensorboard: str,
) -> None:
    """Adds the options of the run folder and the devices, and `--json`.

    Args:
        command: The parser.
        settings: The settings that have the fields.
        seeded: What depends on the seed.
        tensorboard: What is written for TensorBoard.
    """
    group = command.add_argument_group("run")
    fields: tuple[tuple[str, str, str | None], ...] = (
        ("output", "the run folder; an interrupted run in it is resumed", "DIR"),
        (
            "strategy",
            "mirrored for all GPUs, multi-worker for the workers in TF_CONFIG or the "
            "tasks of srun",
            None,
        ),
        ("jit", "compile with XLA; auto: on GPUs", None),
        (
            "precision",
            "auto: bfloat16 where the devices have units for it, and float32 for a "
            "width of less than 16, which gains nothing",
            None,
        ),
        ("seed", f"seed of {seeded}", "NUMBER"),
        (
            "save_every",
            "batches between saved states, besides the end of each epoch",
            "BATCHES",
        ),
        ("validation_freq", "epochs between two validations", "EPOCHS"),
        (
            "check_finite",
            "stop at a non-finite loss and name the layer and the files",
            None,
        ),
        ("tensorboard", f"write {tensorboard}", None),
        ("workers", "processes that decode; 0: threads of this one", "NUMBER"),
    )
    for name, help_text, metavar in fields:
        shown = {} if metavar is None else {"metavar": metavar}
        add_field(group, name, help_text, settings, **shown)
    group.add_argument("--json", action="store_true", help="print JSON")
