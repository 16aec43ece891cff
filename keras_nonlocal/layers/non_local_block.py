"""The non-local block as a Keras layer."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_nonlocal.layers import block_arguments as arguments
from keras_nonlocal.layers import position_groups as groups
from keras_nonlocal.layers.affinity import (
    MODES,
    SOFTMAX_MODES,
    pairwise_weights,
    widened,
)
from keras_nonlocal.layers.non_local_operation import pair_terms
from keras_nonlocal.layers.routes import ROUTES, weighted_sum


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class NonLocalBlock(keras.layers.Layer):
    """Adds to every position a weighted sum over all positions.

    Args:
        intermediate_channels: Integer, width of the bottleneck. `None` is half of the
            input channels. Defaults to `None`.
        mode: One of `"gaussian"`, `"embedded_gaussian"`, `"dot_product"`,
            `"concatenation"`. Defaults to `"embedded_gaussian"`.
    """

    def __init__(
        self,
        intermediate_channels: int | None = None,
        mode: str = "embedded_gaussian",
        *,
        scope: str = "spacetime",
        pool_size: int | Sequence[int] | None = None,
        temporal_group_size: int | None = None,
        scale: bool = True,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = "zeros",
        out_kernel_initializer: Any = None,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        normalization: str | None = "batch",
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        gamma_initializer: Any = "zeros",
        data_format: str | None = None,
        route: str = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if intermediate_channels is not None:
            arguments.check_positive_int("intermediate_channels", intermediate_channels)
        if temporal_group_size is not None:
            arguments.check_positive_int("temporal_group_size", temporal_group_size)
        arguments.check_choice("mode", mode, MODES)
        arguments.check_choice("scope", scope, groups.SCOPES)
        arguments.check_choice("normalization", normalization, arguments.NORMALIZATIONS)
        arguments.check_choice("route", route, ROUTES[mode])
        self.intermediate_channels = intermediate_channels
        self.mode = mode
        self.scope = scope
        self.pool_size = arguments.standardize_pool_size(pool_size)
        self.temporal_group_size = temporal_group_size
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
        self.momentum = momentum
        self.epsilon = epsilon
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.data_format = data_format or keras.config.image_data_format()
        arguments.check_choice(
            "data_format", self.data_format, ("channels_last", "channels_first")
        )
        self.route = route

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the variables for inputs of the given shape."""
        channels = arguments.input_channels(input_shape, self.data_format)
        self._check_positions(input_shape)
        width = self._width(channels)
        embeds = self.mode != "gaussian"
        self.theta = self._projection("theta", channels, width) if embeds else None
        self.phi = self._projection("phi", channels, width) if embeds else None
        self.g = self._projection("g", channels, width)
        if self.mode == "concatenation":
            self.w_f = self.add_weight(
                name="w_f",
                shape=(2 * width, 1),
                initializer=self.kernel_initializer.clone(),
                regularizer=self.kernel_regularizer,
            )
        self.out = self._projection("out", width, channels)
        self.norm = self._normalization(len(input_shape), channels)
        self.input_spec = keras.layers.InputSpec(
            ndim=len(input_shape),
            axes={-1 if self.data_format == "channels_last" else 1: channels},
        )

    def call(
        self,
        inputs: Any,
        training: bool | None = None,
        return_attention_scores: bool = False,
    ) -> Any:
        """`inputs + norm(W_z y)`; see the class."""
        self._check_positions(inputs.shape)
        x = self._channels_last(inputs)
        shape = ops.shape(x)
        theta, phi, g = self._embeddings(
            groups.split_into_groups(x, self.scope, self.temporal_group_size)
        )
        scale = self._logit_scale(theta.shape[-1])
        if return_attention_scores:
            weights = pairwise_weights(widened(theta) * scale, widened(phi), self.mode)
            y = ops.matmul(weights, widened(g))
        else:
            y = weighted_sum(theta, phi, g, self.mode, scale, self.route)
        z = self.out(groups.merge_groups(y, shape, self.scope))
        if self.norm is not None:
            z = self.norm(z, training=training and self.normalization == "batch")
        output = inputs + self._input_format(ops.cast(z, inputs.dtype))
        if not return_attention_scores:
            return output
        return output, ops.reshape(weights, (shape[0], -1, *ops.shape(weights)[1:]))

    def compute_output_shape(
        self, input_shape: Sequence[int | None]
    ) -> tuple[int | None, ...]:
        """The input shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """All arguments of the constructor."""
        serialize = {
            "kernel_initializer": keras.initializers,
            "bias_initializer": keras.initializers,
            "out_kernel_initializer": keras.initializers,
            "gamma_initializer": keras.initializers,
            "kernel_regularizer": keras.regularizers,
            "bias_regularizer": keras.regularizers,
        }
        plain = (
            "intermediate_channels",
            "mode",
            "scope",
            "pool_size",
            "temporal_group_size",
            "scale",
            "use_bias",
            "normalization",
            "momentum",
            "epsilon",
            "data_format",
            "route",
        )
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in plain},
            **{
                name: None
                if getattr(self, name) is None
                else module.serialize(getattr(self, name))
                for name, module in serialize.items()
            },
        }

    def _width(self, channels: int) -> int:
        return self.intermediate_channels or max(channels // 2, 1)

    def _logit_scale(self, width: int) -> float:
        scaled = self.mode == "embedded_gaussian" and self.scale
        return float(width) ** -0.5 if scaled else 1.0

    def _check_positions(self, input_shape: Sequence[int | None]) -> None:
        arguments.check_positions(
            arguments.position_sizes(input_shape, self.data_format),
            self.scope,
            self.temporal_group_size,
            self.pool_size,
        )

    def _projection(self, name: str, channels: int, units: int) -> keras.layers.Dense:
        initializer = self.kernel_initializer
        if name == "out" and self.out_kernel_initializer is not None:
            initializer = self.out_kernel_initializer
        elif name == "out" and self.normalization is None:
            initializer = keras.initializers.Zeros()
        layer = keras.layers.Dense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=initializer.clone(),
            bias_initializer=self.bias_initializer.clone(),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            dtype=self._out_dtype() if name == "out" else self.dtype_policy,
            name=name,
        )
        layer.build((None, channels))
        return layer

    def _normalization(self, rank: int, channels: int) -> keras.layers.Layer | None:
        if self.normalization is None:
            return None
        layer = keras.layers.BatchNormalization(
            momentum=self.momentum,
            epsilon=self.epsilon,
            gamma_initializer=self.gamma_initializer.clone(),
            dtype=self._out_dtype(),
            name="norm",
        )
        layer.build((*(None,) * (rank - 1), channels))
        return layer

    def _out_dtype(self) -> Any:
        """Dtype policy of W_z and the normalisation.

        The modes that do not average over j can leave the range of float16 between
        the sum over j and the normalisation.
        """
        if self.compute_dtype == "float16" and self.mode not in SOFTMAX_MODES:
            return "float32"
        return self.dtype_policy

    def _embeddings(self, x: Any) -> tuple[Any, Any, Any]:
        """θ, φ and g, each `(batch * groups, positions, d)`."""
        pools = arguments.pool_sizes(
            self.pool_size,
            self.input_spec.ndim,
            self.scope,
        )
        keys = groups.flatten_positions(groups.max_pool_positions(x, pools))
        queries = groups.flatten_positions(x)
        theta = queries if self.theta is None else self.theta(queries)
        phi = keys if self.phi is None else self.phi(keys)
        if self.mode == "concatenation":
            theta, phi = pair_terms(theta, phi, self.w_f)
        return theta, phi, self.g(keys)

    def _channels_last(self, x: Any) -> Any:
        if self.data_format == "channels_last":
            return x
        return ops.moveaxis(x, 1, -1)

    def _input_format(self, x: Any) -> Any:
        if self.data_format == "channels_last":
            return x
        return ops.moveaxis(x, -1, 1)
