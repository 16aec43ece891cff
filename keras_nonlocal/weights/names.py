"""How other projects name the weights of these networks.

A naming turns a `Place` into the keys that may hold it. None of them is spelled by
replacing pieces of another.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from keras_nonlocal.weights.slots import Place, Slot

Keys = tuple[str, ...]


@dataclass(frozen=True)
class Naming:
    """One project's names.

    Attributes:
        name: What reports call it.
        fingerprints: Every file of this naming holds one of these keys.
        keys: Place → keys that may hold it, the usual one first.
        is_training_state: Matches keys that are no weights: momenta, counters.
        head_prefix: What the keys of the classifier begin with.
        channels_first: Whether kernels are `(out, in, …)`, not `(…, in, out)`.
    """

    name: str
    fingerprints: Keys
    keys: Callable[[Slot], Keys]
    is_training_state: re.Pattern[str]
    head_prefix: str
    channels_first: bool = True


_BRANCHES = {0: "branch1", 1: "branch2a", 2: "branch2b", 3: "branch2c"}
_CAFFE2_NORM = {
    "gamma": "s",
    "beta": "b",
    "moving_mean": "rm",
    "moving_variance": "riv",
}
_CAFFE2_ROLE = {"kernel": "w", "bias": "b"}

_TORCH_ROLE = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def _placed(keys: Callable[[Place], Keys]) -> Callable[[Slot], Keys]:
    def of_slot(slot: Slot) -> Keys:
        return () if slot.place is None else keys(slot.place)

    return of_slot


def _caffe2(place: Place) -> Keys:
    role = (_CAFFE2_NORM if place.is_norm else _CAFFE2_ROLE).get(place.role)
    if role is None:  # the released code has no concatenation form
        return ()
    if place.unit == "head":
        return (f"pred_{role}",)
    if place.unit == "stem":
        return (f"res_conv1_bn_{role}" if place.is_norm else f"conv1_{role}",)
    if place.unit == "nonlocal":
        part = "bn" if place.part == "norm" else place.part
        return (f"nonlocal_conv{place.stage}_{place.block}_{part}_{role}",)
    branch = f"res{place.stage}_{place.block}_{_BRANCHES[int(place.part)]}"
    return (f"{branch}_bn_{role}" if place.is_norm else f"{branch}_{role}",)


def _pyslowfast(place: Place) -> Keys:
    role = _TORCH_ROLE.get(place.role)
    if role is None:
        return ()
    if place.unit == "head":
        return (f"head.projection.{role}",)
    if place.unit == "stem":
        return (f"s1.pathway0_stem.{'bn' if place.is_norm else 'conv'}.{role}",)
    pathway = f"s{place.stage}.pathway0"
    if place.unit == "nonlocal":
        part = "bn" if place.part == "norm" else f"conv_{place.part}"
        return (f"{pathway}_nonlocal{place.block}.{part}.{role}",)
    branch = "branch1" if place.part == 0 else f"branch2.{'abc'[int(place.part) - 1]}"
    suffix = "_bn" if place.is_norm else ""
    return (f"{pathway}_res{place.block}.{branch}{suffix}.{role}",)


def _mmaction2(place: Place) -> Keys:
    if place.unit == "head":
        return (f"cls_head.fc_cls.{_TORCH_ROLE[place.role]}",)
    layer = f"backbone.layer{place.stage - 1}.{place.block}"
    if place.unit == "nonlocal":
        return tuple(f"{layer}.non_local_block.{key}" for key in _mmcv_nonlocal(place))
    # TSM wraps the blocks that a non-local block follows, and shifted convolutions.
    if place.unit == "stem":
        modules: Keys = ("backbone.conv1",)
    else:
        module = "downsample" if place.part == 0 else f"conv{place.part}"
        modules = (f"{layer}.{module}", f"{layer}.block.{module}")
    kinds = ("bn",) if place.is_norm else ("conv", "conv.net")
    role = _TORCH_ROLE[place.role]
    return tuple(f"{module}.{kind}.{role}" for module in modules for kind in kinds)


def _mmcv_nonlocal(place: Place) -> Keys:
    # With sub-sampling, φ and g are followed by a pooling, which numbers them.
    if place.role == "w_f":
        return ("concat_project.conv.weight",)
    role = _TORCH_ROLE[place.role]
    if place.part == "norm":
        return (f"conv_out.bn.{role}",)
    if place.part == "out":
        return (f"conv_out.conv.{role}",)
    return (f"{place.part}.conv.{role}", f"{place.part}.0.conv.{role}")


def _torchvision(place: Place) -> Keys:
    if place.unit == "nonlocal":
        return ()
    role = _TORCH_ROLE[place.role]
    if place.unit == "head":
        return (f"fc.{role}",)
    if place.unit == "stem":
        return (f"{'bn1' if place.is_norm else 'conv1'}.{role}",)
    layer = f"layer{place.stage - 1}.{place.block}"
    if place.part == 0:
        return (f"{layer}.downsample.{1 if place.is_norm else 0}.{role}",)
    return (f"{layer}.{'bn' if place.is_norm else 'conv'}{place.part}.{role}",)


def _keras(slot: Slot) -> Keys:
    owner, _, _ = slot.name.rpartition("/")
    return (slot.name, f"{owner}/vars/{slot.index}")


_TORCH_STATE = re.compile(r"(.*\.)?num_batches_tracked")

CAFFE2 = Naming(
    "caffe2",
    ("conv1_w",),
    _placed(_caffe2),
    re.compile(r".*_momentum|lr|model_iter|epoch"),
    "pred_",
)
NAMINGS = (
    CAFFE2,
    Naming(
        "pyslowfast",
        ("s1.pathway0_stem.conv.weight",),
        _placed(_pyslowfast),
        _TORCH_STATE,
        "head.",
    ),
    Naming(
        "mmaction2",
        ("backbone.conv1.conv.weight",),
        _placed(_mmaction2),
        _TORCH_STATE,
        "cls_head.",
    ),
    Naming(
        "torchvision", ("conv1.weight",), _placed(_torchvision), _TORCH_STATE, "fc."
    ),
    Naming(
        "keras",
        ("conv1_conv/kernel", "conv1_conv/vars/0"),
        _keras,
        re.compile(r"(optimizer(_weights)?|seed_generator)/.*|.*/seed_generator/.*"),
        "predictions/",
        channels_first=False,
    ),
)

# What a wrapper put before every key, as `torch.nn.parallel` does.
_WRAPPER_PREFIXES = ("module.", "model.", "")


def recognize(keys: Iterable[str]) -> tuple[Naming, str] | None:
    """Finds the naming of a file, and the prefix that all its keys have.

    Args:
        keys: The keys of the arrays.

    Returns:
        The naming and the prefix, or `None`.
    """
    present = set(keys)
    for naming in NAMINGS:
        for prefix in _WRAPPER_PREFIXES:
            if any(prefix + key in present for key in naming.fingerprints):
                return naming, prefix
    return None


def notes_on(naming: Naming, keys: Iterable[str]) -> list[str]:
    """What the keys say about a computation that differs from this package's."""
    notes = []
    if naming.name == "mmaction2":
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
    return notes
