"""TensorFlow's faster kernels for CPUs, which have to be asked for."""

import os
import sys

_SWITCH = "TF_ENABLE_ONEDNN_OPTS"


def enable_onednn() -> None:
    """Has TensorFlow use the convolutions and matrix products of oneDNN on CPUs.

    TensorFlow leaves them out on many CPUs. They round in another order, so that
    results differ in their last digits. The command line and the examples use them;
    importing this package changes nothing. Other backends do not heed the switch, nor
    do GPUs.

    Sets the environment variable `TF_ENABLE_ONEDNN_OPTS` to 1 in this process and the
    ones it starts. TensorFlow reads it when it is imported, which Keras does on the
    TensorFlow backend.

    Raises:
        RuntimeError: If TensorFlow has been imported without the kernels.

    Example:

    ```python
    import keras_nonlocal

    keras_nonlocal.enable_onednn()  # before `import keras` and `import tensorflow`
    ```

    References:
        - [Build from source, CPU optimisations](https://www.tensorflow.org/install/source)
          of TensorFlow.
    """
    if "tensorflow" in sys.modules and os.environ.get(_SWITCH) != "1":
        raise RuntimeError(
            "`enable_onednn` must be called before TensorFlow is imported. Received: "
            f"{_SWITCH}={os.environ.get(_SWITCH)!r} with TensorFlow imported"
        )
    os.environ[_SWITCH] = "1"
