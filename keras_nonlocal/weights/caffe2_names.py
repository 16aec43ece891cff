"""The names that Caffe2 projects of the paper's authors give the weights."""

from keras_nonlocal.weights.places import WeightPlace
from keras_nonlocal.weights.torch_names import Keys

_BRANCHES = {0: "branch1", 1: "branch2a", 2: "branch2b", 3: "branch2c"}
_CAFFE2_NORM = {
    "gamma": "s",
    "beta": "b",
    "moving_mean": "rm",
    "moving_variance": "riv",
}
_CAFFE2_ROLE = {"kernel": "w", "bias": "b"}


def caffe2_keys(place: WeightPlace) -> Keys:
    """Names of video-nonlocal-net, which Detectron's backbone has, too."""
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
