"""`model_fingerprint`: whether saved results are those of the same model."""

import hashlib

import keras
import numpy as np

from keras_nonlocal.inference.exported.exported_model import ExportedModel


def model_fingerprint(model: keras.Model | ExportedModel) -> str:
    """Returns a short hash of a model's structure and of all its weights."""
    if isinstance(model, ExportedModel):
        return model.fingerprint()
    digest = hashlib.sha256(model.to_json().encode())
    for weight in model.weights:
        value = keras.ops.convert_to_numpy(weight)
        digest.update(f"{value.shape}{value.dtype}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()[:16]
