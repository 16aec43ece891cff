"""The inputs of a network and the checks of their shape."""

import keras

from keras_nonlocal.architectures import NetworkSpec
from keras_nonlocal.models.blocks import channel_axis
from keras_nonlocal.models.settings import InputSettings, Shape
from keras_nonlocal.tensors import Tensor

# Number of position axes → their names, and the name of the inputs.
AXES = {2: ("height", "width"), 3: ("num_frames", "height", "width")}
NOUNS = {2: "images", 3: "clips"}
SMALLEST_SIDE = 32
USUAL_SIDE = 224
USUAL_FRAMES = 8


def network_input(
    spec: NetworkSpec, inputs: InputSettings, include_top: bool
) -> Tensor:
    """Returns the Keras tensor that is the input of the stem.

    Args:
        spec: The network.
        inputs: The user's input or its shape. Without a top, the default shape has any
            size.
        include_top: Whether the network includes its classifier.

    Raises:
        ValueError: If the rank or the sizes do not fit such a network.
    """
    input_tensor = inputs.tensor
    if input_tensor is None:
        shape = inputs.shape
        if shape is None:
            shape = _usual_shape(spec, include_top, inputs.num_frames)
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
    """Returns the number of frames in the clip per frame of res2."""
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
