"""The names of these networks' weights in PyTorch projects.

Each function returns the keys that may hold the weight at a place, the usual one first.
"""

from keras_nonlocal.weights.places import WeightPlace

Keys = tuple[str, ...]

_ROLE = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def pytorch_role(place: WeightPlace) -> str | None:
    """Returns what PyTorch's layers call a variable; `None` if they have none."""
    return _ROLE.get(place.role)


def pyslowfast_keys(place: WeightPlace) -> Keys:
    """Names of `slowfast/models/video_model_builder.py`."""
    role = _ROLE.get(place.role)
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


def pytorchvideo_keys(place: WeightPlace, stage_indices: tuple[int, ...]) -> Keys:
    """Names of `pytorchvideo/models/resnet.py`, which has no non-local blocks.

    Args:
        place: The place.
        stage_indices: Indices in `blocks` of res2 … res5 and of the head. A pooling
            after res2 has its own index.
    """
    role = _ROLE.get(place.role)
    if role is None or place.unit == "nonlocal":
        return ()
    kind = "norm" if place.is_norm else "conv"
    if place.unit == "stem":
        return (f"blocks.0.{kind}.{role}",)
    block = f"blocks.{stage_indices[place.stage - 2]}"
    if place.unit == "head":
        return (f"{block}.proj.{role}",)
    branch = f"branch1_{kind}"
    if place.part != 0:
        branch = f"branch2.{kind}_{'abc'[int(place.part) - 1]}"
    return (f"{block}.res_blocks.{place.block}.{branch}.{role}",)


def mmaction2_keys(place: WeightPlace) -> Keys:
    """Names of `mmaction/models/backbones`, with the wrappers of TSM."""
    if place.unit == "head":
        return (f"cls_head.fc_cls.{_ROLE[place.role]}",)
    layer = f"backbone.layer{place.stage - 1}.{place.block}"
    if place.unit == "nonlocal":
        return tuple(f"{layer}.non_local_block.{key}" for key in _mmcv_nonlocal(place))
    # TSM wraps blocks that are followed by a non-local block, and shifted convolutions.
    if place.unit == "stem":
        modules: Keys = ("backbone.conv1",)
    else:
        module = "downsample" if place.part == 0 else f"conv{place.part}"
        modules = (f"{layer}.{module}", f"{layer}.block.{module}")
    kinds = ("bn",) if place.is_norm else ("conv", "conv.net")
    role = _ROLE[place.role]
    return tuple(f"{module}.{kind}.{role}" for module in modules for kind in kinds)


def _mmcv_nonlocal(place: WeightPlace) -> Keys:
    # With subsampling, φ and g are part of a numbered sequence with a pooling.
    if place.role == "w_f":
        return ("concat_project.conv.weight",)
    role = _ROLE[place.role]
    if place.part == "norm":
        return (f"conv_out.bn.{role}",)
    if place.part == "out":
        return (f"conv_out.conv.{role}",)
    return (f"{place.part}.conv.{role}", f"{place.part}.0.conv.{role}")


def torchvision_keys(place: WeightPlace) -> Keys:
    """Names of torchvision and timm."""
    if place.unit == "nonlocal":
        return ()
    return _resnet_keys(place, "conv1", "bn1", "layer{}", first_stage=1)


def resnet3d_keys(place: WeightPlace) -> Keys:
    """Names of pytorch-resnet3d, which converts the Caffe2 files of the authors."""
    if place.unit != "nonlocal":
        return torchvision_keys(place)
    role = _ROLE.get(place.role)
    if role is None:
        return ()
    part = "bn" if place.part == "norm" else place.part
    return (f"layer{place.stage - 1}.{place.block}.nl.{part}.{role}",)


def gluoncv_keys(place: WeightPlace) -> Keys:
    """Names of `gluoncv/torch/model_zoo/action_recognition/i3d_resnet.py`."""
    if place.unit != "nonlocal":
        names = ("first_stage.0", "first_stage.1", "res_layers.{}")
        return _resnet_keys(place, *names, first_stage=0)
    block = f"res_layers.{place.stage - 2}.{place.block}.nonlocal_block"
    if place.role == "w_f":
        return (f"{block}.concat_proj.0.weight",)
    part = {"norm": "bn", "out": "W"}.get(str(place.part), place.part)
    return (f"{block}.{part}.{_ROLE[place.role]}",)


def _resnet_keys(
    place: WeightPlace, convolution: str, norm: str, stage: str, first_stage: int
) -> Keys:
    """Names in a ResNet as in torchvision, with other names for the stages."""
    role = _ROLE[place.role]
    if place.unit == "head":
        return (f"fc.{role}",)
    if place.unit == "stem":
        return (f"{norm if place.is_norm else convolution}.{role}",)
    block = f"{stage.format(place.stage - 2 + first_stage)}.{place.block}"
    if place.part == 0:
        return (f"{block}.downsample.{1 if place.is_norm else 0}.{role}",)
    return (f"{block}.{'bn' if place.is_norm else 'conv'}{place.part}.{role}",)
