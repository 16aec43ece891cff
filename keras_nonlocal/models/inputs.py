"""The inputs of a network and the checks of their shape."""

from typing import Any

import keras

from keras_nonlocal.architectures import NetworkSpec
from keras_nonlocal.models.blocks import channel_axis

# Rank of the positions -> their names, and what the inputs are called.
AXES = {2: ("height", "width"), 3: ("num_frames", "height", "width")}
NOUNS = {2: "images", 3: "clips"}
SMALLEST_SIDE = 32
USUAL_SIDE = 224
USUAL_FRAMES = 8

Shape = tuple[int | None, ...]


def network_input(
    spec: NetworkSpec,
    input_tensor: Any,
    input_shape: Shape | None,
    include_top: bool,
    num_frames: int | None,
) -> Any:
    """Returns the Keras tensor that the stem is applied to.

    Args:
        spec: The network.
        input_tensor: The user's Keras tensor, or `None` for a new input.
        input_shape: Shape of the new input without the batch; `None` is the usual one,
            or any size if there is no top.
        include_top: Whether the network has its classifier.
        num_frames: Usual length of a clip; `None` is that of the layout.

    Raises:
        ValueError: If rank or sizes are not those of such a network.
    """
    if input_tensor is None:
        shape = input_shape
        if shape is None:
            shape = _usual_shape(spec, include_top, num_frames)
        if not isinstance(shape, (tuple, list)) or len(shape) != spec.rank + 1:
            raise ValueError(
                f"`input_shape` must have {spec.rank + 1} entries, "
                f"{_described_shape(spec)}. Received: input_shape={shape!r}"
            )
        _check_shape(spec, (None, *shape))
        return keras.Input(tuple(shape), name=NOUNS[spec.rank])
    if not keras.utils.is_keras_tensor(input_tensor):
        raise ValueError(
            "`input_tensor` must be a Keras tensor, as `keras.Input()` returns. "
            f"Received: input_tensor={input_tensor!r}"
        )
    if len(input_tensor.shape) != spec.rank + 2:
        raise ValueError(
            f"`input_tensor` must have rank {spec.rank + 2}, (batch, "
            f"{_described_shape(spec)[1:]}. Received: shape={input_tensor.shape}"
        )
    _check_shape(spec, input_tensor.shape)
    return input_tensor


def temporal_stride(spec: NetworkSpec) -> int:
    """Frames of the clip per frame of res2."""
    return spec.stem.strides[0] * spec.stem.pool_strides[0] if spec.rank == 3 else 1


def _usual_shape(spec: NetworkSpec, include_top: bool, num_frames: int | None) -> Shape:
    positions: Shape = (None,) * spec.rank
    if include_top:
        frames = num_frames or USUAL_FRAMES * temporal_stride(spec)
        positions = (frames, USUAL_SIDE, USUAL_SIDE)[-spec.rank :]
    return (3, *positions) if channel_axis() == 1 else (*positions, 3)


def _described_shape(spec: NetworkSpec) -> str:
    names = list(AXES[spec.rank])
    names.insert(0 if channel_axis() == 1 else len(names), "channels")
    return f"({', '.join(names)})"


def _check_shape(spec: NetworkSpec, shape: Shape) -> None:
    positions = list(shape[1:])
    channels = positions.pop(0 if channel_axis() == 1 else -1)
    if channels is None or channels < 1:
        raise ValueError(
            f"The number of channels of the {NOUNS[spec.rank]} must be known. "
            f"Received: shape={shape}"
        )
    smallest = (2 * temporal_stride(spec), SMALLEST_SIDE, SMALLEST_SIDE)
    for name, size, least in zip(
        AXES[spec.rank], positions, smallest[-spec.rank :], strict=True
    ):
        if size is not None and size < least:
            raise ValueError(
                f"`{name}` must be at least {least} for this network. "
                f"Received: {name}={size} in the shape {shape}"
            )
