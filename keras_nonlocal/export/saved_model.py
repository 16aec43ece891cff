"""Writes a SavedModel with one signature for each form of input."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_nonlocal.data.framing import Framing
from keras_nonlocal.data.lists.class_names import class_names_text
from keras_nonlocal.export.pixel_scoring import PixelScoring
from keras_nonlocal.export.signatures import Signature, signatures
from keras_nonlocal.export.warm_up import write_warm_up_requests
from keras_nonlocal.models.exported_facts import FACTS_FILE

# Replaces variable sizes in the warm-up requests.
_SOME_FRAMES = 8
_SOME_SIDE = 224
_GRAY = 128


def write_saved_model(
    folder: Path,
    scoring: PixelScoring,
    framing: Framing,
    top: int,
    warm_up: bool,
) -> None:
    """Writes a SavedModel to a folder; see `export_saved_model` for the arguments."""
    class_names = scoring.class_names
    module = tf.Module()
    module.model_variables = [variable.value for variable in scoring.model.variables]
    if class_names is not None:
        labels = folder / "labels.txt"
        labels.write_text(class_names_text(class_names), "utf-8")
        module.labels = tf.saved_model.Asset(str(labels))
    entries = signatures(scoring, framing, class_names, top)
    functions = {entry.name: entry.graph() for entry in entries}
    tf.saved_model.save(module, str(folder), signatures=functions)
    if class_names is not None:
        labels.unlink()  # the SavedModel has a copy in `assets`
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / FACTS_FILE).write_text(scoring.facts.to_json(), "utf-8")
    if warm_up:
        write_warm_up_requests(folder, _requests(entries, framing))


def _requests(
    entries: Sequence[Signature], framing: Framing
) -> dict[str, dict[str, Any]]:
    """Returns one request with a gray clip for each signature."""
    height, width = framing.crop_size or (framing.short_side,) * 2
    picture = tf.io.encode_jpeg(tf.fill((height, width, 3), tf.cast(_GRAY, tf.uint8)))
    requests = {}
    for entry in entries:
        spec = entry.spec
        sizes = [_SOME_FRAMES]
        if spec.dtype != tf.string:
            sizes += [height, width, 3]
        sizes = [1] * (len(spec.shape) - len(sizes)) + sizes
        sizes = [
            usual if size is None else size
            for size, usual in zip(spec.shape, sizes, strict=True)
        ]
        value = picture.numpy() if spec.dtype == tf.string else _GRAY
        # A single value stands for the whole tensor.
        tensor = tf.make_tensor_proto(value, spec.dtype, sizes)
        requests[entry.name] = {spec.name: tensor}
    return requests
