"""Checkpoint → model: everything is checked before anything is assigned."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np

from keras_nonlocal.weights.arrays import fit_positions, to_keras_layout
from keras_nonlocal.weights.checkpoint import Checkpoint, read_checkpoint
from keras_nonlocal.weights.errors import CheckpointError
from keras_nonlocal.weights.implied import implied_value
from keras_nonlocal.weights.names import NAMINGS, Naming, notes_on, recognize
from keras_nonlocal.weights.report import LoadReport
from keras_nonlocal.weights.slots import HEAD, Slot, model_slots

_KERNEL_ROLES = ("kernel", "w_f")
_MAX_NAME = 200


def load_checkpoint(
    model: keras.Model, path: str | os.PathLike[str], *, strict: bool = True
) -> LoadReport:
    """Loads a checkpoint of any supported project into a network of this package.

    The format and the project are recognised by the content: Caffe2 `.pkl` of the
    paper's authors (also with frozen batch norms), PySlowFast `.pyth`, mmaction2
    `.pth`, torchvision and timm ResNets `.pth`, and Keras's `.weights.h5`, `.h5`,
    `.keras`; `.npz` with any of these names. The kernels of an image network are
    inflated: each of the `t` planes of a `t×k×k` kernel is the `k×k` kernel divided by
    `t`. See `read_checkpoint` for what makes reading safe.

    Momenta, iteration counters and the like are skipped knowingly.

    Args:
        model: A network of this package.
        path: The file.
        strict: Whether a missing, extra, misshaped or non-finite weight is an error.
            With `False` everything that fits is loaded and the rest stays as it was,
            as fine-tuning on another number of classes needs. Defaults to `True`.

    Returns:
        What was loaded, skipped and left.

    Raises:
        CheckpointError: If the file cannot be read, or nothing in it fits, or, with
            `strict`, anything does not fit. The model is unchanged then.

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
    """Loads a checkpoint into `model` and writes it as a Keras weights file.

    Args:
        model: The network that the checkpoint belongs to.
        source: A file that `load_checkpoint` takes.
        destination: Path of the new file; it must end in `.weights.h5`.
        strict: As in `load_checkpoint`. Defaults to `True`.

    Returns:
        What was loaded, skipped and left.

    Raises:
        ValueError: If `destination` has another ending.
        CheckpointError: As `load_checkpoint` does.
    """
    if not os.fspath(destination).endswith(".weights.h5"):
        raise ValueError(
            "`destination` must end in `.weights.h5`. "
            f"Received: destination={os.fspath(destination)!r}"
        )
    report = load_checkpoint(model, source, strict=strict)
    model.save_weights(os.fspath(destination))
    return report


def assign_checkpoint(
    model: keras.Model,
    checkpoint: Checkpoint,
    *,
    strict: bool = True,
    without_head: bool = False,
    other_classes: bool = False,
) -> LoadReport:
    """`load_checkpoint` for a file that was read already.

    Args:
        model: A network of this package.
        checkpoint: The file's content.
        strict: As in `load_checkpoint`.
        without_head: Whether the file's classifier may stay unused by a model that
            has none, also with `strict`.
        other_classes: Whether the model's classifier may stay as it is where the
            file's has another shape, also with `strict`.
    """
    found = recognize(checkpoint.arrays)
    if found is None:
        raise CheckpointError(
            checkpoint.path,
            "The weights have none of the known namings, "
            f"{', '.join(naming.name for naming in NAMINGS)}; the first is "
            f"{next(iter(checkpoint.arrays))[:_MAX_NAME]!r}.",
        )
    naming, prefix = found
    slots = model_slots(model)
    plan = _planned(slots, naming, prefix, checkpoint.arrays)
    if without_head and not any(slot.name.startswith(f"{HEAD}/") for slot in slots):
        beginning = prefix + naming.head_prefix
        head = [key for key in plan.unexpected if key.startswith(beginning)]
        plan.unexpected = [key for key in plan.unexpected if key not in head]
        plan.unused_head = head
    if other_classes:
        plan.excuse_other_head()
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
        slot.variable.assign(value)
    for note in plan.notes:
        warnings.warn(note, stacklevel=3)
    return plan.report(checkpoint, naming)


@dataclass
class _Plan:
    """What goes where, and what does not."""

    values: list[tuple[Slot, np.ndarray]] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    implied: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshaped: list[tuple[str, str, str]] = field(default_factory=list)
    non_finite: list[tuple[str, str]] = field(default_factory=list)
    unused_head: list[str] = field(default_factory=list)
    other_head: list[tuple[str, str, str]] = field(default_factory=list)
    training_state: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def excuse_other_head(self) -> None:
        """A classifier of another shape is no misfit then."""
        for entry in tuple(self.misshaped):
            if entry[1].startswith(f"{HEAD}/"):
                self.misshaped.remove(entry)
                self.other_head.append(entry)

    def problems(self) -> list[str]:
        """One sentence per kind of misfit, each listing all its cases."""
        lists = {
            "Missing": self.missing,
            "Unexpected": [key[:_MAX_NAME] for key in self.unexpected],
            "Misshaped": [f"{key} {reason}" for key, _, reason in self.misshaped],
            "Not finite": [key for key, _ in self.non_finite],
        }
        return [
            f"{title} ({len(names)}): {', '.join(names)}."
            for title, names in lists.items()
            if names
        ]

    def report(self, checkpoint: Checkpoint, naming: Naming) -> LoadReport:
        unused = self.unexpected + self.unused_head
        skipped = [f"{key[:_MAX_NAME]}: not in the model" for key in unused]
        misshaped = self.misshaped + self.other_head
        skipped += [f"{key}: {reason}" for key, _, reason in misshaped]
        skipped += [f"{key}: not finite" for key, _ in self.non_finite]
        left = self.missing + [name for _, name, _ in misshaped]
        left += [name for _, name in self.non_finite]
        return LoadReport(
            checkpoint.path,
            naming.name,
            tuple(self.loaded),
            tuple(self.implied),
            tuple(left),
            tuple(skipped),
            tuple(self.training_state),
            tuple(self.notes),
        )


def _planned(
    slots: Sequence[Slot],
    naming: Naming,
    prefix: str,
    arrays: Mapping[str, np.ndarray],
) -> _Plan:
    plan = _Plan()
    keys = {key.removeprefix(prefix): key for key in arrays if key.startswith(prefix)}
    used = set()
    for slot in slots:
        key = next((key for key in naming.keys(slot) if key in keys), None)
        if key is not None:
            used.add(keys[key])
            _plan_slot(plan, slot, key, arrays[keys[key]], naming)
            continue
        value = implied_value(slot, naming, keys)
        if value is None:
            plan.missing.append(slot.name)
        else:
            plan.values.append((slot, value))
            plan.implied.append(slot.name)
    for key in arrays:
        if key in used:
            continue
        is_state = naming.is_training_state.fullmatch(key.removeprefix(prefix))
        (plan.training_state if is_state else plan.unexpected).append(key)
    plan.notes += notes_on(naming, keys)
    return plan


def _plan_slot(
    plan: _Plan, slot: Slot, key: str, array: np.ndarray, naming: Naming
) -> None:
    value = array
    if slot.place is not None and slot.place.role in _KERNEL_ROLES:
        if naming.channels_first:
            value = to_keras_layout(value)
        value = fit_positions(value, slot.shape)
    if value.shape != slot.shape:
        reason = f"is {array.shape} and {slot.name} of the model is {slot.shape}"
        plan.misshaped.append((key, slot.name, reason))
        return
    with np.errstate(over="ignore"):
        value = value.astype(_numpy_dtype(slot))
    if not np.isfinite(value).all():
        plan.non_finite.append((key, slot.name))
        return
    plan.values.append((slot, value))
    plan.loaded.append(slot.name)


def _numpy_dtype(slot: Slot) -> type[np.float32] | type[np.float64]:
    """NumPy has no bfloat16: variables below float32 take float32 and round."""
    dtype = keras.backend.standardize_dtype(slot.variable.dtype)
    return np.float64 if dtype == "float64" else np.float32
