"""The start of TensorFlow: its fast kernels, its import and its log messages.

Importing `keras_nonlocal` does not affect it. The command line, the examples and the
benchmarks call `start_quietly` before they import TensorFlow or Keras.
"""

import os

from keras_nonlocal.tensorflow_start.onednn import enable_onednn as enable_onednn
from keras_nonlocal.tensorflow_start.quiet_import import (
    hide_startup_lines as hide_startup_lines,
)
from keras_nonlocal.tensorflow_start.uncollected_import import import_uncollected

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def start_quietly() -> None:
    """Makes TensorFlow start sooner, with its fast kernels and without messages.

    Call it before TensorFlow or Keras is imported; afterwards, it has no effect.
    Garbage collections pause during these imports.
    User-defined values of `TF_ENABLE_ONEDNN_OPTS` and `TF_CPP_MIN_LOG_LEVEL` are kept.
    Exceptions and fatal errors still reach the terminal, also during the start.

    Example:

    ```python
    from keras_nonlocal.tensorflow_start import start_quietly

    start_quietly()  # before `import keras` and `import tensorflow`
    ```
    """
    os.environ.setdefault(_ONEDNN, "1")
    import_uncollected()
    # Below level 2, TensorFlow's optimizers and oneDNN log messages that users cannot
    # act on, and relevant errors are exceptions. If the user sets 0 or 1, nothing is
    # hidden.
    if os.environ.setdefault(_LOG_LEVEL, "3") not in ("0", "1"):
        hide_startup_lines()
