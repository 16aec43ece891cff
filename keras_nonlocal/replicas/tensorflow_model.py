"""Training on the replicas of a `tf.distribute` strategy, in place of Keras's loop.

Keras 3.15 has three problems with replicas. It compiles `Strategy.run` as a whole with
XLA, which puts all replicas into one cluster, where they cannot communicate. It reduces
the logs of workers along an axis that scalars do not have. It gives the parts of an
uneven batch the same weight. The idea here is to split each step. XLA compiles the
forward and backward pass of each replica, and the replicas communicate between compiled
computations (`steps`, `updates`). Losses are weighted by the divisors of their means
(`loss_terms`). The logs come from the variables of the metrics, which `tf.distribute`
sums (`loops`).
"""

from typing import Any

import keras
import tensorflow as tf

from keras_nonlocal.replicas import compiling, loops, sharding, steps, updates
from keras_nonlocal.replicas.loss_terms import replica_losses

# A mixin for `keras.Model`, whose methods it calls.
_ModelMixin: Any = object


class ReplicaTraining(_ModelMixin):
    """`ReplicatedModel` on TensorFlow. On one device, it trains as a `keras.Model`."""

    train_function: Any
    test_function: Any
    _requested_jit_compile: bool | str = "auto"
    _requested_loss: Any = None
    _state_is_built = False

    @property
    def on_replicas(self) -> bool:
        """Whether the model was created under a strategy that mirrors its variables."""
        return isinstance(
            self.distribute_strategy,
            (tf.distribute.MirroredStrategy, tf.distribute.MultiWorkerMirroredStrategy),
        )

    @property
    def num_replicas(self) -> int:
        """Number of replicas that share a batch; 1 without a strategy that mirrors."""
        return self.distribute_strategy.num_replicas_in_sync if self.on_replicas else 1

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Configures the model for training as `keras.Model.compile` does.

        Args:
            optimizer: See `keras.Model.compile`.
            loss: On several replicas, its reduction must be a mean or a sum. A function
                that returns one number per batch is treated as the mean over its
                samples.
            loss_weights: See `keras.Model.compile`.
            metrics: See `keras.Model.compile`.
            weighted_metrics: See `keras.Model.compile`.
            run_eagerly: See `keras.Model.compile`.
            steps_per_execution: See `keras.Model.compile`.
            jit_compile: `True` compiles the model with XLA, on each replica if there
                are several; `"auto"` does so on GPUs. Defaults to `"auto"`.
            auto_scale_loss: See `keras.Model.compile`.

        Raises:
            ValueError: If the model cannot be trained with these arguments on several
                replicas.
        """
        if self.on_replicas:
            compiling.check_loss(loss)
            compiling.check_synchronized_norms(self, jit_compile)
            own_step = type(self).train_step is not _REPLICATED_TRAIN_STEP
            compiling.check_optimizer(optimizer, own_step)
        self._requested_jit_compile = jit_compile
        self._requested_loss = loss
        self._state_is_built = False
        if jit_compile == "auto":
            jit_compile = not run_eagerly and compiling.prefers_xla(self)
        with self.distribute_strategy.scope():
            super().compile(
                optimizer=optimizer,
                loss=replica_losses(loss) if self.on_replicas else loss,
                loss_weights=loss_weights,
                metrics=metrics,
                weighted_metrics=weighted_metrics,
                run_eagerly=run_eagerly,
                steps_per_execution=steps_per_execution,
                jit_compile=jit_compile,
                auto_scale_loss=auto_scale_loss,
            )
        self.loss = loss

    def get_compile_config(self) -> dict[str, Any]:
        """Returns the arguments of `compile`, for saving."""
        config = super().get_compile_config()
        if config:
            # As given by the user, because the meaning of "auto" depends on the
            # machine.
            config["jit_compile"] = self._requested_jit_compile
            config["loss"] = keras.saving.serialize_keras_object(self._requested_loss)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles the model as the saved model was."""
        if type(self).compile is not ReplicaTraining.compile:
            # Otherwise, Keras warns that only the subclass can compile itself.
            super().compile_from_config(config)
            return
        with self.distribute_strategy.scope():
            self.compile(**keras.saving.deserialize_keras_object(config))
            if self.optimizer is not None and self.built:
                self.optimizer.build(self.trainable_variables)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Runs one training step on this replica's batch."""
        if not self.on_replicas:
            with updates.after_all_gradients(self.optimizer):
                return super().train_step(data)
        gradients = steps.train_on_replica(self, data)
        updates.apply_gradients(self, gradients)
        return self.get_metrics_result()

    def test_step(self, data: Any) -> dict[str, Any]:
        """Updates losses and metrics with this replica's batch."""
        if not self.on_replicas:
            return super().test_step(data)
        steps.test_on_replica(self, data)
        return self.get_metrics_result()

    def predict_step(self, data: Any) -> Any:
        """Returns the outputs for this replica's batch."""
        if not self.on_replicas:
            return super().predict_step(data)
        return steps.predict_on_replica(super().predict_step, data)

    def predict_on_batch(self, x: Any) -> Any:
        """Returns the outputs for a batch, which is split among the replicas.

        Args:
            x: `(batch, …)`, or a structure of such arrays. With several workers, it
                must be the same in all of them.

        Returns:
            NumPy arrays with a row per sample, in the order of `x`.
        """
        if self.on_replicas:
            strategy = self.distribute_strategy
            x = sharding.split_batch(strategy, x, sharding.concatenated_position)
        return super().predict_on_batch(x)

    def make_train_function(self, force: bool = False) -> Any:
        """Creates the function that `fit` calls for each execution."""
        if not self.on_replicas:
            return super().make_train_function(force)
        if self.train_function is None or force:
            self.train_function = loops.train_function(self)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        """Creates the function that `evaluate` calls for each execution."""
        if not self.on_replicas:
            return super().make_test_function(force)
        if self.test_function is None or force:
            self.test_function = loops.step_function(self, self.test_step)
        return self.test_function

    def _maybe_symbolic_build(
        self, iterator: Any = None, data_batch: Any = None
    ) -> None:
        """Creates the variables of optimizer, loss and metrics before the first step.

        Keras has no public method for this. Its private method fails under
        `MultiWorkerMirroredStrategy`, because it averages a distributed batch to find
        its shape, and it reads a batch in every call. If a version of Keras removes it,
        this method is never called, and `tests/training/test_replicas.py` fails.
        """
        if self._state_is_built:
            return
        if not self.on_replicas:
            super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)
            self._build_state_ahead(iterator, data_batch)
            self._state_is_built = True
            return
        if iterator is not None:
            data_batch = sharding.first_local_batch(self.distribute_strategy, iterator)
        with self.distribute_strategy.scope():
            self._symbolic_build(data_batch=data_batch)
        self._state_is_built = True

    def _build_state_ahead(self, iterator: Any, data_batch: Any) -> None:
        """Creates the variables that Keras would create while tracing the first step.

        If a trace creates variables, TensorFlow traces the step a second time, which
        takes as long as several steps.
        """
        own = {
            name
            for name, method in _METHODS_OF_A_STEP.items()
            if getattr(type(self), name) is not method
        }
        if self.run_eagerly or not self.built or "train_step" in own:
            return
        specs = data_batch if iterator is None else sharding.batch_specs(iterator)
        if not own and sharding.have_known_ranks(specs):
            self._symbolic_build(data_batch=specs)
        elif self.optimizer is not None and not self.optimizer.built:
            # The step of Keras, which trains all trainable variables.
            self.optimizer.build(self.trainable_variables)


_REPLICATED_TRAIN_STEP = ReplicaTraining.train_step
# Methods that Keras calls for the first time in the first step of `fit`.
_METHODS_OF_A_STEP = {
    "train_step": ReplicaTraining.train_step,
    "test_step": ReplicaTraining.test_step,
    "compute_loss": keras.Model.compute_loss,
    "compute_metrics": keras.Model.compute_metrics,
}
