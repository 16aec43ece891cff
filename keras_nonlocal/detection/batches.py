"""Batches of padded pictures, and of the outputs of a level of the pyramid."""

from collections.abc import Iterable, Mapping
from typing import Any

from keras import ops

from keras_nonlocal.detection.anchors import STRIDES

# The levels of the pyramid are summed, so P5 must not be rounded.
DIVISOR = STRIDES[3]


def as_list(level: Any, numbers: int = 1) -> Any:
    """Returns the outputs of a level in float32, `(batch, anchors, numbers)`."""
    height, width, channels = level.shape[1:]
    count = -1
    if height is not None and width is not None:
        count = height * width * channels // numbers
    batch = ops.shape(level)[0]
    return ops.reshape(ops.cast(level, "float32"), (batch, count, numbers))


def images_and_sizes(inputs: Any) -> tuple[Any, Any]:
    """Returns pictures and their heights and widths, by default those of the array."""
    if not isinstance(inputs, Mapping):
        inputs = {"images": inputs}
    images = inputs["images"]
    if any(side is not None and side % DIVISOR for side in images.shape[1:3]):
        raise ValueError(
            f"Pictures must be padded to sides that are divisible by {DIVISOR}. "
            f"Received: pictures of shape {tuple(images.shape)}"
        )
    image_sizes = inputs.get("image_sizes")
    if image_sizes is None:
        batch, height, width = ops.shape(images)[:3]
        sizes = ops.cast(ops.stack([height, width]), "float32")
        image_sizes = ops.broadcast_to(sizes[None], (batch, 2))
    return images, ops.cast(image_sizes, "float32")


def check_objects(y: Any, names: Iterable[str]) -> None:
    """Raises an error if objects lack what the losses of the heads need."""
    given = [*y] if isinstance(y, Mapping) else type(y).__name__
    needed = list(names)
    if not isinstance(y, Mapping) or any(name not in y for name in needed):
        raise ValueError(
            f"`y` must be a dictionary with {needed} to train this detector. "
            f"Received: y={given!r}"
        )


def with_places(y: Mapping[str, Any]) -> dict[str, Any]:
    """Returns objects with at least one place, which is then empty."""
    if y["boxes"].shape[1] != 0:
        return dict(y)
    places = {}
    for name, values in y.items():
        shape = (ops.shape(values)[0], 1, *values.shape[2:])
        places[name] = ops.full(shape, -1 if name == "labels" else 0, "float32")
    return places


def is_picture(x: Any, image_sizes: Any) -> Any:
    """Returns whether each position is no padding, `(batch, height, width, 1)`."""
    height, width = ops.shape(x)[1:3]
    rows = ops.cast(ops.arange(height), "float32")[None, :, None]
    columns = ops.cast(ops.arange(width), "float32")[None, None, :]
    is_row = rows < image_sizes[:, 0, None, None]
    is_column = columns < image_sizes[:, 1, None, None]
    return (is_row & is_column)[..., None]
