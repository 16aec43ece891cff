"""The networks by name, in the manner of `keras.applications`."""

from typing import Any, Protocol, Unpack

import keras

from keras_nonlocal.models.head import Activation
from keras_nonlocal.models.pretrained import Weights
from keras_nonlocal.models.video import NetworkOptions, NLResNet


class VideoBuilder(Protocol):
    """The signature that the named builders share; see `NLResNet` for the meaning."""

    def __call__(
        self,
        include_top: bool = True,
        weights: Weights = None,
        input_tensor: Any = None,
        input_shape: tuple[int | None, ...] | None = None,
        pooling: str | None = None,
        classes: int = 400,
        classifier_activation: Activation = "softmax",
        name: str | None = None,
        **options: Unpack[NetworkOptions],
    ) -> keras.Model: ...


_VARIANT_TITLES = {
    "c2d": "C2D (per-frame convolutions)",
    "i3d": "I3D (3×1×1 inflation)",
}


def _builder(depth: int, variant: str, *, nonlocal_network: bool) -> VideoBuilder:
    baseline_name = f"ResNet{depth}{variant.upper()}"
    builder_name = f"NL{baseline_name}" if nonlocal_network else baseline_name

    def build(
        include_top: bool = True,
        weights: Weights = None,
        input_tensor: Any = None,
        input_shape: tuple[int | None, ...] | None = None,
        pooling: str | None = None,
        classes: int = 400,
        classifier_activation: Activation = "softmax",
        name: str | None = None,
        **options: Unpack[NetworkOptions],
    ) -> keras.Model:
        if not nonlocal_network:
            unfit = [option for option in options if option.startswith("nonlocal_")]
            if unfit:
                raise ValueError(
                    f"`{builder_name}` has no non-local blocks: use "
                    f"`NL{builder_name}`. "
                    f"Received: {', '.join(unfit)}"
                )
            options["nonlocal_blocks"] = 0
        return NLResNet(
            depth,
            variant,
            include_top,
            weights,
            input_tensor,
            input_shape,
            pooling,
            classes,
            classifier_activation,
            name,
            **options,
        )

    blocks = "with non-local blocks (5 by default)" if nonlocal_network else "alone"
    build.__name__ = build.__qualname__ = builder_name
    build.__doc__ = (
        f"Instantiates {_VARIANT_TITLES[variant]} ResNet-{depth} {blocks}.\n\n"
        "The arguments, the keyword-only ones too, the result and the errors are those "
        f'of `NLResNet`\nwith `depth={depth}` and `variant="{variant}"`.\n'
    )
    return build


NLResNet50C2D = _builder(50, "c2d", nonlocal_network=True)
NLResNet101C2D = _builder(101, "c2d", nonlocal_network=True)
NLResNet152C2D = _builder(152, "c2d", nonlocal_network=True)
NLResNet50I3D = _builder(50, "i3d", nonlocal_network=True)
NLResNet101I3D = _builder(101, "i3d", nonlocal_network=True)
NLResNet152I3D = _builder(152, "i3d", nonlocal_network=True)
ResNet50C2D = _builder(50, "c2d", nonlocal_network=False)
ResNet101C2D = _builder(101, "c2d", nonlocal_network=False)
ResNet152C2D = _builder(152, "c2d", nonlocal_network=False)
ResNet50I3D = _builder(50, "i3d", nonlocal_network=False)
ResNet101I3D = _builder(101, "i3d", nonlocal_network=False)
ResNet152I3D = _builder(152, "i3d", nonlocal_network=False)
