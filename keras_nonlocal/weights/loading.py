"""Loads checkpoints. Everything is checked before anything is assigned."""

import os
import warnings
from collections.abc import Sequence

import keras

from keras_nonlocal.files import replacing, same_file
from keras_nonlocal.layer_names import PREDICTIONS
from keras_nonlocal.weights.checkpoint import Checkpoint, read_checkpoint
from keras_nonlocal.weights.errors import CheckpointError
from keras_nonlocal.weights.names import (
    NAMINGS,
    Recognition,
    recognize,
)
from keras_nonlocal.weights.planning import MAX_NAME, planned
from keras_nonlocal.weights.report import LoadReport
from keras_nonlocal.weights.slots import Slot, model_slots


def load_checkpoint(
    model: keras.Model, path: str | os.PathLike[str], *, strict: bool = True
) -> LoadReport:
    """Loads a checkpoint of any supported project into a network of this package.

    The format and the project are recognized from the content:

    - Caffe2 `.pkl` of the paper's authors, also with frozen batch norms, and their
      PyTorch conversion by pytorch-resnet3d;
    - PySlowFast and PyTorchVideo `.pyth`, mmaction2 and GluonCV `.pth`;
    - torchvision and timm ResNets `.pth`;
    - detectors of Detectron and Detectron2 `.pkl`, torchvision and mmdetection `.pth`;
    - Keras's `.weights.h5`, `.h5` and `.keras`;
    - `.npz` with any of these names.

    Prefixes that wrappers put before every name, such as `module.` or
    `_orig_mod.backbone.`, may have any depth. Momenta, counters and averages (EMA)
    beside the weights are skipped. The kernels of an image network are inflated: each
    of the `t` planes of a `t×k×k` kernel is the `k×k` kernel divided by `t`. In layers
    with LoRA, what LoRA has added to a kernel is reset. Reading is safe for untrusted
    files; see `read_checkpoint`.

    Args:
        model: A network or a detector of this package.
        path: The file.
        strict: Whether to raise an error for a missing, extra, misshaped or non-finite
            weight. With `False`, everything that fits is loaded and the rest keeps its
            values, for fine-tuning with a different number of classes. Defaults to
            `True`.

    Returns:
        A report on the loaded, skipped and unchanged weights.

    Raises:
        CheckpointError: If the file cannot be read, if nothing in it fits, or, with
            `strict`, if anything does not fit. The model then stays unchanged.
        ValueError: If the model is quantized.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     input_shape=(8, 64, 64, 3), classes=5, width=8)
    >>> model.save_weights("nl.weights.h5")
    >>> report = keras_nonlocal.weights.load_checkpoint(model, "nl.weights.h5")
    >>> report.naming, report.left
    ('keras', ())
    """
    return assign_checkpoint(model, read_checkpoint(path), strict=strict)


def convert_checkpoint(
    model: keras.Model,
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    strict: bool = True,
) -> LoadReport:
    """Loads a checkpoint into a model and writes it as a Keras weights file.

    Args:
        model: The network that the checkpoint belongs to.
        source: A file that `load_checkpoint` supports.
        destination: Path of the new file; it must end in `.weights.h5`.
        strict: As in `load_checkpoint`. Defaults to `True`.

    Returns:
        A report on the loaded, skipped and unchanged weights.

    Raises:
        ValueError: If `destination` does not end in `.weights.h5`, or is `source`.
        CheckpointError: As in `load_checkpoint`.
    """
    if not os.fspath(destination).endswith(".weights.h5"):
        raise ValueError(
            "`destination` must end in `.weights.h5`. "
            f"Received: destination={os.fspath(destination)!r}"
        )
    if same_file(source, destination):
        raise ValueError(
            "`destination` must differ from `source`, which it would replace. "
            f"Received: destination={os.fspath(destination)!r}"
        )
    report = load_checkpoint(model, source, strict=strict)
    with replacing(destination) as unfinished:
        model.save_weights(unfinished)
    return report


def recognized(checkpoint: Checkpoint) -> Recognition:
    """Returns the naming of a file.

    Raises:
        CheckpointError: If the naming is unknown.
    """
    found = recognize(checkpoint.arrays)
    if found is None:
        raise CheckpointError(
            checkpoint.path,
            "The weights have none of the known namings, "
            f"{', '.join(dict.fromkeys(naming.name for naming in NAMINGS))}; the first "
            f"is {next(iter(checkpoint.arrays))[:MAX_NAME]!r}.",
        )
    return found


def _check_not_quantized(model: keras.Model, slots: Sequence[Slot]) -> None:
    quantized = next((slot.name for slot in slots if slot.is_quantized), None)
    if quantized is not None:
        raise ValueError(
            "`model` must not be quantized; load the checkpoint before `quantize`, or "
            "use `model.load_weights` for a file of the quantized model. "
            f"Received: model={model.name!r} with the quantized weight {quantized!r}"
        )


def assign_checkpoint(
    model: keras.Model,
    checkpoint: Checkpoint,
    *,
    strict: bool = True,
    without_head: bool = False,
    other_classes: bool = False,
    new_blocks: bool = False,
) -> LoadReport:
    """Loads the content of a file as `load_checkpoint` does.

    Args:
        model: A network of this package.
        checkpoint: The file's content.
        strict: As in `load_checkpoint`.
        without_head: Whether a model without a classifier may ignore the file's, even
            with `strict`.
        other_classes: Whether the model's classifier, and the layers of a detector
            that depend on its classes, may keep their values if the file's have another
            shape, even with `strict`.
        new_blocks: Whether non-local blocks of which the file has nothing may keep
            their values, even with `strict`.
    """
    found = recognized(checkpoint)
    naming, prefix = found.naming, found.prefix
    slots = model_slots(model)
    _check_not_quantized(model, slots)
    plan = planned(slots, found, checkpoint)
    if (
        without_head
        and naming.head_prefix
        and not any(slot.name.startswith(f"{PREDICTIONS}/") for slot in slots)
    ):
        beginning = prefix + naming.head_prefix
        head = [key for key in plan.unexpected if key.startswith(beginning)]
        plan.unexpected = [key for key in plan.unexpected if key not in head]
        plan.unused_head = head
    if other_classes:
        plan.excuse_other_head()
    if new_blocks:
        plan.excuse_new_blocks()
    problems = plan.problems()
    if strict and problems:
        raise CheckpointError(
            checkpoint.path,
            f"The checkpoint ({naming.name}) does not fit the model {model.name!r}. "
            + " ".join(problems),
        )
    if not plan.values:
        raise CheckpointError(
            checkpoint.path, f"Nothing in the checkpoint fits {model.name!r}."
        )
    for slot, value in plan.values:
        slot.assign(value)
    for note in plan.notes:
        warnings.warn(note, stacklevel=3)
    return plan.report(checkpoint, naming)
