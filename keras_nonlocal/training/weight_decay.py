"""Weight decay of models that take no regularizer."""

import keras

from keras_nonlocal.replicas.sublayers import all_layers
from keras_nonlocal.training.recipes import gradient_l2


def decay_kernels(model: keras.Model, weight_decay: float = 1e-4) -> int:
    """Adds `weight_decay * kernel` to the gradient of each kernel of a model.

    This is the weight decay of Detectron, as in `gradient_l2`, for models that are
    already built, such as detectors. Biases and normalizations do not decay, and
    neither do kernels that are not trained. The regularizers of the model's layers are
    replaced, and saved with the model.

    Args:
        model: The model.
        weight_decay: `0` removes the regularizers. Defaults to `1e-4`.

    Returns:
        Number of kernels.

    Raises:
        ValueError: If `weight_decay` is negative.

    Example:

    >>> model = keras_nonlocal.NLMaskRCNN50(classes=3, weights=None, width=4)
    >>> keras_nonlocal.training.decay_kernels(model, 1e-4)
    78

    References:
        `SOLVER.WEIGHT_DECAY` in https://github.com/facebookresearch/Detectron, where
        biases do not decay and have twice the learning rate.
    """
    regularizer = gradient_l2(weight_decay) if weight_decay != 0 else None
    count = 0
    for layer in all_layers(model):
        if hasattr(layer, "kernel_regularizer"):
            layer.kernel_regularizer = regularizer
        # w_f is the vector of non-local blocks that concatenate.
        for name in ("kernel", "w_f"):
            kernel = getattr(layer, name, None)
            if isinstance(kernel, keras.Variable):
                kernel.regularizer = regularizer
                count += 1
    return count
