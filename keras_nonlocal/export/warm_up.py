"""Example requests that TensorFlow Serving processes before it accepts traffic.

They are written directly in the protocol buffer wire format. Their message types are
part of the package `tensorflow-serving-api`, which an export does not otherwise need.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

# Field numbers in tensorflow_serving/apis/{prediction_log,predict,model}.proto.
_LOG_PREDICT_LOG = 6
_PREDICT_LOG_REQUEST = 1
_REQUEST_MODEL_SPEC = 1
_REQUEST_INPUTS = 2
_MODEL_SPEC_SIGNATURE_NAME = 3
_MAP_KEY = 1
_MAP_VALUE = 2

_LENGTH_DELIMITED = 2


def write_warm_up_requests(
    folder: Path, requests: Mapping[str, Mapping[str, Any]]
) -> None:
    """Writes the requests to the file that TensorFlow Serving reads.

    Args:
        folder: The folder of the SavedModel.
        requests: Mapping from signature to input name to `TensorProto`.
    """
    assets = folder / "assets.extra"
    assets.mkdir(exist_ok=True)
    path = str(assets / "tf_serving_warmup_requests")
    with tf.io.TFRecordWriter(path) as writer:
        for signature, inputs in requests.items():
            writer.write(_prediction_log(signature, inputs))


def _prediction_log(signature: str, inputs: Mapping[str, Any]) -> bytes:
    """Returns a serialized `PredictionLog` with a `PredictRequest`."""
    request = _field(
        _REQUEST_MODEL_SPEC, _field(_MODEL_SPEC_SIGNATURE_NAME, signature.encode())
    )
    for name, tensor in inputs.items():
        entry = _field(_MAP_KEY, name.encode())
        entry += _field(_MAP_VALUE, tensor.SerializeToString())
        request += _field(_REQUEST_INPUTS, entry)
    return _field(_LOG_PREDICT_LOG, _field(_PREDICT_LOG_REQUEST, request))


def _field(number: int, content: bytes) -> bytes:
    """Returns a length-delimited field: a string or a message."""
    tag = number << 3 | _LENGTH_DELIMITED
    return _varint(tag) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Encodes seven bits per byte, lowest first. A high bit marks that more follow."""
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
