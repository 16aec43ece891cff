"""A SavedModel of a detector, with one signature for every form of its pictures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from keras_nonlocal.data.coco.sizes import DIVISOR
from keras_nonlocal.data.lists.class_names import class_names_text
from keras_nonlocal.detection import RegionModel
from keras_nonlocal.export.encoded_frames import OK, check_status
from keras_nonlocal.export.encoded_images import ImageSizing, decode_images
from keras_nonlocal.export.warm_up import write_warm_up_requests

Outputs = dict[str, Any]
_SOME_SIDE = 256
_GRAY = 128


class _Signature(NamedTuple):
    name: str
    compute: Callable[..., Outputs]
    specs: Sequence[Any]

    def graph(self) -> Any:
        """Returns the function that is saved. It refuses inputs without elements."""

        def compute(*inputs: Any) -> Outputs:
            checks = [
                tf.debugging.Assert(
                    tf.reduce_all(tf.shape(tensor) > 0),
                    [_empty(spec.name), tf.shape(tensor)],
                )
                for tensor, spec in zip(inputs, self.specs, strict=True)
            ]
            with tf.control_dependencies(checks):
                return self.compute(*[tf.identity(tensor) for tensor in inputs])

        return tf.function(
            compute, input_signature=[*self.specs], autograph=False
        ).get_concrete_function()


class _Detections:
    """Detects in pictures in every form in which they are sent.

    Args:
        model: The detector.
        sizing: How large encoded pictures are made.
        class_names: Of the classes, if known.
    """

    def __init__(
        self, model: RegionModel, sizing: ImageSizing, class_names: Sequence[str] | None
    ) -> None:
        self._sizing = sizing
        self._class_names = class_names
        pixels = tf.TensorSpec((None, *sizing.input_size, 3), tf.uint8, "images")
        sizes = tf.TensorSpec((None, 2), tf.int32, "image_sizes")
        self.specs = (pixels, sizes)
        # One network for all signatures.
        self._detect = tf.function(
            lambda images, image_sizes: dict(
                model(
                    {"images": images, "image_sizes": image_sizes},
                    training=False,
                )
            ),
            input_signature=self.specs,
            autograph=False,
        ).get_concrete_function()

    def of_padded(self, images: Any, image_sizes: Any) -> Outputs:
        """Detects in pictures that are padded already."""
        return self._named(self._detect(images, image_sizes))

    def of_images(self, images: Any) -> Outputs:
        """Detects in whole pictures of one size, which are padded here."""
        shape = tf.shape(images)
        size = shape[1:3]
        missing = [
            -shape[axis + 1] % DIVISOR if side is None else side - shape[axis + 1]
            for axis, side in enumerate(self._sizing.input_size)
        ]
        fits = tf.debugging.Assert(
            tf.reduce_all(tf.stack(missing) >= 0),
            [f"`images` must fit into {self._sizing.input_size}. Received:", size],
        )
        with tf.control_dependencies([fits]):
            images = tf.pad(images, [(0, 0), (0, missing[0]), (0, missing[1]), (0, 0)])
        images = tf.ensure_shape(images, (None, *self._sizing.input_size, 3))
        sizes = tf.broadcast_to(size[tf.newaxis], (shape[0], 2))
        return self.of_padded(images, sizes)

    def of_encoded(self, contents: Any, *, is_strict: bool) -> Outputs:
        """Detects in encoded pictures, in the pixels of the pictures as shown."""
        images = decode_images(contents, self._sizing)
        checks = [check_status(images.status, "images")] if is_strict else []
        with tf.control_dependencies(checks):
            pixels = tf.identity(images.pixels)
        found = self._detect(pixels, tf.cast(images.sizes, tf.int32))
        is_ok = images.status == OK
        if not is_strict:
            found = _without(found, ~is_ok)
        scale = tf.cast(images.shown_sizes / images.sizes, tf.float32)[:, ::-1]
        found["boxes"] *= tf.tile(scale, (1, 2))[:, tf.newaxis]
        if "keypoints" in found:
            factors = tf.pad(scale, [(0, 0), (0, 1)], constant_values=1.0)
            found["keypoints"] *= factors[:, tf.newaxis, tf.newaxis]
        found["image_sizes"] = tf.cast(images.shown_sizes, tf.int32)
        if not is_strict:
            found |= {"status": images.status, "is_scored": is_ok}
        return self._named(found)

    def _named(self, found: Mapping[str, Any]) -> Outputs:
        if self._class_names is None:
            return dict(found)
        # A padded place has the label -1, and no name.
        names = tf.constant(["", *self._class_names])
        return {**found, "names": tf.gather(names, found["labels"] + 1)}


def _empty(name: str) -> str:
    return f"`{name}` must hold at least one element. Received: shape"


def _without(found: Mapping[str, Any], is_left_out: Any) -> Outputs:
    """No detections where a picture could not be decoded."""
    nothing = {"labels": -1}
    outputs = {}
    for name, value in found.items():
        mask = tf.reshape(is_left_out, [-1] + [1] * (value.shape.rank - 1))
        empty = tf.fill(tf.shape(value), tf.cast(nothing.get(name, 0), value.dtype))
        outputs[name] = tf.where(mask, empty, value)
    return outputs


def write_detector(
    folder: Path,
    model: RegionModel,
    sizing: ImageSizing,
    class_names: Sequence[str] | None,
    warm_up: bool,
) -> None:
    """Fills a folder with a SavedModel; see `export_saved_model` for the arguments."""
    module = tf.Module()
    module.model_variables = [variable.value for variable in model.variables]
    if class_names is not None:
        labels = folder / "labels.txt"
        labels.write_text(class_names_text(class_names), "utf-8")
        module.labels = tf.saved_model.Asset(str(labels))
    found = _Detections(model, sizing, class_names)
    # Whole pictures may be smaller than what the model takes.
    anyhow = tf.TensorSpec((None, None, None, 3), tf.uint8, "images")
    encoded = tf.TensorSpec((None,), tf.string, "images")
    entries = [
        _Signature("serving_default", found.of_images, (anyhow,)),
        _Signature("padded_images", found.of_padded, found.specs),
        _Signature(
            "encoded_images",
            lambda images: found.of_encoded(images, is_strict=True),
            (encoded,),
        ),
        _Signature(
            "encoded_images_with_status",
            lambda images: found.of_encoded(images, is_strict=False),
            (encoded,),
        ),
    ]
    functions = {entry.name: entry.graph() for entry in entries}
    tf.saved_model.save(module, str(folder), signatures=functions)
    if class_names is not None:
        labels.unlink()  # its copy is in `assets`
    if warm_up:
        write_warm_up_requests(folder, _requests(entries, sizing))


def _requests(
    entries: Sequence[_Signature], sizing: ImageSizing
) -> dict[str, dict[str, Any]]:
    """One gray picture for each signature."""
    height, width = (side or _SOME_SIDE for side in sizing.input_size)
    shape = (height, width, 3)
    jpeg = tf.io.encode_jpeg(tf.fill(shape, tf.cast(_GRAY, tf.uint8))).numpy()
    pixels = tf.make_tensor_proto(_GRAY, tf.uint8, (1, *shape))
    encoded = tf.make_tensor_proto([jpeg], tf.string)
    requests: dict[str, dict[str, Any]] = {}
    for entry in entries:
        is_encoded = entry.specs[0].dtype == tf.string
        requests[entry.name] = {"images": encoded if is_encoded else pixels}
    sizes = tf.make_tensor_proto([[height, width]], tf.int32)
    requests["padded_images"]["image_sizes"] = sizes
    return requests
