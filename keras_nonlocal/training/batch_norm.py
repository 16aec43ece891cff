"""Batch normalisation: freezing it, and precise statistics."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_nonlocal.replicas.sublayers import batch_norms


def freeze_batch_norm(model: keras.Model) -> int:
    """Freezes all batch normalisations of a model, also those inside other layers.

    They use their moving statistics in training as well, for batches too small for
    statistics, and γ and β stay as they are. Compile the model afterwards. The paper's
    fine-tuning on long clips goes on training γ and β: for that, build the network
    with `normalization="frozen_batch"` and take over the weights.

    Args:
        model: The model.

    Returns:
        Number of batch normalisations in the model.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     nonlocal_blocks=1, input_shape=(4, 32, 32, 3), width=4)
    >>> keras_nonlocal.training.freeze_batch_norm(model)
    54

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 4.1;
        `MODEL.USE_AFFINE` in https://github.com/facebookresearch/video-nonlocal-net.
    """
    norms = batch_norms(model)
    for norm in norms:
        norm.trainable = False
    return len(norms)


def update_batch_norm_statistics(
    model: keras.Model, dataset: Iterable[Any], num_batches: int = 200
) -> int:
    """Replaces the moving statistics by the exact ones of a number of batches.

    The moving averages lag behind the weights. Here the weights stand still: every
    batch goes through the model in training mode, so that a normalisation sees what it
    sees in training, and its mean and variance become those of all its inputs

    `mean = Σ n_k mean_k / Σ n_k`,
    `variance = Σ n_k (variance_k + (mean_k − mean)²) / Σ n_k`

    with `n_k` samples in batch k. Frozen normalisations stay as they are. Under a
    `tf.distribute` strategy, call it outside of `Strategy.run` with the same dataset in
    every process, and with batches of all replicas, of which each part goes through
    the model as in training, where a normalisation that is not synchronised sees the
    samples of its replica.

    Args:
        model: The model.
        dataset: Batches as for `model.fit`, `x` or `(x, y)` or `(x, y, sample_weight)`,
            with clips of one size, for instance a `tf.data.Dataset`.
        num_batches: How many batches to use at most. Defaults to `200`.

    Returns:
        The number of batches that were used.

    Raises:
        ValueError: If `num_batches` is not positive or the dataset is empty.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     input_shape=(4, 32, 32, 3), width=4, classes=3)
    >>> batches = [np.random.rand(2, 4, 32, 32, 3).astype("float32")] * 2
    >>> keras_nonlocal.training.update_batch_norm_statistics(model, batches)
    2

    References:
        `TRAIN.ITER_COMPUTE_PRECISE_BN` (200) in
        https://github.com/facebookresearch/video-nonlocal-net, `BN.USE_PRECISE_STATS`
        and `BN.NUM_BATCHES_PRECISE` in https://github.com/facebookresearch/SlowFast;
        [Rethinking "Batch" in BatchNorm](https://arxiv.org/abs/2105.07576), section 3.
    """
    if isinstance(num_batches, bool) or num_batches < 1:
        raise ValueError(
            f"`num_batches` must be at least 1. Received: num_batches={num_batches!r}"
        )
    norms = batch_norms(model)
    momenta = [norm.momentum for norm in norms]
    moments = [_Moments() for _ in norms]
    used = 0
    sizes: list[int] = []
    try:
        for norm in norms:
            # The moving statistics of such a norm are those of the last batch.
            norm.momentum = 0.0
        for batch in itertools.islice(dataset, num_batches):
            x, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
            if _num_samples(x) > sum(sizes):
                sizes = _part_sizes(model, norms, _num_samples(x))
            for part in _parts(x, sizes):
                model(part, training=True)
                for norm, moment in zip(norms, moments, strict=True):
                    moment.add(norm, samples=_num_samples(part))
            used += 1
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    if not used:
        raise ValueError(
            f"`dataset` must have at least one batch. Received: dataset={dataset!r}"
        )
    for norm, moment in zip(norms, moments, strict=True):
        norm.moving_mean.assign(moment.mean)
        norm.moving_variance.assign(moment.variance)
    return used


def _part_sizes(
    model: keras.Model, norms: Sequence[keras.layers.BatchNormalization], samples: int
) -> list[int]:
    """Samples of each replica of a whole batch, as `fit` shares it out."""
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or all(norm.synchronized for norm in norms):
        return [samples]
    replicas = strategy.num_replicas_in_sync
    return [samples // replicas + (i < samples % replicas) for i in range(replicas)]


def _parts(x: Any, sizes: Sequence[int]) -> Iterator[Any]:
    """Yields the parts of a batch; the last, smaller one has fewer of them."""
    begin = 0
    for size in sizes:
        end = min(begin + size, _num_samples(x))
        if begin < end:
            yield keras.tree.map_structure(lambda v, b=begin, e=end: v[b:e], x)
        begin = end


def _num_samples(x: Any) -> int:
    return len(keras.tree.flatten(x)[0])


class _Moments:
    """Mean and variance of growing data, in float64."""

    def __init__(self) -> None:
        self.mean: Any = 0.0
        self.variance: Any = 0.0
        self._samples = 0

    def add(self, norm: keras.layers.BatchNormalization, samples: int) -> None:
        """Adds the last batch that `norm` saw."""
        mean = _float64(norm.moving_mean)
        variance = _float64(norm.moving_variance)
        share = samples / (self._samples + samples)
        step = mean - self.mean
        self.variance += share * (variance - self.variance + (1 - share) * step**2)
        self.mean = self.mean + share * step
        self._samples += samples


def _float64(variable: keras.Variable) -> Any:
    return keras.ops.convert_to_numpy(variable).astype(np.float64)
