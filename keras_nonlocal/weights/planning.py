"""Plans which weights a checkpoint assigns, leaves or skips, before any is changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import keras
import numpy as np

from keras_nonlocal.layer_names import PREDICTIONS, read_block_layer
from keras_nonlocal.weights.arrays import fit_positions, to_keras_layout
from keras_nonlocal.weights.checkpoint import Checkpoint
from keras_nonlocal.weights.detector_layouts import Convert
from keras_nonlocal.weights.detector_places import (
    depends_on_data,
    detector_place,
    is_head_block,
)
from keras_nonlocal.weights.implied import implied_value
from keras_nonlocal.weights.names import Recognition, notes_on
from keras_nonlocal.weights.naming import Naming
from keras_nonlocal.weights.report import LoadReport
from keras_nonlocal.weights.slots import Slot

_KERNEL_ROLES = ("kernel", "w_f")
MAX_NAME = 200
# A model of 152 layers has fewer weights.
_MAX_LISTED = 1000


@dataclass
class Plan:
    """The assignment of a file's arrays to slots, and everything that does not fit."""

    values: list[tuple[Slot, np.ndarray]] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    implied: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshaped: list[tuple[str, str, str]] = field(default_factory=list)
    non_finite: list[tuple[str, str]] = field(default_factory=list)
    unused_head: list[str] = field(default_factory=list)
    other_head: list[tuple[str, str, str]] = field(default_factory=list)
    new_blocks: list[str] = field(default_factory=list)
    training_state: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def excuse_other_head(self) -> None:
        """Accepts a classifier of another shape."""
        for entry in tuple(self.misshaped):
            if _depends_on_classes(entry[1]):
                self.misshaped.remove(entry)
                self.other_head.append(entry)

    def excuse_new_blocks(self) -> None:
        """Accepts non-local blocks of which the file has nothing."""
        known = {slot.name.partition("/")[0] for slot, _ in self.values}
        known |= {name.partition("/")[0] for _, name, _ in self.misshaped}
        for name in tuple(self.missing):
            layer = name.partition("/")[0]
            if _is_block(layer) and layer not in known:
                self.missing.remove(name)
                self.new_blocks.append(name)

    def problems(self) -> list[str]:
        """Returns a sentence per kind of misfit, which lists its cases."""
        lists = {
            "Missing": self.missing,
            "Unexpected": [key[:MAX_NAME] for key in self.unexpected],
            "Misshaped": [f"{key} {reason}" for key, _, reason in self.misshaped],
            "Not finite": [key for key, _ in self.non_finite],
        }
        return [
            f"{title} ({len(names)}): {_listed(names)}."
            for title, names in lists.items()
            if names
        ]

    def report(self, checkpoint: Checkpoint, naming: Naming) -> LoadReport:
        unused = self.unexpected + self.unused_head
        skipped = [f"{key[:MAX_NAME]}: not in the model" for key in unused]
        misshaped = self.misshaped + self.other_head
        skipped += [f"{key}: {reason}" for key, _, reason in misshaped]
        skipped += [f"{key}: not finite" for key, _ in self.non_finite]
        left = self.missing + self.new_blocks
        left += [name for _, name, _ in misshaped]
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


def _is_block(layer: str) -> bool:
    block = read_block_layer(layer)
    return is_head_block(layer) or (block is not None and block.kind == "nl")


def _depends_on_classes(name: str) -> bool:
    layer = name.partition("/")[0]
    place = detector_place(layer)
    return layer == PREDICTIONS or (place is not None and depends_on_data(place))


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(names[:_MAX_LISTED])
    more = len(names) - _MAX_LISTED
    return f"{text} and {more} more" if more > 0 else text


def planned(
    slots: Sequence[Slot],
    found: Recognition,
    checkpoint: Checkpoint,
) -> Plan:
    plan = Plan()
    naming, prefix, arrays = found.naming, found.prefix, checkpoint.arrays
    convert = None
    if naming.detector is not None:
        convert = naming.detector.converter(slots, checkpoint)
    keys = {key.removeprefix(prefix): key for key in arrays if key.startswith(prefix)}
    used = set()
    for slot in slots:
        key = next((key for key in naming.keys(slot) if key in keys), None)
        if key is not None:
            used.add(keys[key])
            _plan_slot(plan, slot, key, arrays[keys[key]], naming, convert)
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
        is_state = found.is_training_state(key)
        (plan.training_state if is_state else plan.unexpected).append(key)
    plan.notes += notes_on(naming, keys)
    return plan


def _plan_slot(
    plan: Plan,
    slot: Slot,
    key: str,
    array: np.ndarray,
    naming: Naming,
    convert: Convert | None,
) -> None:
    if array.dtype.itemsize == 1 and array.dtype.kind in "iu":
        reason = f"holds the {array.dtype} values of a quantized layer"
        plan.misshaped.append((key, slot.name, reason))
        return
    value = array
    is_kernel = slot.place is not None and slot.place.role in _KERNEL_ROLES
    if is_kernel and naming.channels_first:
        value = to_keras_layout(value)
    if convert is not None:
        value = convert(slot, value)
    if is_kernel:
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
