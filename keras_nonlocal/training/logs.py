"""Callbacks that log throughput, data waiting time, and sample clips."""

import os
import time
from typing import Any

import keras
import numpy as np

from keras_nonlocal.python_calls import numpy_function
from keras_nonlocal.training.clip_datasets import transform_clips


class Throughput(keras.callbacks.Callback):
    """Adds the speed of the training run to its logs.

    - `clips_per_second`, or another unit per second: the number since the beginning of
      the epoch, divided by its duration.
    - `data_wait`: fraction of that time, from 0 to 1, spent waiting for the next batch,
      despite all prefetching of the dataset. Near 0, the model limits the speed.
      Otherwise, decoding does.

    The progress bar, `History` and all later callbacks receive both. The first step of
    `fit`, which compiles the model, is not counted. If a device computes while the
    program requests the next batch, a wait may cost less than its duration. With
    several replicas, a thread fetches batches ahead, and its waits are logged. If each
    worker reads its own share (`shard` of the dataset functions), the speed is that of
    all workers.

    Args:
        unit: The elements of a batch, for the name of the log. Defaults to `"clips"`.

    Example:

    >>> throughput = keras_nonlocal.training.Throughput()
    >>> model.fit(
    ...     throughput.watch(train), callbacks=[throughput]
    ... )  # doctest: +SKIP
    """

    def __init__(self, unit: str = "clips") -> None:
        super().__init__()
        self._speed = f"{unit}_per_second"
        # Number of clips of all workers and seconds of waiting, for each element.
        self._elements: list[tuple[float, float]] = []
        self._elements_per_step = 1
        self._begin: float | None = None
        self._num_uncounted = 0
        self._figures: dict[str, float] = {}

    def watch(self, clips: Any) -> Any:
        """Returns the same dataset and measures how long its consumer waits.

        Args:
            clips: A `tf.data.Dataset` of batches to pass to `model.fit`. A dataset of
                `keras_nonlocal.data` can still be resumed.
        """
        return transform_clips(clips, self._timed, per_clip=True)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._begin = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._elements.clear()
        self._figures = {}
        self._num_uncounted = 0
        if self._begin is not None:
            self._begin = time.perf_counter()

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        now = time.perf_counter()
        if self._begin is None:
            self._begin = now
            self._num_uncounted = batch + 1
            return
        first, end = self._num_uncounted, batch + 1
        counted = self._elements[
            first * self._elements_per_step : end * self._elements_per_step
        ]
        seconds = now - self._begin
        if counted and seconds > 0:
            num_clips, waits = np.sum(counted, axis=0)
            self._figures = {
                self._speed: float(num_clips / seconds),
                "data_wait": float(min(waits / seconds, 1.0)),
            }
        if logs is not None:
            logs.update(self._figures)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs.update(self._figures)

    def _timed(self, clips: Any) -> Any:
        import tensorflow as tf

        # The other workers receive the others.
        share = getattr(clips, "share", 1 / getattr(clips, "num_shards", 1))
        # Each replica of this worker takes one of the parts that it loads.
        elements_per_step = getattr(clips, "elements_per_step", 1)

        def asked() -> np.float64:
            return np.float64(time.perf_counter())

        def received(start: np.float64, num_clips: np.int64) -> np.bool_:
            wait = time.perf_counter() - float(start)
            self._elements_per_step = elements_per_step
            self._elements.append((int(num_clips) / share, wait))
            return np.True_

        def ask(_: Any) -> Any:
            return tf.ensure_shape(numpy_function(asked, [], tf.float64), ())

        def receive(start: Any, *batch: Any) -> Any:
            num_clips = tf.shape(tf.nest.flatten(batch)[0], out_type=tf.int64)[0]
            done = numpy_function(received, [start, num_clips], tf.bool)
            with tf.control_dependencies([done]):
                batch = tf.nest.map_structure(tf.identity, batch)
            return batch if len(batch) > 1 else batch[0]

        as_is = tf.autograph.experimental.do_not_convert
        # `zip` reads its parts in order: first the clock, then the batch.
        clock = tf.data.Dataset.range(2**62).map(as_is(ask))
        pairs = tf.data.Dataset.zip((clock, clips))
        if isinstance(clips.element_spec, tuple):
            timed = pairs.map(as_is(lambda start, batch: receive(start, *batch)))
        else:
            timed = pairs.map(as_is(receive))
        options = tf.data.Options()
        # If `tf.data` injected a prefetch here, it would wait instead of the consumer.
        options.experimental_optimization.inject_prefetch = False
        return timed.with_options(options)


class SampleClips(keras.callbacks.Callback):
    """Writes training clips for TensorBoard.

    Before each epoch, the callback writes the first clips of the first batch after
    augmentation, one image per clip, with the frames side by side. It needs the package
    `tensorboard`.

    Args:
        log_dir: Folder of the event files, for example that of
            `keras.callbacks.TensorBoard`.
        clips: The dataset of `keras_nonlocal.data` that the model is trained on, with
            pixels from 0 to 255.
        num_clips: Number of clips per epoch. Defaults to `4`.

    Example:

    >>> callbacks = [
    ...     keras.callbacks.TensorBoard("logs"),
    ...     keras_nonlocal.training.SampleClips("logs/clips", train),
    ... ]  # doctest: +SKIP
    """

    def __init__(
        self, log_dir: str | os.PathLike[str], clips: Any, num_clips: int = 4
    ) -> None:
        super().__init__()
        if not hasattr(clips, "resume"):
            raise TypeError(
                "`clips` must be a clip dataset of keras_nonlocal.data. "
                f"Received: clips={clips!r}"
            )
        self._log_dir = os.fspath(log_dir)
        self._clips = clips
        self._num_clips = num_clips
        self._writer: Any = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        import tensorflow as tf

        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self._log_dir)
        element = next(iter(self._clips.resume(epoch)))
        clips = element[0] if isinstance(element, tuple) else element
        with self._writer.as_default():
            for i, strip in enumerate(clip_strips(clips[: self._num_clips])):
                tf.summary.image(f"clip_{i}", strip[None], epoch)
        self._writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def clip_strips(clips: Any) -> np.ndarray:
    """Places the frames of clips side by side.

    Args:
        clips: Pixels from 0 to 255, `(batch, num_frames, height, width, 3)`.

    Returns:
        Bytes, `(batch, height, num_frames * width, 3)`.
    """
    pixels = np.asarray(keras.ops.convert_to_numpy(clips))
    if pixels.dtype != np.uint8:
        pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    batch, frames, height, width, channels = pixels.shape
    beside = np.moveaxis(pixels, 1, 2)
    return beside.reshape(batch, height, frames * width, channels)
