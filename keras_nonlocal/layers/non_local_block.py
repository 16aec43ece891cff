"""The non-local block as a Keras layer."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_nonlocal.layers import block_arguments as arguments
from keras_nonlocal.layers.affinity import (
    MODES,
    SOFTMAX_MODES,
    pair_term,
    pairwise_weights,
    widened,
)
from keras_nonlocal.layers.fused_batch_normalization import FusedBatchNormalization
from keras_nonlocal.layers.position_groups import (
    SCOPES,
    PositionGroups,
    flatten_positions,
    product,
)
from keras_nonlocal.layers.routes import ROUTES, weighted_sum

_INITIALIZERS = (
    "kernel_initializer",
    "bias_initializer",
    "out_kernel_initializer",
    "gamma_initializer",
)
_REGULARIZERS = ("kernel_regularizer", "bias_regularizer")


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class NonLocalBlock(keras.layers.Layer):
    """Adds to every position a weighted sum over all positions.

    `z_i = x_i + norm(W_z y_i)`, `y_i = 1/C(x) · Σ_j f(x_i, x_j) g(x_j)`, where i and j
    run over the positions of a signal, an image, a volume or a video, and
    `g(x_j) = W_g x_j`:

    | `mode` | `f(x_i, x_j)` | `C(x)` |
    |---|---|---|
    | `"gaussian"` | `exp(x_iᵀ x_j)` | `Σ_j f(x_i, x_j)` |
    | `"embedded_gaussian"` | `exp(θ(x_i)ᵀ φ(x_j) / √d)` | `Σ_j f(x_i, x_j)` |
    | `"dot_product"` | `θ(x_i)ᵀ φ(x_j)` | the number of positions j |
    | `"concatenation"` | `ReLU(w_fᵀ [θ(x_i), φ(x_j)])` | the number of positions j |

    The block starts as the identity, so that it can enter a pretrained network, and
    takes inputs of any size. Values do not depend on the route that computes them;
    memory grows with the number of positions, not with its square (see `route`).

    Under `"mixed_float16"` and `"mixed_bfloat16"` the pairwise function and the sum
    over j are computed in float32. `"dot_product"` and `"concatenation"` with float16
    stay in float32 up to the normalization, because their sums are not averages.

    Args:
        intermediate_channels: Integer, d, the width of θ, φ and g. Defaults to `None`,
            half the channels of the input (at least 1).
        mode: The pairwise function, one of `"gaussian"`, `"embedded_gaussian"`,
            `"dot_product"` and `"concatenation"`. Defaults to `"embedded_gaussian"`.
        scope: What j runs over: `"spacetime"` is all positions, `"space"` those of the
            same frame, `"time"` the same place in all frames. Inputs of rank 3 have
            only time, those of rank 4 only space; of rank 5, the first position axis is
            time. Defaults to `"spacetime"`.
        pool_size: φ and g see the input after max pooling of this size and stride
            (without padding), θ sees it as it is. One integer for each position axis, 1
            along axes that the scope leaves out; or one integer for all axes, except
            time in the scope `"spacetime"` of a video. Defaults to `None`, no pooling.
        temporal_group_size: Integer, attention runs inside groups of this number of
            consecutive frames, which bounds the memory of long clips. It must divide
            the number of frames. Defaults to `None`, no groups.
        scale: Whether `"embedded_gaussian"` divides the logits by √d, as the released
            code does; the paper's formula does not. Defaults to `True`.
        use_bias: Whether W_θ, W_φ, W_g and W_z have biases. Defaults to `True`.
        kernel_initializer: Initializer of the kernels and w_f. Defaults to `None`,
            `RandomNormal(stddev=0.01)`.
        bias_initializer: Initializer of the biases. Defaults to `"zeros"`.
        out_kernel_initializer: Initializer of the kernel of W_z. Defaults to `None`:
            `kernel_initializer`, or zeros where `normalization` is `None`, so that the
            block is the identity then, too.
        kernel_regularizer: Regularizer of the kernels and w_f. Defaults to `None`.
        bias_regularizer: Regularizer of the biases. Defaults to `None`.
        normalization: What follows W_z: `"batch"`, batch normalization;
            `"frozen_batch"`, the same variables, but the moving statistics are used
            in training as well and never change, so that only an affine map is
            trained; `"synchronized_batch"`, statistics over all replicas of a
            `tf.distribute` strategy (TensorFlow only); `None`, nothing. Defaults to
            `"batch"`.
        momentum: Momentum of the moving statistics. Defaults to `0.9`.
        epsilon: Added to the variance. Defaults to `1e-5`.
        gamma_initializer: Initializer of the normalization's γ. Defaults to `"zeros"`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to `None`,
            Keras's image data format.
        route: How the sum over j is computed. `"naive"` builds the N×M matrix of
            weights. `"chunked"` (softmax modes) holds some of its rows at a time and
            computes them again for the gradients. `"fused"` (softmax modes) calls the
            backend's attention kernel. `"associative"` (`"dot_product"`) is
            `θ (φᵀ g)`. `"sorted"` (`"concatenation"`) sorts w_fᵀφ and takes differences
            of prefix sums. Defaults to `"auto"`: by size, the cheapest.
        **kwargs: `name`, `dtype`, `trainable` and other arguments of
            `keras.layers.Layer`.

    Call arguments:
        inputs: See below.
        training: Whether the normalization uses and updates batch statistics.
        return_attention_scores: Whether to return `f(x_i, x_j) / C(x)` as well, which
            builds the N×M matrix. Defaults to `False`.

    Input shape:
        `(batch, steps, channels)`, `(batch, height, width, channels)` or
        `(batch, frames, height, width, channels)`; the channels come second with
        `data_format="channels_first"`. All but the channels may be `None`.

    Output shape:
        The input shape. With `return_attention_scores=True`, a tuple of that and the
        weights, `(batch, groups, N, M)` in float32 (or float64): groups are those of
        the scope (1, the frames, or the places in row-major order), split into temporal
        groups if there are any, and N and M number the positions of a group, after
        pooling in the case of M, in row-major order.

    Attributes:
        theta, phi, g, out: The 1×1 convolutions W_θ, W_φ, W_g and W_z as
            `keras.layers.Dense`; their kernels, `(in, out)`, are those of a
            convolution, `(1, 1, 1, in, out)`, without the axes of size 1. `theta` and
            `phi` are `None` in the mode `"gaussian"`.
        w_f: `(2 * intermediate_channels, 1)`, first the part of θ. Only in the mode
            `"concatenation"`.
        norm: The `keras.layers.BatchNormalization` after `out`, or `None`.

    Raises:
        ValueError: If an argument has a value that is not listed above, or, when the
            block meets its input, if the rank is not 3, 4 or 5, the channels are not
            known, the scope has no axis in the input, the pool is larger than the
            input, or the groups do not divide the frames.

    Example:

    >>> x = np.random.rand(2, 4, 14, 14, 64).astype("float32")
    >>> block = keras_nonlocal.layers.NonLocalBlock(pool_size=2)
    >>> bool(np.all(block(x) == x))
    True
    >>> z, scores = block(x, return_attention_scores=True)
    >>> tuple(scores.shape)
    (2, 1, 784, 196)

    References:
        - [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), Wang, Girshick,
          Gupta, He, CVPR 2018, sections 3.2 and 3.3; released code:
          https://github.com/facebookresearch/video-nonlocal-net,
          `lib/models/nonlocal_helper.py`.
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
        arguments.check_positive_int("intermediate_channels", intermediate_channels)
        arguments.check_positive_int("temporal_group_size", temporal_group_size)
        arguments.check_choice("mode", mode, MODES)
        arguments.check_choice("scope", scope, SCOPES)
        arguments.check_choice("route", route, ROUTES[mode])
        arguments.check_choice("normalization", normalization, arguments.NORMALIZATIONS)
        arguments.check_choice("data_format", data_format, arguments.DATA_FORMATS)
        arguments.check_fraction("momentum", momentum)
        arguments.check_fraction("epsilon", epsilon)
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
        self.route = route
        self._groups = PositionGroups(scope, temporal_group_size, self.pool_size)
        self._norm_is_frozen = False

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
                initializer=self.kernel_initializer.clone(),
                regularizer=self.kernel_regularizer,
            )
        self.out = self._projection("out", width, channels)
        self.norm = self._normalization(len(input_shape), channels)
        if self.norm is not None and self._norm_is_frozen:
            self.norm.trainable = False
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
        first = self.data_format == "channels_first"
        x = ops.moveaxis(inputs, 1, -1) if first else inputs
        shape = ops.shape(x)
        grouped = self._groups.split(x)
        keys = flatten_positions(self._groups.pool(grouped, len(shape) - 2))
        theta, phi = self._pair_embeddings(flatten_positions(grouped), keys)
        g = self.g(keys)
        if return_attention_scores:
            weights = self._weights(theta, phi)
            y = ops.matmul(weights, widened(g))
        else:
            y = weighted_sum(theta, phi, g, self.mode, self._scale(theta), self.route)
        z = self.out(self._groups.merge(y, shape))
        if self.norm is not None:
            z = self.norm(z, training=training and self.normalization != "frozen_batch")
        z = ops.cast(z, x.dtype)
        z = inputs + (ops.moveaxis(z, -1, 1) if first else z)
        if not return_attention_scores:
            return z
        return z, ops.reshape(weights, (shape[0], -1, *ops.shape(weights)[1:]))

    def attention_scores(
        self, inputs: Any, query_position: Sequence[int] | None = None
    ) -> Any:
        """The weights `f(x_i, x_j) / C(x)` without the rest of the block.

        Args:
            inputs: As in a call of the layer, which must have been built.
            query_position: Index of one position i along each position axis of
                `inputs`: `(step,)`, `(row, column)` or `(frame, row, column)`. Defaults
                to `None`, all positions.

        Returns:
            For one position, its weights laid out as the positions j it sees, after
            pooling: `(batch, *positions)`, so that a scope without time (or space) has
            no axis for it. For all, `(batch, groups, N, M)` as from a call.

        Raises:
            ValueError: If the layer has not been built or has no such position.

        Example:

        >>> x = np.random.rand(2, 4, 14, 14, 64).astype("float32")
        >>> block = keras_nonlocal.layers.NonLocalBlock(pool_size=2)
        >>> z = block(x)
        >>> scores = block.attention_scores(x, query_position=(0, 7, 7))
        >>> tuple(scores.shape)
        (2, 4, 7, 7)
        """
        if not self.built:
            raise ValueError(
                "`attention_scores` needs a layer that has been built. "
                f"Received: layer={self.name!r}, built=False"
            )
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        if query_position is None:
            return self(inputs, training=False, return_attention_scores=True)[1]
        self._check_positions(inputs.shape)
        position = arguments.standardize_query_position(
            query_position, self._positions(inputs.shape)
        )
        first = self.data_format == "channels_first"
        x = ops.moveaxis(inputs, 1, -1) if first else inputs
        group = self._groups.around(x, position)
        for index in position:
            x = ops.take(x, index, axis=1)
        keys = self._groups.pool(group, len(position))
        theta, phi = self._pair_embeddings(
            ops.expand_dims(x, 1), flatten_positions(keys)
        )
        weights = self._weights(theta, phi)
        return ops.reshape(weights, ops.shape(keys)[:-1])

    def compute_output_shape(
        self, input_shape: Sequence[int | None]
    ) -> tuple[int | None, ...]:
        """The input shape."""
        self._check_positions(input_shape)
        return tuple(input_shape)

    def compute_output_spec(
        self,
        inputs: Any,
        training: bool | None = None,
        return_attention_scores: bool = False,
    ) -> Any:
        """Shape and dtype of what a call returns."""
        shape = self.compute_output_shape(inputs.shape)
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

    def get_config(self) -> dict[str, Any]:
        """All arguments of the constructor, and whether `norm` is frozen."""
        config = super().get_config()
        norm = getattr(self, "norm", None)
        if self._norm_is_frozen if norm is None else not norm.trainable:
            config["norm_trainable"] = False
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
    def from_config(cls, config: dict[str, Any]) -> "NonLocalBlock":
        """A new block of the arguments that `get_config` returned."""
        config = dict(config)
        is_frozen = not config.pop("norm_trainable", True)
        block: NonLocalBlock = super().from_config(config)
        block._norm_is_frozen = is_frozen
        return block

    def _projection(self, name: str, channels: int, units: int) -> keras.layers.Dense:
        kernel_initializer = self.kernel_initializer
        if name == "out" and self.out_kernel_initializer is not None:
            kernel_initializer = self.out_kernel_initializer
        elif name == "out" and self.normalization is None:
            kernel_initializer = keras.initializers.Zeros()
        layer = keras.layers.Dense(
            units,
            use_bias=self.use_bias,
            # Clones: an initializer gives the same values whenever it is called.
            kernel_initializer=kernel_initializer.clone(),
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
        layer = FusedBatchNormalization(
            momentum=self.momentum,
            epsilon=self.epsilon,
            gamma_initializer=self.gamma_initializer.clone(),
            synchronized=self.normalization == "synchronized_batch",
            dtype=self._out_dtype(),
            name="norm",
        )
        layer.build((*(None,) * (rank - 1), channels))
        return layer

    def _out_dtype(self) -> Any:
        """Dtype policy of W_z and the normalization.

        The modes that do not average over j can leave the range of float16 between
        the sum over j and the normalization.
        """
        if self.compute_dtype == "float16" and self.mode not in SOFTMAX_MODES:
            return "float32"
        return self.dtype_policy

    def _pair_embeddings(self, queries: Any, keys: Any) -> tuple[Any, Any]:
        """What the pairwise function is computed from: θ and φ, or their parts in w_fᵀ.

        Args:
            queries: `(batch, N, channels)`.
            keys: `(batch, M, channels)`.
        """
        if self.mode == "gaussian":
            return queries, keys
        if self.mode == "concatenation":
            width = self.w_f.shape[0] // 2
            a = pair_term(queries, self.theta, self.w_f[:width])
            return a, pair_term(keys, self.phi, self.w_f[width:])
        return self.theta(queries), self.phi(keys)

    def _weights(self, theta: Any, phi: Any) -> Any:
        return pairwise_weights(
            widened(theta), widened(phi) * self._scale(theta), self.mode
        )

    def _scale(self, theta: Any) -> float:
        scaled = self.mode == "embedded_gaussian" and self.scale
        return float(theta.shape[-1]) ** -0.5 if scaled else 1.0

    def _positions(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return arguments.position_sizes(shape, self.data_format)

    def _check_positions(self, shape: Sequence[int | None]) -> None:
        arguments.check_rank(shape)
        self._groups.check(self._positions(shape))
