"""The namings of the supported projects, and their recognition.

A naming maps a `WeightPlace` to the keys that may hold it. Every naming is written out
in full and never derived from another one by replacing parts.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from keras_nonlocal.layer_names import PREDICTIONS, STEM, convolution_name
from keras_nonlocal.weights.caffe2_names import caffe2_keys
from keras_nonlocal.weights.detection_names import DETECTOR_NAMINGS, MMDETECTION
from keras_nonlocal.weights.naming import Naming, placed
from keras_nonlocal.weights.slots import Slot
from keras_nonlocal.weights.torch_names import (
    Keys,
    gluoncv_keys,
    mmaction2_keys,
    pyslowfast_keys,
    pytorchvideo_keys,
    resnet3d_keys,
    torchvision_keys,
)


def _keras(slot: Slot) -> Keys:
    owner, _, _ = slot.name.rpartition("/")
    return (slot.name, f"{owner}/vars/{slot.index}")


_COUNTERS = r"(.*\.)?num_batches_tracked"
_TORCH_STATE = re.compile(_COUNTERS)

CAFFE2 = Naming(
    "caffe2",
    (("conv1_w",),),
    placed(caffe2_keys),
    # Detectron's image networks have a bias there that its detectors leave out.
    re.compile(r".*_momentum|lr|model_iter|epoch|fc1000_[wb]|conv1_b"),
    "pred_",
    has_affine_norms=True,
)
MMACTION2 = Naming(
    "mmaction2",
    (("backbone.conv1.conv.weight",),),
    placed(mmaction2_keys),
    _TORCH_STATE,
    "cls_head.",
)
# PyTorchVideo counts the pooling after res2 among the blocks.
PYTORCHVIDEO = Naming(
    "pytorchvideo",
    (
        (
            "blocks.0.conv.weight",
            "blocks.3.res_blocks.0.branch2.conv_a.weight",
            "blocks.5.res_blocks.0.branch2.conv_a.weight",
        ),
    ),
    placed(partial(pytorchvideo_keys, stage_indices=(1, 3, 4, 5, 6))),
    _TORCH_STATE,
    "blocks.6.",
)
PYTORCHVIDEO_WITHOUT_POOL = Naming(
    "pytorchvideo",
    (("blocks.0.conv.weight", "blocks.2.res_blocks.0.branch2.conv_a.weight"),),
    placed(partial(pytorchvideo_keys, stage_indices=(1, 2, 3, 4, 5))),
    _TORCH_STATE,
    "blocks.5.",
)
GLUONCV = Naming(
    "gluoncv",
    (("first_stage.0.weight", "res_layers.0.0.conv1.weight"),),
    placed(gluoncv_keys),
    # These modules hold others a second time.
    re.compile(
        rf"{_COUNTERS}|.*\.nonlocal_block\.(W_bn|sub_phi|sub_g)\..*|head\.1\..*"
    ),
    "fc.",
)
RESNET3D = Naming(
    "resnet3d",
    (("conv1.weight", "layer1.0.conv1.weight"),),
    placed(resnet3d_keys),
    _TORCH_STATE,
    "fc.",
    kernel_rank=5,
)
TORCHVISION = Naming(
    "torchvision",
    (("conv1.weight", "layer1.0.conv1.weight"),),
    placed(torchvision_keys),
    _TORCH_STATE,
    "fc.",
)
PYSLOWFAST = Naming(
    "pyslowfast",
    (("s1.pathway0_stem.conv.weight",),),
    placed(pyslowfast_keys),
    _TORCH_STATE,
    "head.",
)
KERAS = Naming(
    "keras",
    ((f"{convolution_name(STEM)}/kernel",), (f"{convolution_name(STEM)}/vars/0",)),
    _keras,
    re.compile(r"(optimizer(_weights)?|seed_generator)/.*|.*/seed_generator/.*"),
    f"{PREDICTIONS}/",
    channels_first=False,
)
# The backbones of detectors are named as networks of their own. RESNET3D comes before
# TORCHVISION, which has the same names for images.
NAMINGS = (
    *DETECTOR_NAMINGS,
    CAFFE2,
    PYSLOWFAST,
    PYTORCHVIDEO,
    PYTORCHVIDEO_WITHOUT_POOL,
    MMACTION2,
    GLUONCV,
    RESNET3D,
    TORCHVISION,
    KERAS,
)

# Components in the keys of a second, averaged copy of the weights.
_AVERAGE = re.compile(
    r"(?:^|[./_])(?:ema|swa|averaged?|n_averaged|teacher|shadow)(?:[./_]|$)", re.I
)


@dataclass(frozen=True)
class Recognition:
    """The naming of a file.

    Attributes:
        naming: The naming.
        prefix: Prefix of all its keys, such as `"module.backbone."`.
    """

    naming: Naming
    prefix: str

    def is_training_state(self, key: str) -> bool:
        """Whether a key that is not in the model is not a weight at all."""
        own = key.removeprefix(self.prefix)
        if self.naming.is_training_state.fullmatch(own):
            return True
        return _AVERAGE.search(own) is not None


def recognize(arrays: Mapping[str, np.ndarray]) -> Recognition | None:
    """Finds the naming of a file and the prefix of its keys.

    Wrappers put prefixes of any depth before every key. If a file also contains
    averages of the weights (EMA), the weights are chosen.

    Args:
        arrays: The arrays by their keys.

    Returns:
        The naming and the prefix, or `None`.
    """
    for naming in NAMINGS:
        prefixes = {
            key[: len(key) - len(alternative[0])]
            for alternative in naming.fingerprints
            for key in arrays
            if key.endswith(alternative[0])
        }
        fitting = [
            prefix
            for prefix in prefixes
            if prefix[-1:] in ("", ".", "/") and naming.fits(prefix, arrays)
        ]
        if fitting:
            return Recognition(naming, min(fitting, key=_preference))
    return None


def _preference(prefix: str) -> tuple[bool, int, str]:
    return _AVERAGE.search(prefix) is not None, len(prefix), prefix


def notes_on(naming: Naming, keys: Iterable[str]) -> list[str]:
    """Returns notes on the project's computations that differ from this package's."""
    notes = []
    if naming is MMACTION2:
        keys = tuple(keys)
        if any(".non_local_block.g.0." in key for key in keys):
            notes.append(
                "mmaction2 pools φ and g after their projections, `NonLocalBlock` "
                "pools before them: the scores are close to the original, not equal."
            )
        if any(key.endswith(".conv.net.weight") for key in keys):
            notes.append(
                "The file is of a network with temporal shifts, which no network of "
                "this package has: the weights are a starting point for training."
            )
    if naming is MMDETECTION and any(".nonlocal_block." in key for key in keys):
        notes.append(
            "mmdetection has its non-local blocks inside the residual branch, which no "
            "network of this package has: they were not loaded."
        )
    return notes
