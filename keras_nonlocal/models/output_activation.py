"""The activation that computes the scores of a model."""

import keras
from keras import layers

# These operations keep probabilities probabilities, so the activation is before them.
_LAYERS_AFTER_SCORES = (
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
    layers.Dropout,
    layers.Flatten,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.Identity,
    layers.Permute,
    layers.Reshape,
)


def activation_name(model: keras.Model) -> str | None:
    """Returns the name of the activation that computes the model's output.

    Pooling, reshaping and changes of the dtype after it are ignored. `None` means that
    the last operation has no activation.
    """
    operations = getattr(model, "operations", None) or model.layers
    for operation in reversed(operations):
        if isinstance(operation, keras.Model):
            return activation_name(operation)
        if isinstance(operation, _LAYERS_AFTER_SCORES):
            continue
        if isinstance(operation, layers.Softmax):
            return "softmax"
        # `Activation("linear", dtype="float32")` ends networks of mixed precision.
        is_linear = (
            isinstance(operation, layers.Activation)
            and operation.activation is keras.activations.linear
        )
        if is_linear or type(operation).__name__ == "Cast":
            continue
        activation = getattr(operation, "activation", None)
        if activation is not None:
            return getattr(activation, "__name__", str(activation))
        # `keras.ops.softmax` of a Keras tensor creates an operation of the class
        # Softmax.
        name = type(operation).__name__.lower()
        return name if name in ("softmax", "sigmoid") else None
    return None
