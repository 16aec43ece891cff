"""The arguments, variables and output shapes of a non-local block."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_nonlocal.arguments import check_choice, check_fraction
from keras_nonlocal.layers import block_arguments as arguments
from keras_nonlocal.layers.affinity import MODES, SOFTMAX_MODES
from keras_nonlocal.layers.frozen_batch_normalization import FrozenBatchNormalization
from keras_nonlocal.layers.fused_batch_normalization import FusedBatchNormalization
from keras_nonlocal.layers.initial_values import initializer_of
from keras_nonlocal.layers.position_groups import SCOPES, PositionGroups, product
from keras_nonlocal.layers.position_masks import check_mask
from keras_nonlocal.layers.route_choice import ROUTES
from keras_nonlocal.tensors import Tensor

_INITIALIZERS = (
    "kernel_initializer",
    "bias_initializer",
    "out_kernel_initializer",
    "gamma_initializer",
)
_REGULARIZERS = ("kernel_regularizer", "bias_regularizer")
_PROJECTIONS = ("theta", "phi", "g", "out")


class NonLocalVariables(keras.layers.Layer):
    """Base class of `NonLocalBlock`, without its computation."""

    def __init__(
        self,
        intermediate_channels: int | None = None,
        mode: arguments.Mode = "embedded_gaussian",
        *,
        scope: arguments.Scope = "spacetime",
        pool_size: int | Sequence[int] | None = None,
        temporal_group_size: int | None = None,
        scale: bool = True,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = "zeros",
        out_kernel_initializer: Any = None,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        normalization: arguments.Normalization | None = "batch",
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        gamma_initializer: Any = "zeros",
        data_format: arguments.DataFormat | None = None,
        route: arguments.Route = "auto",
        memory_limit: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("mode", mode, MODES)
        check_choice("scope", scope, SCOPES)
        check_choice("route", route, ROUTES[mode])
        check_choice("normalization", normalization, arguments.NORMALIZATIONS)
        check_choice("data_format", data_format, arguments.DATA_FORMATS)
        self.intermediate_channels = arguments.positive_integer_or_none(
            "intermediate_channels", intermediate_channels
        )
        self.mode = mode
        self.scope = scope
        self.pool_size = arguments.standardize_pool_size(pool_size)
        self.temporal_group_size = arguments.positive_integer_or_none(
            "temporal_group_size", temporal_group_size
        )
        self.scale = bool(scale)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = keras.initializers.get(
            kernel_initializer or keras.initializers.RandomNormal(stddev=0.01)
        )
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.out_kernel_initializer = keras.initializers.get(out_kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.normalization = normalization
        self.momentum = check_fraction("momentum", momentum)
        self.epsilon = check_fraction("epsilon", epsilon)
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.data_format = data_format or keras.config.image_data_format()
        self.route = route
        self.memory_limit = arguments.positive_integer_or_none(
            "memory_limit", memory_limit
        )
        self._groups = PositionGroups(scope, self.temporal_group_size, self.pool_size)
        self._norm_is_frozen = not self.trainable
        self._states: dict[str, dict[str, Any]] = {}

    @property
    def trainable(self) -> bool:
        """Whether the layer and the layers inside it are trained."""
        return bool(keras.layers.Layer.trainable.fget(self))

    @trainable.setter
    def trainable(self, value: bool) -> None:
        keras.layers.Layer.trainable.fset(self, value)
        # Applies to the normalization when the block is built.
        self._norm_is_frozen = not value

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the variables for inputs of the given shape."""
        self._check_positions(input_shape)
        channels = arguments.input_channels(input_shape, self.data_format)
        width = self.intermediate_channels or max(channels // 2, 1)
        embeds = self.mode != "gaussian"
        self.theta: Any = self._projection("theta", channels, width) if embeds else None
        self.phi: Any = self._projection("phi", channels, width) if embeds else None
        self.g = self._projection("g", channels, width)
        if self.mode == "concatenation":
            self.w_f = self.add_weight(
                name="w_f",
                shape=(2 * width, 1),
                initializer=initializer_of(self.kernel_initializer, len(_PROJECTIONS)),
                regularizer=self.kernel_regularizer,
            )
        self.out = self._projection("out", width, channels)
        self.norm = self._normalization(len(input_shape), channels)
        if self.norm is not None and self._norm_is_frozen:
            self.norm.trainable = False
        if not self.trainable:
            # Keras sets `trainable` only of layers that exist already, and TensorFlow
            # ignores an assignment that does not change the value.
            keras.layers.Layer.trainable.fset(self, False)
        self.input_spec = keras.layers.InputSpec(
            ndim=len(input_shape),
            axes={-1 if self.data_format == "channels_last" else 1: channels},
        )

    def compute_output_shape(
        self, input_shape: Sequence[int | None]
    ) -> tuple[int | None, ...]:
        """Returns the input shape."""
        self._check_positions(input_shape)
        return tuple(input_shape)

    def compute_output_spec(
        self,
        inputs: Tensor,
        training: bool | None = None,
        return_attention_scores: bool = False,
        mask: Tensor = None,
    ) -> Tensor:
        """Returns the shapes and dtypes of the outputs of a call."""
        shape = self.compute_output_shape(inputs.shape)
        arguments.check_real("inputs", inputs)
        if mask is not None:
            check_mask(mask.shape, self._positions(shape))
        z = keras.KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return z
        positions = self._positions(shape)
        scores_shape = (
            shape[0],
            self._groups.count(positions),
            product(self._groups.sizes(positions)),
            product(self._groups.key_sizes(positions)),
        )
        dtype = "float64" if self.compute_dtype == "float64" else "float32"
        return z, keras.KerasTensor(scores_shape, dtype=dtype)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor) -> Tensor:
        """Returns the mask of the inputs."""
        return previous_mask

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor and the state of inner layers."""
        config = super().get_config()
        norm = getattr(self, "norm", None)
        if self._norm_is_frozen if norm is None else not norm.trainable:
            config["norm_trainable"] = False
        states = self._projection_states()
        if states:
            config["projection_states"] = states
        for name in arguments.PLAIN:
            config[name] = getattr(self, name)
        for name in _INITIALIZERS:
            value = getattr(self, name)
            config[name] = value and keras.initializers.serialize(value)
        for name in _REGULARIZERS:
            value = getattr(self, name)
            config[name] = value and keras.regularizers.serialize(value)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "NonLocalVariables":
        """Creates a block from the result of `get_config`."""
        config = dict(config)
        is_frozen = not config.pop("norm_trainable", True)
        states = config.pop("projection_states", {})
        block: NonLocalVariables = super().from_config(config)
        block._norm_is_frozen = is_frozen
        block._states = dict(states)
        return block

    def _projection_states(self) -> dict[str, dict[str, Any]]:
        """Returns the quantization and LoRA state of the projections by name."""
        if not self.built:
            return self._states
        states = {}
        for name in _PROJECTIONS:
            layer = getattr(self, name)
            state: dict[str, Any] = {}
            if layer is not None and layer.quantization_mode is not None:
                state["dtype"] = keras.dtype_policies.serialize(layer.dtype_policy)
            if layer is not None and layer.lora_enabled:
                state["lora"] = [layer.lora_rank, layer.lora_alpha]
            if state:
                states[name] = state
        return states

    def _projection(self, name: str, channels: int, units: int) -> keras.layers.Dense:
        kernel_initializer = self.kernel_initializer
        if name == "out" and self.out_kernel_initializer is not None:
            kernel_initializer = self.out_kernel_initializer
        elif name == "out" and self.normalization is None:
            kernel_initializer = keras.initializers.Zeros()
        number = _PROJECTIONS.index(name)
        dtype = self._out_dtype() if name == "out" else self.dtype_policy
        state = self._states.get(name, {})
        if "dtype" in state:
            dtype = keras.dtype_policies.deserialize(state["dtype"])
        layer = keras.layers.Dense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=initializer_of(kernel_initializer, number),
            bias_initializer=initializer_of(
                self.bias_initializer, len(_PROJECTIONS) + 1 + number
            ),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            dtype=dtype,
            name=name,
        )
        layer.build((None, channels))
        if "lora" in state:
            rank, alpha = state["lora"]
            layer.enable_lora(rank, lora_alpha=alpha)
        return layer

    def _normalization(self, rank: int, channels: int) -> keras.layers.Layer | None:
        if self.normalization is None:
            return None
        is_frozen = self.normalization == "frozen_batch"
        layer_class = FrozenBatchNormalization if is_frozen else FusedBatchNormalization
        layer = layer_class(
            momentum=self.momentum,
            epsilon=self.epsilon,
            gamma_initializer=initializer_of(self.gamma_initializer, 0),
            synchronized=self.normalization == "synchronized_batch",
            dtype=self._out_dtype(),
            name="norm",
        )
        layer.build((*(None,) * (rank - 1), channels))
        return layer

    def _out_dtype(self) -> Any:
        """Returns the dtype policy of W_z and the normalization.

        Modes that do not average over j can exceed the range of float16 between the sum
        over j and the normalization.
        """
        if self.compute_dtype == "float16" and self.mode not in SOFTMAX_MODES:
            return "float32"
        return self.dtype_policy

    def _positions(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return arguments.position_sizes(shape, self.data_format)

    def _check_positions(self, shape: Sequence[int | None]) -> None:
        arguments.check_rank(shape)
        self._groups.check(self._positions(shape))
