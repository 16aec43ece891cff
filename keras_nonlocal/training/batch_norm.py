"""Batch normalization in training: freezing and precise statistics."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np

from keras_nonlocal.arguments import check_positive_integer
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.replicas.sublayers import (
    all_layers,
    batch_norms,
    updates_statistics,
)
from keras_nonlocal.tensors import Tensor
from keras_nonlocal.training.workers.jax_workers import of_all_processes

Norm: TypeAlias = keras.layers.BatchNormalization


def freeze_batch_norm(model: keras.Model) -> int:
    """Freezes all batch normalizations of a model, also inside other layers.

    Frozen normalizations use their moving statistics in training, too, and their γ and
    β are not trained. Use this function if batches are too small for statistics, and
    compile the model afterwards. The paper's fine-tuning on long clips still trains γ
    and β. For that, build the network with `normalization="frozen_batch"` and load the
    weights.

    Args:
        model: The model.

    Returns:
        Number of batch normalizations in the model.

    Raises:
        ValueError: If a layer has not been built and may still create normalizations.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     nonlocal_blocks=1, input_shape=(4, 32, 32, 3), width=4)
    >>> keras_nonlocal.training.freeze_batch_norm(model)
    54

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 4.1;
        `MODEL.USE_AFFINE` in https://github.com/facebookresearch/video-nonlocal-net.
    """
    for layer in all_layers(model):
        if isinstance(layer, NonLocalBlock) and not layer.built:
            raise ValueError(
                "`model` must be built before its normalizations are frozen. "
                f"Received: layer={layer.name!r}, built=False"
            )
    norms = batch_norms(model)
    for norm in norms:
        norm.trainable = False
    return len(norms)


def update_batch_norm_statistics(
    model: keras.Model, dataset: Iterable[Any], num_batches: int = 200
) -> int:
    """Replaces the moving statistics with the exact ones of a number of batches.

    Moving averages lag behind the weights. This function runs every batch through the
    model in training mode without changing the weights. The statistics of a
    normalization become the mean and variance of all its inputs,

    `mean = Σ n_k mean_k / Σ n_k`,
    `variance = Σ n_k (variance_k + (mean_k − mean)²) / Σ n_k`

    with `n_k` samples in batch k. The old statistics have no influence, even if they
    are NaN. Frozen normalizations do not change. If an error is raised, nothing
    changes.

    Under a `tf.distribute` strategy, call it outside of `Strategy.run`, with the same
    dataset in every process and with global batches. As in training, a normalization
    that is not synchronized sees the part of one replica at a time. In several
    processes of JAX, each passes its own part of every batch.

    Args:
        model: The model.
        dataset: Batches as for `model.fit`, `x` or `(x, y)` or `(x, y, sample_weight)`,
            with clips of one size, for instance a `tf.data.Dataset`.
        num_batches: Maximum number of batches to use. Defaults to `200`.

    Returns:
        The number of used batches.

    Raises:
        ValueError: If `num_batches` is not positive, the dataset is empty, or the
            statistics of the batches are not finite.

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
    num_batches = check_positive_integer("num_batches", num_batches)
    norms = [norm for norm in batch_norms(model) if updates_statistics(norm)]
    state = [
        (variable, keras.ops.convert_to_numpy(variable).copy())
        for variable in model.non_trainable_variables
    ]
    try:
        with _without_momentum(norms):
            used, moments = _moments_of(model, norms, dataset, num_batches)
        if not used:
            raise ValueError(
                f"`dataset` must have at least one batch. Received: dataset={dataset!r}"
            )
        for norm, moment in zip(norms, moments, strict=True):
            moment.check_finite(norm)
    except BaseException:
        for variable, value in state:
            variable.assign(value)
        raise
    for norm, moment in zip(norms, moments, strict=True):
        norm.moving_mean.assign(moment.mean)
        norm.moving_variance.assign(moment.variance)
    return used


@contextlib.contextmanager
def _without_momentum(norms: Sequence[Norm]) -> Iterator[None]:
    """In this context, the moving statistics are those of the last batch."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _moments_of(
    model: keras.Model, norms: Sequence[Norm], dataset: Iterable[Any], num_batches: int
) -> tuple[int, list["_Moments"]]:
    """Returns the number of batches and the moments of each norm's inputs."""
    moments = [_Moments() for _ in norms]
    used = 0
    sizes: list[int] = []
    for batch in itertools.islice(dataset, num_batches):
        x, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
        x = of_all_processes(x)
        if _num_samples(x) > sum(sizes):
            sizes = _part_sizes(model, norms, _num_samples(x))
        for part in _parts(x, sizes):
            for norm in norms:
                # A momentum of 0 does not remove NaN, because 0 times NaN is NaN.
                shape = norm.moving_mean.shape
                norm.moving_mean.assign(np.zeros(shape, "float32"))
                norm.moving_variance.assign(np.ones(shape, "float32"))
            model(part, training=True)
            for norm, moment in zip(norms, moments, strict=True):
                moment.add(norm, samples=_num_samples(part))
        used += 1
    return used, moments


def _part_sizes(model: keras.Model, norms: Sequence[Norm], samples: int) -> list[int]:
    """Returns the number of samples on each replica, as `fit` splits a whole batch."""
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or all(norm.synchronized for norm in norms):
        return [samples]
    replicas = strategy.num_replicas_in_sync
    return [samples // replicas + (i < samples % replicas) for i in range(replicas)]


def _parts(x: Tensor, sizes: Sequence[int]) -> Iterator[Any]:
    """Yields the parts of a batch. A smaller last batch has fewer parts."""
    begin = 0
    for size in sizes:
        end = min(begin + size, _num_samples(x))
        if begin < end:
            yield keras.tree.map_structure(lambda v, b=begin, e=end: v[b:e], x)
        begin = end


def _num_samples(x: Tensor) -> int:
    return len(keras.tree.flatten(x)[0])


class _Moments:
    """Running mean and variance in float64."""

    def __init__(self) -> None:
        self.mean: Tensor = 0.0
        self.variance: Tensor = 0.0
        self._samples = 0

    def add(self, norm: Norm, samples: int) -> None:
        """Adds the last batch that `norm` saw."""
        mean = _float64(norm.moving_mean)
        variance = _float64(norm.moving_variance)
        share = samples / (self._samples + samples)
        step = mean - self.mean
        self.variance += share * (variance - self.variance + (1 - share) * step**2)
        self.mean = self.mean + share * step
        self._samples += samples

    def check_finite(self, norm: Norm) -> None:
        """Raises an error if the batches had non-finite values."""
        if not (np.isfinite(self.mean).all() and np.isfinite(self.variance).all()):
            raise ValueError(
                "The statistics of all batches must be finite. "
                f"Received: statistics with NaN or infinity in layer {norm.path!r}"
            )


def _float64(variable: keras.Variable) -> Tensor:
    return keras.ops.convert_to_numpy(variable).astype(np.float64)
