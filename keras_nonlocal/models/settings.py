"""The arguments of the builders in groups."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from keras_nonlocal.arguments import (
    check_choice,
    check_fraction,
    check_positive_integer,
    is_integer,
)
from keras_nonlocal.layers import NonLocalBlock, NonLocalOptions
from keras_nonlocal.layers.block_arguments import Mode, Normalization, Scope
from keras_nonlocal.layers.initial_values import initializer_of
from keras_nonlocal.tensors import Tensor
from keras_nonlocal.weights import PixelNormalization

Activation = str | Callable[[Tensor], Tensor] | None
Pooling = Literal["avg", "max"]
Shape = tuple[int | None, ...]
Weights = str | os.PathLike[str] | None

# More than the number of variables in a block that share an initializer.
_BLOCK_SEEDS = 100


@dataclass(frozen=True)
class InputSettings:
    """The input of the network.

    Attributes:
        tensor: The user's Keras tensor, or `None` for a new input.
        shape: Shape of a new input without the batch axis, or `None` for the default
            shape.
        num_frames: Default number of frames per clip, or `None` for that of the layout.
        normalization: Normalization of the pixels in the network, or `None`.
    """

    tensor: Tensor
    shape: Shape | None
    num_frames: int | None
    normalization: PixelNormalization | None


@dataclass(frozen=True)
class LayerSettings:
    """Settings of all convolutions.

    Attributes:
        normalization: Kind of batch normalization after each convolution.
        kernel_regularizer: Regularizer of the kernels.
    """

    normalization: Normalization
    kernel_regularizer: Any


@dataclass(frozen=True)
class HeadSettings:
    """The layers after res5; see `NLResNet` for the attributes."""

    include_top: bool
    pooling: Pooling | None
    classes: int
    activation: Activation
    dropout_rate: float
    score_window: Sequence[int | None] | None = None

    def check(self, rank: int) -> None:
        """Checks the values for a network with this number of position axes.

        Raises:
            TypeError: If a value has the wrong type.
            ValueError: If a value is invalid.
        """
        check_choice("pooling", self.pooling, (None, "avg", "max"))
        if self.include_top:
            check_positive_integer("classes", self.classes)
        check_fraction("dropout_rate", self.dropout_rate, below_one=True)
        window = self.score_window
        if window is None:
            return
        if not isinstance(window, (tuple, list)) or len(window) != rank:
            raise ValueError(
                f"`score_window` must have {rank} entries, one per position axis. "
                f"Received: score_window={window!r}"
            )
        if not all(x is None or (is_integer(x) and x > 0) for x in window):
            raise ValueError(
                "`score_window` must hold positive integers or `None`. "
                f"Received: score_window={window!r}"
            )


@dataclass(frozen=True)
class BlockSettings:
    """The non-local blocks; see `NonLocalBlock` for the attributes."""

    mode: Mode
    pool_size: int | tuple[int, ...] | None
    options: NonLocalOptions | None
    scope: Scope = "spacetime"
    temporal_group_size: int | Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.options or {}, Mapping):
            raise TypeError(
                "`nonlocal_options` must be a dictionary of arguments of "
                f"`NonLocalBlock`. Received: nonlocal_options={self.options!r}"
            )
        unknown = {*(self.options or {})} - {*NonLocalOptions.__annotations__}
        if unknown:
            raise ValueError(
                "`nonlocal_options` must have keys among "
                f"{tuple(NonLocalOptions.__annotations__)}. "
                f"Received: nonlocal_options with {tuple(sorted(map(str, unknown)))}"
            )

    def block(
        self, name: str, stage: str, number: int, layers: LayerSettings
    ) -> NonLocalBlock:
        """Creates a block.

        Args:
            name: Name of the layer.
            stage: `"res2"` … `"res5"`.
            number: Number of blocks before it in the network.
            layers: Settings of the network, which the block shares unless its options
                differ.
        """
        group_size = self.temporal_group_size
        if isinstance(group_size, Mapping):
            group_size = group_size.get(stage)
        options: dict[str, Any] = {
            "kernel_regularizer": layers.kernel_regularizer,
            "normalization": layers.normalization,
            **(self.options or {}),
        }
        # With a single seed, all blocks of the same width would have equal initial
        # values.
        for key, value in options.items():
            if key.endswith("_initializer"):
                options[key] = initializer_of(value, number and _BLOCK_SEEDS + number)
        return NonLocalBlock(
            mode=self.mode,
            scope=self.scope,
            pool_size=self.pool_size,
            temporal_group_size=group_size,
            name=name,
            **options,
        )
