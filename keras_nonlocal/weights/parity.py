"""How far a network's logits are from those of the framework its weights come from."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from keras_nonlocal.weights.slots import HEAD

STEM_OUTPUT = "pool1_pool"


@dataclass(frozen=True)
class ParityReport:
    """Differences, each relative to the largest magnitude of the reference.

    Attributes:
        logits: Of the logits.
        stages: Name of a reference mean (`"mean_s1"` … `"mean_s5"`) → of the features
            after the stem (with its pooling), res2 … res5, averaged over all positions.
        tolerance: What counts as equal.
    """

    logits: float
    stages: Mapping[str, float]
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every difference is within the tolerance; NaN is not."""
        differences = (self.logits, *self.stages.values())
        return all(value <= self.tolerance for value in differences)

    def __str__(self) -> str:
        lines = [f"{name:<8} {value:.2e}" for name, value in self.stages.items()]
        lines.append(f"{'logits':<8} {self.logits:.2e}")
        verdict = "within" if self.passed else "NOT within"
        return "\n".join([*lines, f"{verdict} the tolerance of {self.tolerance:.0e}"])


def parity_report(
    model: keras.Model,
    clips: np.ndarray,
    logits: np.ndarray,
    stage_means: Mapping[str, np.ndarray] | None = None,
    *,
    tolerance: float = 1e-4,
) -> ParityReport:
    """Compares a network with reference values of the same weights.

    Args:
        model: A network of this package with its classifier.
        clips: Normalised clips `(batch, num_frames, height, width, channels)`.
        logits: `(batch, classes)`, before the softmax.
        stage_means: Any of `"mean_s1"` … `"mean_s5"`, each `(batch, channels)`: the
            features after stem and pool1, res2 … res5, averaged over frames and space.
            Defaults to none.
        tolerance: Largest difference, relative to the largest magnitude of the
            reference, that counts as equal. Defaults to `1e-4`.

    Returns:
        The differences.

    Raises:
        ValueError: If `logits` or a mean has another shape than the model's, or the
            model has no classifier.
    """
    tensors = {name: _stage_output(model, name) for name in stage_means or {}}
    head = model.get_layer(HEAD)
    outputs = keras.Model(model.input, {HEAD: head.input, **tensors}).predict_on_batch(
        clips
    )
    kernel, bias = (keras.ops.convert_to_numpy(w) for w in head.weights)
    own_logits = np.asarray(outputs[HEAD], np.float64) @ kernel + bias
    channels_first = keras.config.image_data_format() == "channels_first"
    differences = {}
    for name in tensors:
        stage = np.asarray(outputs[name], np.float64)
        positions = (
            tuple(range(2, stage.ndim))
            if channels_first
            else tuple(range(1, stage.ndim - 1))
        )
        differences[name] = _relative_difference(
            name, stage.mean(positions), (stage_means or {})[name]
        )
    return ParityReport(
        _relative_difference("logits", own_logits, logits), differences, tolerance
    )


def _stage_output(model: keras.Model, name: str) -> object:
    """The output of the last layer of `"mean_s1"` … `"mean_s5"`."""
    number = name.removeprefix("mean_s")
    if number == "1":
        return model.get_layer(STEM_OUTPUT).output
    prefix = f"conv{number}_block"
    last = [
        layer
        for layer in model.layers
        if layer.name.startswith(prefix) and layer.name.endswith(("_out", "_nl"))
    ]
    if not name.startswith("mean_s") or not last:
        raise ValueError(
            "The names of `stage_means` must be among mean_s1 … mean_s5. "
            f"Received: stage_means with the name {name!r}"
        )
    return last[-1].output


def _relative_difference(name: str, own: np.ndarray, reference: np.ndarray) -> float:
    reference = np.asarray(reference, np.float64)
    if own.shape != reference.shape:
        raise ValueError(
            f"`{name}` must have the shape {own.shape} that the model's have. "
            f"Received: {name}.shape={reference.shape}"
        )
    return float(np.abs(own - reference).max() / np.abs(reference).max())
