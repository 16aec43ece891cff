"""`ReplicatedModel`, on every backend."""

from typing import Any

import keras

_BackendModel: Any = keras.Model
if keras.backend.backend() == "tensorflow":
    from keras_nonlocal.replicas.tensorflow_model import TensorFlowReplicatedModel

    _BackendModel = TensorFlowReplicatedModel


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class ReplicatedModel(_BackendModel):
    """A functional `keras.Model` whose `fit` works on several replicas, with XLA too.

    Every builder of this package returns one. Make one of your own network to train it
    the same way: it takes the arguments of a functional `keras.Model`, and everything
    that works with one works with it.

    On TensorFlow, a model that was made under the scope of a
    `tf.distribute.MirroredStrategy` or `tf.distribute.MultiWorkerMirroredStrategy`
    differs from a `keras.Model` in these points:

    - `compile(jit_compile=True)` compiles forward and backward pass with XLA on each
      replica; `"auto"`, the default, does so where the replicas are GPUs.
    - A global batch that does not divide by the number of replicas gives the gradient,
      the losses and the metrics that one device would compute, whichever replicas get
      fewer samples or none.
    - Clipping of gradients and `keras.optimizers.LossScaleOptimizer` see the sum of the
      gradients of all replicas, `gradient_accumulation_steps` works.
    - The moving statistics of batch normalisations are averaged over the replicas in
      every step, so that what is validated or saved is the same on all of them.
    - `train_on_batch`, `test_on_batch` and `predict_on_batch` share the batch out to
      the replicas.

    When a worker dies, `fit` of the others ends with `tf.errors.UnavailableError`
    within a minute (measured on loopback: 7 seconds after a kill, 11 after a worker
    stopped answering). TensorFlow's cluster does not take the worker back: start all
    of them again, from a checkpoint.

    Elsewhere, on one device and on the JAX (also with
    `keras.distribution.DataParallel`) and PyTorch backends, it is a `keras.Model`.

    Args:
        inputs: Keras tensors, as for `keras.Model`.
        outputs: Keras tensors, as for `keras.Model`.
        name: Name of the model.
        **kwargs: `trainable`.

    Example:

    >>> backbone = keras_nonlocal.NLResNet50C2D(
    ...     include_top=False, pooling="avg", input_shape=(4, 32, 32, 3), width=4)
    >>> scores = keras.layers.Dense(3, activation="softmax")(backbone.output)
    >>> model = keras_nonlocal.training.ReplicatedModel(backbone.input, scores)
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> isinstance(model, keras.Model)
    True

    References:
        The paper trains on 8 GPUs with 8 clips each (section 4.1,
        https://arxiv.org/abs/1711.07971).
    """
