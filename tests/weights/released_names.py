"""Writes a network's weights under the names of other projects.

Spelled out from the projects' sources, apart from the package's own name maps.
"""

from collections.abc import Callable, Mapping

import keras
import numpy as np

KeyOf = Callable[[str, str], str]  # (layer name, role) -> key

_TORCH = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_CAFFE2 = {
    "kernel": "w",
    "bias": "b",
    "gamma": "s",
    "beta": "b",
    "moving_mean": "rm",
    "moving_variance": "riv",
}


def randomize(model: keras.Model, seed: int) -> None:
    """Gives every weight a value of its own, variances positive."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        value = rng.normal(0.0, 0.1, variable.shape)
        if variable.name in ("moving_variance", "gamma"):
            value = rng.uniform(0.5, 1.5, variable.shape)
        variable.assign(value)


def named_arrays(
    model: keras.Model, key_of: KeyOf, *, inflated_from_images: bool = False
) -> dict[str, np.ndarray]:
    """Key → array in the layout `(out, in, *positions)`."""
    arrays = {}
    for layer in model.layers:
        for variable in layer.weights:
            owner = layer.name
            for part in ("theta", "phi", "g", "out", "norm"):
                weights = getattr(getattr(layer, part, None), "weights", ())
                if any(variable is weight for weight in weights):
                    owner = f"{layer.name}/{part}"
            value = keras.ops.convert_to_numpy(variable)
            if variable.name == "w_f":
                value = value.reshape(1, -1, 1, 1, 1)
            if variable.name == "kernel":
                value = _channels_first(owner, value, inflated_from_images)
            arrays[key_of(owner, variable.name)] = value
    return arrays


def _channels_first(owner: str, value: np.ndarray, images: bool) -> np.ndarray:
    value = np.moveaxis(value, (-1, -2), (0, 1))
    if value.ndim == 2 and owner != "predictions":
        return value.reshape(*value.shape, 1, 1, 1)
    if value.ndim == 5 and images:
        return value.sum(2)
    return value


def caffe2_key(owner: str, role: str) -> str:
    role = _CAFFE2[role]
    if owner == "predictions":
        return f"pred_{role}"
    if owner.startswith("conv1_"):
        return f"conv1_{role}" if owner == "conv1_conv" else f"res_conv1_bn_{role}"
    stage, block, rest = _split(owner)
    if rest.startswith("nl/"):
        part = {"norm": "bn"}.get(rest[3:], rest[3:])
        return f"nonlocal_conv{stage}_{block}_{part}_{role}"
    branch = {"0": "1", "1": "2a", "2": "2b", "3": "2c"}[rest[0]]
    middle = "_bn" if rest.endswith("bn") else ""
    return f"res{stage}_{block}_branch{branch}{middle}_{role}"


def mmaction2_key(owner: str, role: str) -> str:
    role = _TORCH.get(role, role)
    if owner == "predictions":
        return f"cls_head.fc_cls.{role}"
    if owner.startswith("conv1_"):
        return f"backbone.conv1.{owner[6:]}.{role}"
    stage, block, rest = _split(owner)
    prefix = f"backbone.layer{stage - 1}.{block}"
    if rest == "nl":
        return f"{prefix}.non_local_block.concat_project.conv.weight"
    if rest.startswith("nl/"):
        module = {
            "theta": "theta.conv",
            "phi": "phi.0.conv",
            "g": "g.0.conv",
            "out": "conv_out.conv",
            "norm": "conv_out.bn",
        }[rest[3:]]
        return f"{prefix}.non_local_block.{module}.{role}"
    number, kind = rest.split("_")
    module = "downsample" if number == "0" else f"conv{number}"
    return f"{prefix}.{module}.{kind}.{role}"


def tsm_key(owner: str, role: str) -> str:
    """mmaction2's TSM: blocks inside wrappers, first convolutions inside shifts."""
    key = mmaction2_key(owner, role)
    if owner.startswith("conv3_block2_") and "non_local" not in key:
        key = key.replace("layer2.1.", "layer2.1.block.")
    return key.replace(".conv1.conv.", ".conv1.conv.net.") if "layer" in key else key


def torchvision_key(owner: str, role: str) -> str:
    role = _TORCH[role]
    if owner == "predictions":
        return f"fc.{role}"
    if owner.startswith("conv1_"):
        return f"{'conv1' if owner == 'conv1_conv' else 'bn1'}.{role}"
    stage, block, rest = _split(owner)
    number, kind = rest.split("_")
    if number == "0":
        module = f"downsample.{1 if kind == 'bn' else 0}"
    else:
        module = f"{kind}{number}"
    return f"layer{stage - 1}.{block}.{module}.{role}"


def pyslowfast_key(owner: str, role: str) -> str:
    role = _TORCH[role]
    if owner == "predictions":
        return f"head.projection.{role}"
    if owner.startswith("conv1_"):
        return f"s1.pathway0_stem.{owner[6:]}.{role}"
    stage, block, rest = _split(owner)
    if rest.startswith("nl/"):
        part = "bn" if rest == "nl/norm" else f"conv_{rest[3:]}"
        return f"s{stage}.pathway0_nonlocal{block}.{part}.{role}"
    branch = {"0": "branch1", "1": "branch2.a", "2": "branch2.b", "3": "branch2.c"}
    suffix = "_bn" if rest.endswith("bn") else ""
    return f"s{stage}.pathway0_res{block}.{branch[rest[0]]}{suffix}.{role}"


def pytorchvideo_key(owner: str, role: str) -> str:
    """As `torch.hub` has them: pool2 is `blocks.2`."""
    role = _TORCH[role]
    if owner == "predictions":
        return f"blocks.6.proj.{role}"
    if owner.startswith("conv1_"):
        return f"blocks.0.{'norm' if owner.endswith('bn') else 'conv'}.{role}"
    stage, block, rest = _split(owner)
    index = {2: 1, 3: 3, 4: 4, 5: 5}[stage]
    kind = "norm" if rest.endswith("bn") else "conv"
    branch = {
        "0": f"branch1_{kind}",
        "1": f"branch2.{kind}_a",
        "2": f"branch2.{kind}_b",
        "3": f"branch2.{kind}_c",
    }[rest[0]]
    return f"blocks.{index}.res_blocks.{block}.{branch}.{role}"


def unpooled_pytorchvideo_key(owner: str, role: str) -> str:
    """Without pool2, every later block counts one less."""
    key = pytorchvideo_key(owner, role)
    for index in (3, 4, 5, 6):
        if key.startswith(f"blocks.{index}."):
            return f"blocks.{index - 1}.{key.split('.', 2)[2]}"
    return key


def resnet3d_key(owner: str, role: str) -> str:
    """pytorch-resnet3d, the conversion of the Caffe2 files."""
    if "_nl" not in owner:
        return torchvision_key(owner, role)
    stage, block, rest = _split(owner)
    part = {"nl/norm": "bn"}.get(rest, rest[3:])
    return f"layer{stage - 1}.{block}.nl.{part}.{_TORCH[role]}"


def gluoncv_key(owner: str, role: str) -> str:
    """GluonCV's `I3D_ResNetV1` in PyTorch."""
    if owner.startswith("conv1_"):
        return f"first_stage.{1 if owner.endswith('bn') else 0}.{_TORCH[role]}"
    if owner == "predictions":
        return f"fc.{_TORCH[role]}"
    stage, block, rest = _split(owner)
    if rest.startswith("nl/"):
        part = {"norm": "bn", "out": "W"}.get(rest[3:], rest[3:])
        module = f"nonlocal_block.{part}"
        return f"res_layers.{stage - 2}.{block}.{module}.{_TORCH[role]}"
    key = torchvision_key(owner, role)
    return f"res_layers.{stage - 2}.{block}.{key.split('.', 2)[2]}"


def _split(owner: str) -> tuple[int, int, str]:
    stage, block, rest = owner.split("_", 2)
    return int(stage[4:]), int(block[5:]) - 1, rest


def with_momenta(arrays: Mapping[str, np.ndarray]) -> dict[str, object]:
    """The Caffe2 blobs that are no weights, beside those that are."""
    momenta = {f"{key}_momentum": value for key, value in arrays.items()}
    return {**arrays, **momenta, "lr": np.float32(0.01), "model_iter": 400000}
