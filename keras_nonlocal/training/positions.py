"""Positions of callbacks in an epoch."""

import keras


class PositionedCallback(keras.callbacks.Callback):
    """A callback that counts the batches of an epoch.

    Attributes:
        first_batch: The batch of the epoch at which `fit` begins. `fit` always counts
            from 0, so `fit_resumably` sets this attribute when it resumes an epoch.
    """

    first_batch: int = 0
