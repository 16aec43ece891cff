"""Compares a network with the framework that its weights come from."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from keras_nonlocal.layer_names import (
    PREDICTIONS,
    STEM_POOL,
    pool_name,
    read_block_layer,
)


@dataclass(frozen=True)
class ParityReport:
    """Differences, each relative to the largest magnitude of the reference.

    Attributes:
        logits: The difference of the logits.
        stages: The differences of the features after the stem (with its pooling) and
            after res2 … res5, averaged over all positions. The keys are `"mean_s1"` …
            `"mean_s5"`.
        tolerance: Largest difference that counts as equal.
    """

    logits: float
    stages: Mapping[str, float]
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every difference is within the tolerance. NaN never is."""
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
        clips: Normalized clips `(batch, num_frames, height, width, channels)`.
        logits: `(batch, classes)`, before the softmax.
        stage_means: The features after the stem (with pool1) and after res2 … res5,
            averaged over frames and space. The keys are any of `"mean_s1"` …
            `"mean_s5"`, and each value is `(batch, channels)`. Defaults to no stages.
        tolerance: Largest difference, relative to the largest magnitude of the
            reference, that counts as equal. Defaults to `1e-4`.

    Returns:
        The differences.

    Raises:
        ValueError: If the shape of `logits` or of a mean differs from the model's, or
            the model has no classifier.
    """
    tensors = {name: _stage_output(model, name) for name in stage_means or {}}
    head = model.get_layer(PREDICTIONS)
    outputs = keras.Model(
        model.input, {PREDICTIONS: head.input, **tensors}
    ).predict_on_batch(clips)
    kernel, bias = (keras.ops.convert_to_numpy(w) for w in head.weights)
    own_logits = np.asarray(outputs[PREDICTIONS], np.float64) @ kernel + bias
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
    """Returns the output of the last layer of a stage, `"mean_s1"` … `"mean_s5"`."""
    number = name.removeprefix("mean_s")
    if number == "1":
        return model.get_layer(pool_name(STEM_POOL)).output
    parts = [(layer, read_block_layer(layer.name)) for layer in model.layers]
    last = [
        layer
        for layer, part in parts
        if part is not None and part.ends_block and str(part.stage) == number
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
            f"`{name}` must have the shape {own.shape}, as the model's values do. "
            f"Received: {name}.shape={reference.shape}"
        )
    return float(np.abs(own - reference).max() / np.abs(reference).max())
