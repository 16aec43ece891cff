"""Updates of an optimizer wait for all gradients, so that memory is free by then."""

import keras
import numpy as np
import pytest

from keras_nonlocal.training import ReplicatedModel

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="other backends order themselves"
)


def small_model(optimizer):
    inputs = keras.Input((3,))
    x = keras.layers.Dense(4, name="first")(inputs)
    model = ReplicatedModel(inputs, keras.layers.Dense(2, name="last")(x))
    model.compile(optimizer, loss="mse")
    return model


def ancestors(operation):
    found, rest = set(), [operation]
    while rest:
        operation = rest.pop()
        if operation not in found:
            found.add(operation)
            rest += [tensor.op for tensor in operation.inputs]
            rest += operation.control_inputs
    return found


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.SGD(0.1, 0.9, weight_decay=0.01),
        lambda: keras.optimizers.AdamW(0.1, global_clipnorm=1.0),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
    ],
)
def test_all_updates_depend_on_all_gradients(optimizer):
    model = small_model(optimizer())
    model.optimizer.build(model.trainable_variables)
    x, y = tf.ones((5, 3)), tf.ones((5, 2))
    step = tf.function(model.train_step).get_concrete_function((x, y))
    operations = step.graph.get_operations()
    # The last gradient is that of the first layer's kernel.
    (last,) = [
        operation
        for operation in operations
        if operation.type == "MatMul"
        and "gradient_tape" in operation.name
        and operation.outputs[0].shape == (3, 4)
    ]
    handles = {id(variable.value.handle) for variable in model.trainable_variables}
    captured = {id(own) for outer, own in step.graph.captures if id(outer) in handles}
    # Under a loss scale, a branch updates the variables.
    updates = [
        operation
        for operation in operations
        if operation.type.startswith("Assign") or operation.type.endswith("If")
        if any(id(tensor) in captured for tensor in operation.inputs)
    ]
    assert updates
    for update in updates:
        assert last in ancestors(update)


def test_a_step_leaves_the_optimizer_as_it_was(rng):
    model = small_model(keras.optimizers.SGD(0.1, 0.9))
    x = rng.normal(size=(8, 3)).astype("float32")
    y = rng.normal(size=(8, 2)).astype("float32")
    history = model.fit(x, y, epochs=3, verbose=0).history["loss"]
    assert history[2] < history[0]
    assert "apply_gradients" not in vars(model.optimizer)

    plain = keras.Model(model.inputs, model.outputs)
    plain.compile(keras.optimizers.SGD(0.1, 0.9), loss="mse")
    start = [np.array(weight) for weight in model.get_weights()]
    model.compile(keras.optimizers.SGD(0.1, 0.9), loss="mse")
    ends = []
    for trained in (model, plain):
        model.set_weights(start)
        trained.fit(x, y, epochs=2, shuffle=False, verbose=0)
        ends.append(model.get_weights())
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_an_optimizer_with_its_own_updates_keeps_them():
    optimizer = keras.optimizers.SGD(0.1)
    apply, seen = optimizer.apply_gradients, []
    optimizer.apply_gradients = lambda pairs, **kwargs: (
        seen.append(1),
        apply([(0 * gradient, variable) for gradient, variable in pairs], **kwargs),
    )
    model = small_model(optimizer)
    start = model.get_weights()
    for _ in range(2):
        model.fit(np.ones((4, 3)), np.zeros((4, 2)), verbose=0)
        model.make_train_function(force=True)
    assert len(seen) >= 2
    for before, after in zip(start, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
