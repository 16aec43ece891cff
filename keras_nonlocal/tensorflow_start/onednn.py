"""TensorFlow's faster kernels for CPUs, which must be enabled."""

import os
import sys

_SWITCH = "TF_ENABLE_ONEDNN_OPTS"


def enable_onednn() -> None:
    """Makes TensorFlow use the convolutions and matrix products of oneDNN on CPUs.

    By default, TensorFlow does not use them on many CPUs. They round in a different
    order, so results differ in their last digits. The command line and the examples
    enable them; importing this package does not. Other backends and GPUs are not
    affected.

    The function sets the environment variable `TF_ENABLE_ONEDNN_OPTS` to 1 in this
    process and its child processes. TensorFlow reads it on import, and Keras imports
    TensorFlow if that is its backend.

    Raises:
        RuntimeError: If TensorFlow has already been imported without these kernels.

    Example:

    ```python
    import keras_nonlocal

    keras_nonlocal.enable_onednn()  # before `import keras` and `import tensorflow`
    ```

    References:
        - [Build from source, CPU optimizations](https://www.tensorflow.org/install/source)
          of TensorFlow.
    """
    if "tensorflow" in sys.modules and os.environ.get(_SWITCH) != "1":
        raise RuntimeError(
            "`enable_onednn` must be called before TensorFlow is imported. Received: "
            f"{_SWITCH}={os.environ.get(_SWITCH)!r} with TensorFlow imported"
        )
    os.environ[_SWITCH] = "1"
