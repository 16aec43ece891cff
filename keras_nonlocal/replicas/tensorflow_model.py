"""`keras.Model` for `tf.distribute`, where Keras's own loop does not work.

Keras 3.15 wraps XLA around `Strategy.run`, which puts all replicas into one cluster;
reduces the logs of workers along an axis that scalars do not have; and gives the
replicas of an uneven batch the same weight. See `loops` and `steps` for what is done
instead.
"""

from typing import Any

import keras
import tensorflow as tf

from keras_nonlocal.replicas import compiling, loops, sharding, steps, updates


class TensorFlowReplicatedModel(keras.Model):
    """`ReplicatedModel` on TensorFlow; on one device it is a `keras.Model`."""

    train_function: Any
    test_function: Any
    _requested_jit_compile: bool | str = "auto"
    _state_is_built = False

    @property
    def on_replicas(self) -> bool:
        """Whether the model was made under a strategy that mirrors its variables."""
        return isinstance(
            self.distribute_strategy,
            (tf.distribute.MirroredStrategy, tf.distribute.MultiWorkerMirroredStrategy),
        )

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
        """Configures the model for training, as `keras.Model.compile` does.

        Args:
            optimizer: See `keras.Model.compile`, as for the other arguments.
            loss: Its reduction must be the mean over the samples (Keras's default) or
                `"sum"`, the same for all, if there are several replicas.
            loss_weights: See `keras.Model.compile`.
            metrics: See `keras.Model.compile`.
            weighted_metrics: See `keras.Model.compile`.
            run_eagerly: See `keras.Model.compile`.
            steps_per_execution: See `keras.Model.compile`.
            jit_compile: `True` compiles the model with XLA, on each replica if there
                are several; `"auto"` does so on GPUs. Defaults to `"auto"`.
            auto_scale_loss: See `keras.Model.compile`.

        Raises:
            ValueError: If the model cannot be trained as asked on several replicas.
        """
        if self.on_replicas:
            compiling.check_loss(loss)
            compiling.check_synchronized_norms(self, jit_compile)
            own_step = type(self).train_step is not _REPLICATED_TRAIN_STEP
            compiling.check_accumulation(optimizer, own_step)
        self._requested_jit_compile = jit_compile
        self._state_is_built = False
        if jit_compile == "auto":
            jit_compile = not run_eagerly and compiling.prefers_xla(self)
        with self.distribute_strategy.scope():
            super().compile(
                optimizer=optimizer,
                loss=loss,
                loss_weights=loss_weights,
                metrics=metrics,
                weighted_metrics=weighted_metrics,
                run_eagerly=run_eagerly,
                steps_per_execution=steps_per_execution,
                jit_compile=jit_compile,
                auto_scale_loss=auto_scale_loss,
            )

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of `compile`, for saving."""
        config = super().get_compile_config()
        if config:
            # As it was asked for: what "auto" means depends on the machine.
            config["jit_compile"] = self._requested_jit_compile
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles the model as the saved one was."""
        with self.distribute_strategy.scope():
            self.compile(**keras.saving.deserialize_keras_object(config))
            if self.optimizer is not None and self.built:
                self.optimizer.build(self.trainable_variables)

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training on the batch of this replica."""
        if not self.on_replicas:
            return super().train_step(data)
        gradients = steps.train_on_replica(self, data)
        updates.apply_gradients(self, gradients)
        return self.get_metrics_result()

    def test_step(self, data: Any) -> dict[str, Any]:
        """Updates losses and metrics with the batch of this replica."""
        if not self.on_replicas:
            return super().test_step(data)
        steps.test_on_replica(self, data)
        return self.get_metrics_result()

    def predict_step(self, data: Any) -> Any:
        """Outputs for the batch of this replica."""
        if not self.on_replicas:
            return super().predict_step(data)
        return steps.predict_on_replica(super().predict_step, data)

    def predict_on_batch(self, x: Any) -> Any:
        """Outputs for a batch, which is shared out to the replicas.

        Args:
            x: `(batch, …)`, or a structure of such arrays. Under several workers, the
                same in all of them.

        Returns:
            NumPy arrays with a row per sample, in the order of `x`.
        """
        if self.on_replicas:
            strategy = self.distribute_strategy
            x = sharding.split_batch(strategy, x, sharding.concatenated_position)
        return super().predict_on_batch(x)

    def make_train_function(self, force: bool = False) -> Any:
        """Makes what `fit` calls for each execution."""
        if not self.on_replicas:
            return super().make_train_function(force)
        if self.train_function is None or force:
            self.train_function = loops.train_function(self)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        """Makes what `evaluate` calls for each execution."""
        if not self.on_replicas:
            return super().make_test_function(force)
        if self.test_function is None or force:
            self.test_function = loops.step_function(self, self.test_step)
        return self.test_function

    def _maybe_symbolic_build(
        self, iterator: Any = None, data_batch: Any = None
    ) -> None:
        """Creates the variables of optimizer, loss and metrics before the first step.

        Keras has no public place for this. Its own method fails under
        `MultiWorkerMirroredStrategy` (it takes the mean of a distributed batch only to
        see its shape) and reads a batch in every call. If a version of Keras does
        without it, this one is never called, and `tests/training/test_replicas.py`
        says so.
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
        """Creates on one device what Keras creates while it traces the first step.

        Variables that appear in a trace have TensorFlow trace the step once more, which
        takes as long as some steps.
        """
        if self.run_eagerly or not self.built:
            return
        specs = data_batch if iterator is None else sharding.batch_specs(iterator)
        if sharding.have_known_ranks(specs):
            self._symbolic_build(data_batch=specs)
        elif self.optimizer is not None and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)


_REPLICATED_TRAIN_STEP = TensorFlowReplicatedModel.train_step
