"""`ReplicatedModel`, on every backend.

Keras turns a subclass of `keras.Model` into a functional model by replacing the bases
of the class and of all classes between it and `keras.Model`. The first functional
`ReplicatedModel` would therefore also turn every subclass with its own `call` into a
functional model. To avoid this, there are two classes. `ReplicatedModel` is a
functional model from the start. A subclass that is not functional gets
`SubclassedReplicatedModel` as its base instead, on first use.
"""

from abc import ABCMeta
from typing import Any

import keras

from keras_nonlocal.replicas.sublayers import all_layers

_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
)
# Keras has no public name for the class of functional models.
_Functional: Any = type(keras.Model.__new__(keras.Model, None, None))


class _OneDevice:
    """The part of `ReplicaTraining` that every backend has."""

    num_replicas = 1


_Training: Any = _OneDevice
if keras.backend.backend() == "tensorflow":
    from keras_nonlocal.replicas.tensorflow_model import ReplicaTraining

    _Training = ReplicaTraining


class _WholeQuantization(_Training):
    """Rejects a quantization that would not make a network smaller."""

    def quantize(self, mode: Any = None, **kwargs: Any) -> None:
        """Quantizes the model as `keras.Model.quantize` does.

        Args:
            mode: See `keras.Model.quantize`.
            **kwargs: See `keras.Model.quantize`.

        Raises:
            ValueError: If the model has convolutions, which Keras does not quantize,
                and `filters` does not select the layers to quantize, or if it selects
                none that Keras can quantize. A non-local block has the layers `theta`,
                `phi`, `g` and `out`.
        """
        convolutions = [
            layer.name for layer in all_layers(self) if isinstance(layer, _CONVOLUTIONS)
        ]
        if convolutions and kwargs.get("filters") is None:
            raise ValueError(
                "`quantize` needs `filters` for a model with convolutions, which Keras "
                "does not quantize, so that the model would stay as large as it is. "
                f"Received: mode={mode!r} for a model with {len(convolutions)} "
                "convolutions"
            )
        before = self._num_quantized()
        super().quantize(mode, **kwargs)
        if "filters" in kwargs and self._num_quantized() == before:
            raise ValueError(
                "`filters` must match the name of a layer that Keras can quantize and "
                "that is not quantized yet, such as `theta`, `phi`, `g` or `out` of a "
                f"non-local block. Received: filters={kwargs['filters']!r}"
            )

    def _num_quantized(self) -> int:
        layers = all_layers(self)
        return sum(getattr(x, "quantization_mode", None) is not None for x in layers)


class SubclassedReplicatedModel(_WholeQuantization, keras.Model):
    """The base of subclasses of `ReplicatedModel` with their own `call`."""


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class ReplicatedModel(_WholeQuantization, _Functional, metaclass=ABCMeta):
    """A `keras.Model` whose `fit` works on several replicas, also with XLA.

    Every builder of this package returns one. To train your own network in the same
    way, create one with the arguments of a functional `keras.Model`. It can be used
    wherever a `keras.Model` can, and it can be subclassed, also with its own layers and
    `call`.

    On TensorFlow, a model that was created under the scope of a
    `tf.distribute.MirroredStrategy` or `tf.distribute.MultiWorkerMirroredStrategy`
    differs from a `keras.Model` in these points:

    - `compile(jit_compile=True)` compiles the forward and backward pass with XLA on
      each replica. `"auto"`, the default, does so if the replicas are GPUs.
    - A global batch gives the gradients, losses and metrics that one device would
      compute, even if some replicas get fewer samples than others, no samples, or more
      masked ones. Terms that an overridden `compute_loss` adds are weighted by the
      number of samples. As in Keras, the method itself must divide them by
      `self.num_replicas`.
    - Gradient clipping and `keras.optimizers.LossScaleOptimizer` use the sum of the
      gradients of all replicas, and `gradient_accumulation_steps` works.
    - A loss that relates the samples of a batch to each other, such as a contrastive
      loss, sees only the samples of one replica at a time. The model's loss is the mean
      over the replicas, weighted by their numbers of samples.
    - The moving statistics of batch normalizations are averaged over the replicas in
      every step, weighted by the number of samples that each replica saw. All replicas
      validate and save the same model. Frozen statistics never change.
    - `train_on_batch`, `test_on_batch` and `predict_on_batch` split the batch among the
      replicas.

    If a worker dies, `fit` on the other workers raises `tf.errors.UnavailableError`
    within a minute (measured on loopback: 7 seconds after a kill, 11 after a worker
    stopped responding). A worker cannot rejoin TensorFlow's cluster, so restart all
    workers from a checkpoint.

    In all other cases, on one device and on the JAX (also with
    `keras.distribution.DataParallel`) and PyTorch backends, it behaves as a
    `keras.Model`.

    Args:
        inputs: Keras tensors, as for `keras.Model`.
        outputs: Keras tensors, as for `keras.Model`.
        name: Name of the model.
        **kwargs: `trainable`.

    Attributes:
        clip_info: A `keras_nonlocal.models.ClipInfo` with facts about the model's
            training, which are saved with the model, or `None`.

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

    clip_info: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if len(args) == 2 or "outputs" in kwargs:
            super().__init__(*args, **kwargs)
            return
        if type(self) is ReplicatedModel:
            self.__class__ = SubclassedReplicatedModel
        else:
            _use_subclassed_base(type(self))
        keras.Model.__init__(self, *args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "clip_info" and not (value is None or hasattr(value, "trained_on")):
            raise TypeError(
                "`clip_info` must be a `keras_nonlocal.models.ClipInfo`. "
                f"Received: clip_info={value!r}"
            )
        super().__setattr__(name, value)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains the model as `keras.Model.fit` does.

        A dataset of `keras_nonlocal.data` also updates `clip_info`: the class names, if
        the model has as many scores, and the length and frame stride of the clips.
        """
        clips = getattr(x, "clip_info", None)
        # Otherwise, `fit` raises an error before it trains.
        if clips is not None and self.compiled:
            shape = self.output_shape
            scores = shape[1] if isinstance(shape, tuple) and len(shape) == 2 else None
            known = clips if self.clip_info is None else self.clip_info
            self.clip_info = known.trained_on(clips, scores)
        return super().fit(x, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of a functional model, with `clip_info`, if any."""
        config: dict[str, Any] = super().get_config()
        if self.clip_info is not None:
            config["clip_info"] = keras.saving.serialize_keras_object(self.clip_info)
        return config

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "ReplicatedModel":
        """Creates a model from a configuration, with its `clip_info`, if any."""
        config = dict(config)
        info = config.pop("clip_info", None)
        model: ReplicatedModel = super().from_config(config, custom_objects)
        if info is not None:
            model.clip_info = keras.saving.deserialize_keras_object(info)
        return model


# HDF5 files (`model.save("model.h5")`) name the class of a model without its package.
keras.saving.get_custom_objects()["ReplicatedModel"] = ReplicatedModel
ReplicatedModel.register(SubclassedReplicatedModel)


def _use_subclassed_base(cls: type) -> None:
    """Makes `SubclassedReplicatedModel` a base of `cls` instead of `ReplicatedModel`.

    Parent classes are changed as well, because they have no usable `call` without
    inputs and outputs either.
    """
    for base in cls.__bases__:
        if base is not ReplicatedModel and ReplicatedModel in base.__mro__:
            _use_subclassed_base(base)
    if ReplicatedModel in cls.__bases__:
        cls.__bases__ = tuple(
            SubclassedReplicatedModel if base is ReplicatedModel else base
            for base in cls.__bases__
        )
