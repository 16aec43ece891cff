"""Where in an epoch a callback is."""

import keras


class PositionedCallback(keras.callbacks.Callback):
    """A callback that counts the batches of an epoch.

    Attributes:
        first_batch: The batch of the epoch that `fit` begins with. `fit` counts from 0
            wherever it begins; `fit_resumably` sets this when it resumes an epoch.
    """

    first_batch: int = 0
