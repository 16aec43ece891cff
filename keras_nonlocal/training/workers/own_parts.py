"""Workers of `tf.distribute` that load only what they train on."""

from collections.abc import Mapping
from typing import Any

import keras

from keras_nonlocal.training.strategies import num_local_replicas


def has_own_parts(data: Any, model: keras.Model) -> bool:
    """Whether each worker can load its part of the batches of `data` alone.

    Synchronized batch normalizations need a clip on every replica, which parts may lack
    if videos are left out.

    Args:
        data: The data for `fit`.
        model: The model.
    """
    strategy = getattr(model, "distribute_strategy", None)
    if not hasattr(data, "part_of_worker") or strategy is None:
        return False
    import tensorflow as tf

    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    if data.failures.leaves_out:
        from keras_nonlocal.replicas.compiling import has_synchronized_norms

        if has_synchronized_norms(model):
            return False
    replicas = strategy.num_replicas_in_sync
    return bool(num_local_replicas(strategy) < replicas <= data.batch_size)


def own_parts(
    data: Any, strategy: Any, class_weight: Mapping[int, float] | None = None
) -> Any:
    """Returns data for `fit` of which each worker loads only its part of each batch.

    The batches of all workers together are those of `data`. If videos are left out,
    their batches are smaller, and the number of batches stays the same.

    Args:
        data: A dataset for which `has_own_parts` is true.
        strategy: The strategy of the model.
        class_weight: As in `fit`, which does not accept it for data of this kind.

    Raises:
        ValueError: If there are weights of classes, but also of samples, or no labels.
    """
    if class_weight is not None and len(data.element_spec) != 2:
        raise ValueError(
            "`class_weight` must be `None` unless the data are clips and labels alone. "
            f"Received: class_weight={class_weight!r}"
        )

    def part_of(context: Any) -> Any:
        part = data.part_of_worker(
            context.input_pipeline_id,
            context.num_input_pipelines,
            num_local_replicas(strategy),
        )
        if class_weight is None:
            return part
        return part.map(lambda x, y: (x, y, weights_of(y, class_weight)))

    parts = strategy.distribute_datasets_from_function(part_of)
    if hasattr(data, "clip_info"):
        parts.clip_info = data.clip_info
    return parts


def weights_of(labels: Any, class_weight: Mapping[int, float]) -> Any:
    """Returns the weights of samples, as `fit` does for `class_weight`.

    Args:
        labels: Class indices `(batch,)` or `(batch, 1)`, or scores of the classes
            `(batch, classes)`.
        class_weight: Weights of the classes. Defaults to 1 for those that it lacks.
    """
    if len(labels.shape) > 1 and labels.shape[-1] != 1:
        labels = keras.ops.argmax(labels, axis=-1)
    table = [class_weight.get(number, 1.0) for number in range(max(class_weight) + 1)]
    labels = keras.ops.reshape(labels, (-1,))
    if keras.backend.is_float_dtype(keras.backend.standardize_dtype(labels.dtype)):
        labels = keras.ops.round(labels)
    indices = keras.ops.cast(labels, "int32")
    return keras.ops.take(keras.ops.array(table, "float32"), indices)
