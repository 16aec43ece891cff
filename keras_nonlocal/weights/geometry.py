"""The properties of a network that follow from the naming of its checkpoint.

Weights do not determine strides, padding and the normalization of pixels. Each project
has its own, so the naming of a file implies them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from keras_nonlocal.weights.checkpoint import Checkpoint
from keras_nonlocal.weights.detection_names import (
    DETECTRON,
    DETECTRON2,
    DETECTRON2_BACKBONE,
    MMDETECTION,
    TORCHVISION_DETECTION,
)
from keras_nonlocal.weights.implied import is_frozen_norm_file
from keras_nonlocal.weights.names import (
    CAFFE2,
    GLUONCV,
    KERAS,
    MMACTION2,
    PYSLOWFAST,
    PYTORCHVIDEO,
    PYTORCHVIDEO_WITHOUT_POOL,
    RESNET3D,
    TORCHVISION,
    Recognition,
)
from keras_nonlocal.weights.naming import Naming
from keras_nonlocal.weights.normalization import (
    DETECTRON2_NORMALIZATION,
    DETECTRON_NORMALIZATION,
    KINETICS_NORMALIZATION,
    TORCH_IMAGENET_NORMALIZATION,
    PixelNormalization,
)
from keras_nonlocal.weights.stored_model import stored_model


@dataclass(frozen=True)
class ImpliedNetwork:
    """The network that a checkpoint was trained with.

    Attributes:
        architecture: Arguments of the builder.
        normalization: The normalization of its pixels, or `None` if the naming does not
            imply it.
    """

    architecture: Mapping[str, Any] = field(default_factory=dict)
    normalization: PixelNormalization | None = None


_PADDED = {"stride_in_1x1": False, "stem_pool_padding": "same"}
_MSRA = {"stride_in_1x1": True, "stem_pool_padding": "same"}
_UNPADDED = {"stride_in_1x1": False, "stem_pool_padding": "valid"}

_NETWORKS: Mapping[Naming, ImpliedNetwork] = {
    CAFFE2: ImpliedNetwork(_UNPADDED, KINETICS_NORMALIZATION),
    PYSLOWFAST: ImpliedNetwork(_PADDED, KINETICS_NORMALIZATION),
    PYTORCHVIDEO: ImpliedNetwork(
        {**_PADDED, "temporal_pool": True}, KINETICS_NORMALIZATION
    ),
    PYTORCHVIDEO_WITHOUT_POOL: ImpliedNetwork(
        {**_PADDED, "temporal_pool": False}, KINETICS_NORMALIZATION
    ),
    MMACTION2: ImpliedNetwork(_UNPADDED, TORCH_IMAGENET_NORMALIZATION),
    # Its pool1 keeps every second frame, which equals a stride of 4 in conv1.
    GLUONCV: ImpliedNetwork(
        {**_PADDED, "stem_temporal_strides": (4, 1)}, TORCH_IMAGENET_NORMALIZATION
    ),
    RESNET3D: ImpliedNetwork(
        {**_UNPADDED, "stem_temporal_strides": (2, 2)}, KINETICS_NORMALIZATION
    ),
    TORCHVISION: ImpliedNetwork(_PADDED, TORCH_IMAGENET_NORMALIZATION),
    DETECTRON: ImpliedNetwork(_MSRA, DETECTRON_NORMALIZATION),
    DETECTRON2: ImpliedNetwork(_MSRA, DETECTRON2_NORMALIZATION),
    DETECTRON2_BACKBONE: ImpliedNetwork(_MSRA, DETECTRON2_NORMALIZATION),
    TORCHVISION_DETECTION: ImpliedNetwork(_PADDED, TORCH_IMAGENET_NORMALIZATION),
    MMDETECTION: ImpliedNetwork(_PADDED, TORCH_IMAGENET_NORMALIZATION),
}


def implied_network(found: Recognition, checkpoint: Checkpoint) -> ImpliedNetwork:
    """Returns the network that the naming of a file implies.

    Args:
        found: The naming.
        checkpoint: The file's content.
    """
    arrays = checkpoint.arrays
    if found.naming is KERAS:
        stored = stored_model(checkpoint.metadata)
        return ImpliedNetwork(stored.architecture(), stored.normalization)
    network = _NETWORKS.get(found.naming, ImpliedNetwork())
    keys = [key.removeprefix(found.prefix) for key in arrays]
    changes: dict[str, Any] = {}
    if found.naming is DETECTRON2:
        return replace(network, normalization=_stored_normalization(found, arrays))
    if found.naming is CAFFE2 and _is_image_file(found, arrays):
        # Of the image networks in Caffe2, those of Detectron have no statistics.
        return ImpliedNetwork(_MSRA, DETECTRON_NORMALIZATION)
    if found.naming is CAFFE2 and is_frozen_norm_file(CAFFE2, keys):
        if any(key.startswith("nonlocal_conv3_") for key in keys):
            # In res3, the long-clip networks attend within groups of frames.
            changes["nonlocal_temporal_group_size"] = {"res3": 4}
    elif found.naming is GLUONCV and any(".nonlocal_block." in key for key in keys):
        changes["nonlocal_pool_size"] = None
    elif found.naming is MMACTION2:
        kernel = arrays[f"{found.prefix}{MMACTION2.fingerprints[0][0]}"]
        if kernel.ndim == 5 and kernel.shape[2] > 1:
            # Only C2D leaves pool1 unpadded; I3D (`ResNet3d`) does not.
            changes["stem_pool_padding"] = "same"
    return ImpliedNetwork({**network.architecture, **changes}, network.normalization)


def _is_image_file(found: Recognition, arrays: Mapping[str, np.ndarray]) -> bool:
    keys = [key.removeprefix(found.prefix) for key in arrays]
    return arrays[f"{found.prefix}conv1_w"].ndim == 4 and is_frozen_norm_file(
        CAFFE2, keys
    )


def _stored_normalization(
    found: Recognition, arrays: Mapping[str, np.ndarray]
) -> PixelNormalization:
    """The pixels of a Detectron2 file, which may say what they are."""
    default = DETECTRON2_NORMALIZATION
    mean, std = (
        np.ravel(arrays.get(f"{found.prefix}pixel_{name}", usual))
        for name, usual in (("mean", default.mean), ("std", default.std))
    )
    if len(mean) != 3 or len(std) != 3 or not (np.isfinite(mean).all() and std.all()):
        return default
    return PixelNormalization(
        (float(mean[0]), float(mean[1]), float(mean[2])),
        (float(std[0]), float(std[1]), float(std[2])),
        # Means that fall are of red, green and blue, as in torchvision.
        "rgb" if mean[0] > mean[2] else "bgr",
    )
