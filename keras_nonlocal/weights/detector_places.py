"""The layers of a detector after its backbone, read from their names."""

import re

from keras_nonlocal.weights.places import WeightPlace

_LAYER = re.compile(
    r"fpn_p(?P<level>[2-5])_(?P<pyramid>lateral|conv)"
    r"|rpn_(?P<rpn>conv|logits|deltas)"
    r"|box_(?:fc(?P<dense>[12])|(?P<box>logits|deltas))"
    r"|mask_(?:conv(?P<convolution>[1-9]\d*)|(?P<mask>deconv|logits))"
    r"|keypoint_(?:conv(?P<pose_convolution>[1-9]\d*)|(?P<keypoint>deconv))"
)
_HEAD_BLOCK = re.compile(r"keypoint_conv[1-9]\d*_nl")


def detector_place(name: str) -> WeightPlace | None:
    """Returns the place of a layer, its role still open, or `None` for other layers.

    Example:

    >>> from keras_nonlocal.weights.detector_places import detector_place
    >>> place = detector_place("fpn_p4_lateral")
    >>> place.unit, place.stage, place.part
    ('pyramid', 4, 'lateral')
    """
    match = _LAYER.fullmatch(name)
    if match is None:
        return None
    found = match.groupdict()
    if found["level"]:
        return WeightPlace(
            "pyramid", "", stage=int(found["level"]), part=found["pyramid"]
        )
    if found["rpn"]:
        return WeightPlace("rpn", "", part=found["rpn"])
    if name.startswith("box"):
        number = int(found["dense"] or 0)
        return WeightPlace("box", "", block=number, part=found["box"] or "fc")
    if name.startswith("keypoint"):
        number = int(found["pose_convolution"] or 0)
        part = found["keypoint"] or "conv"
        return WeightPlace("keypoint", "", block=number, part=part)
    number = int(found["convolution"] or 0)
    return WeightPlace("mask", "", block=number, part=found["mask"] or "conv")


def numbers_per_class(place: WeightPlace) -> int | None:
    """Returns how many outputs of a layer belong to one class, or `None`.

    Only the last layers of the box head and of the mask head depend on the classes.
    """
    numbers = {("box", "logits"): 1, ("box", "deltas"): 4, ("mask", "logits"): 1}
    return numbers.get((place.unit, str(place.part)))


def depends_on_data(place: WeightPlace) -> bool:
    """Returns whether a layer depends on the number of classes or of keypoints."""
    is_keypoints = (place.unit, place.part) == ("keypoint", "deconv")
    return is_keypoints or numbers_per_class(place) is not None


def is_head_block(name: str) -> bool:
    """Returns whether a layer is a non-local block in a head."""
    return _HEAD_BLOCK.fullmatch(name) is not None
