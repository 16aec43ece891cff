"""The non-local block as a Keras layer."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_nonlocal.layers import block_arguments as arguments
from keras_nonlocal.layers.affinity import pair_term, pairwise_weights, widened
from keras_nonlocal.layers.non_local_variables import NonLocalVariables
from keras_nonlocal.layers.position_groups import flatten_positions
from keras_nonlocal.layers.position_masks import (
    check_mask,
    pooled_keys,
    position_mask,
    zeros_where_masked,
)
from keras_nonlocal.layers.routes import weighted_sum
from keras_nonlocal.tensors import Tensor


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class NonLocalBlock(NonLocalVariables):
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

    The block starts as the identity and can be inserted into a pretrained network. It
    takes inputs of any size. Results do not depend on the route that computes them. The
    memory for the pairs of positions stays below `memory_limit`, and the rest grows
    linearly with the number of positions.

    Under `"mixed_float16"` and `"mixed_bfloat16"`, the pairwise function and the sum
    over j are computed in float32. On TensorFlow in bfloat16, the softmax modes then
    round the weights and the gradients of the logits to bfloat16, for faster products,
    unless they are computed by chunks. With float16, `"dot_product"` and
    `"concatenation"` stay in float32 up to the normalization, because their sums are
    not averages.

    `keras.Model.quantize` and LoRA work on the projections in every mode.

    Args:
        intermediate_channels: Integer, d, the width of θ, φ and g. Defaults to `None`,
            half the channels of the input (at least 1).
        mode: The pairwise function, one of `"gaussian"`, `"embedded_gaussian"`,
            `"dot_product"` and `"concatenation"`. Defaults to `"embedded_gaussian"`.
        scope: The positions j: `"spacetime"` for all, `"space"` for those in the same
            frame, or `"time"` for the same place in all frames. Inputs of rank 3 have
            only time, and inputs of rank 4 have only space. In inputs of rank 5, the
            first position axis is time. Defaults to `"spacetime"`.
        pool_size: Size and stride of a max pooling, without padding, of the input of φ
            and g: one integer for each position axis, with 1 along axes that the scope
            leaves out, or one integer for all axes. For videos in the scope
            `"spacetime"`, a single integer does not pool time. Defaults to `None`, no
            pooling.
        temporal_group_size: Integer, the number of consecutive frames in a group.
            Positions attend only to their group, which bounds the memory of long clips.
            It must divide the number of frames. Defaults to `None`, no groups.
        scale: Whether `"embedded_gaussian"` divides the logits by √d, as in the
            released code but not in the paper's formula. Defaults to `True`.
        use_bias: Whether W_θ, W_φ, W_g and W_z have biases. Defaults to `True`.
        kernel_initializer: Initializer of the kernels and w_f, each of which gets
            different values, even with a seed. Defaults to `RandomNormal(stddev=0.01)`,
            as in the paper. Networks that are much narrower than the paper's train
            faster from larger values, for example `"he_normal"`.
        bias_initializer: Initializer of the biases. Defaults to `"zeros"`.
        out_kernel_initializer: Initializer of the kernel of W_z. Defaults to
            `kernel_initializer`, or to zeros if `normalization` is `None`, which also
            makes the block the identity.
        kernel_regularizer: Regularizer of the kernels and w_f. Defaults to `None`.
        bias_regularizer: Regularizer of the biases. Defaults to `None`.
        normalization: The normalization after W_z. `"batch"` is batch normalization.
            `"frozen_batch"` has the same variables, but always normalizes with the
            moving statistics, which never change, so only an affine map is trained.
            `"synchronized_batch"` computes statistics over all replicas of a
            `tf.distribute` strategy (TensorFlow only). `None` disables normalization.
            Defaults to `"batch"`.
        momentum: Momentum of the moving statistics. Defaults to `0.9`.
        epsilon: Constant added to the variance. Defaults to `1e-5`.
        gamma_initializer: Initializer of the normalization's γ. Defaults to `"zeros"`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's image
            data format.
        route: How to compute the sum over j. `"naive"` builds the N×M matrix of
            weights. `"chunked"` (softmax modes) keeps only some of its rows at a time
            and recomputes them for the gradients. `"fused"` (softmax modes) calls the
            backend's attention kernel. `"associative"` (`"dot_product"`) computes
            `θ (φᵀ g)`. `"sorted"` (`"concatenation"`) sorts w_fᵀφ and takes differences
            of prefix sums. Defaults to `"auto"`, the fastest route within
            `memory_limit`. In the softmax modes, it keeps as many rows of the matrix as
            fit and treats the others as `"chunked"` does, except with PyTorch, where it
            is `"fused"` if θ, φ and g have the same width.
        memory_limit: Integer, bytes that the pairs of positions may take in one call of
            this block in training, for batches of any size: three float32 matrices N×M
            for each clip and group, the affinities and their gradients (four on JAX and
            in bfloat16 on TensorFlow; two more with a mask). Tensors that grow linearly
            with the number of positions do not count, nor do matrices that are not
            larger than θ and φ, and at least one row is computed at a time. Limits the
            routes `"auto"` and `"chunked"`. Defaults to `None`, a sixteenth of the
            memory that this process may use, or of a GPU's as JAX or PyTorch report it;
            1 GiB if it is not known, as on GPUs with TensorFlow unless the program
            limits their memory. A saved `None` is resolved by the machine that loads
            the model, but exported files have the limit of the machine that wrote them.
        **kwargs: `name`, `dtype`, `trainable` and other arguments of
            `keras.layers.Layer`.

    Call arguments:
        inputs: See below.
        training: Whether the normalization uses and updates batch statistics.
        return_attention_scores: Whether to also return `f(x_i, x_j) / C(x)`, which
            builds the N×M matrix. Defaults to `False`.
        mask: Booleans, `(batch, *positions)` or only the first of the position axes,
            such as `(batch, frames)`. Positions where it is false are padding. They
            have no weight, do not count in `C(x)`, in pooling or in batch statistics,
            and are returned unchanged. Keras passes the mask of layers such as
            `keras.layers.Masking`, and the block passes it on. Defaults to `None`, all
            positions count.

    Input shape:
        `(batch, steps, channels)`, `(batch, height, width, channels)` or
        `(batch, frames, height, width, channels)`; with `data_format="channels_first"`,
        the channels are second. All sizes except the channels may be `None`.

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
        ValueError: If an argument has a value that is not listed above. When the block
            is built or called, if the rank is not 3, 4 or 5, the channels are not
            known, the inputs are complex, the scope has no axis in the input, the pool
            is larger than the input, the groups do not divide the frames, or the mask
            has a different shape. Sizes that are unknown when a TensorFlow graph is
            built are checked when it runs.

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

    def call(
        self,
        inputs: Tensor,
        training: bool | None = None,
        return_attention_scores: bool = False,
        mask: Tensor = None,
    ) -> Tensor:
        """Returns `inputs + norm(W_z y)`; see the class."""
        inputs, x, mask = self._standardize(inputs, mask)
        shape = ops.shape(x)
        grouped = self._groups.split(x)
        group_mask = None if mask is None else self._groups.split(mask)
        keys, key_mask = self._keys(grouped, group_mask, len(shape) - 2)
        theta, phi = self._pair_embeddings(flatten_positions(grouped), keys)
        g = self.g(keys)
        if return_attention_scores:
            weights = self._weights(theta, phi, key_mask)
            if key_mask is not None:
                g = zeros_where_masked(g, ops.expand_dims(key_mask, -1))
            y = ops.matmul(weights, widened(g))
        else:
            y = self._weighted_sum(theta, phi, g, key_mask)
        z = self.out(self._groups.merge(y, shape))
        if self.norm is not None:
            z = self.norm(
                z, training=training, mask=None if mask is None else mask[..., 0]
            )
        z = ops.cast(z, x.dtype)
        if mask is not None:
            z = zeros_where_masked(z, mask)
        first = self.data_format == "channels_first"
        z = inputs + (ops.moveaxis(z, -1, 1) if first else z)
        if not return_attention_scores:
            return z
        return z, ops.reshape(weights, (shape[0], -1, *ops.shape(weights)[1:]))

    def _weighted_sum(
        self, theta: Tensor, phi: Tensor, g: Tensor, key_mask: Tensor = None
    ) -> Tensor:
        scale, limit = self._scale(theta), self.memory_limit
        return weighted_sum(
            theta, phi, g, self.mode, scale, self.route, key_mask, limit
        )

    def attention_scores(
        self,
        inputs: Tensor,
        query_position: Sequence[int] | None = None,
        mask: Tensor = None,
    ) -> Tensor:
        """Computes only the weights `f(x_i, x_j) / C(x)`.

        Args:
            inputs: As in a call of the layer, which must have been built.
            query_position: Index of one position i along each position axis of
                `inputs`: `(step,)`, `(row, column)` or `(frame, row, column)`. Defaults
                to `None`, all positions.
            mask: As in a call of the layer. Defaults to `None`, all positions count.

        Returns:
            For one position, its weights on the axes of the positions j after pooling,
            `(batch, *positions)`. A scope without time (or space) has no axis for it.
            For all positions, `(batch, groups, N, M)`, as returned by a call.

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
            return self(
                inputs, training=False, return_attention_scores=True, mask=mask
            )[1]
        position = arguments.standardize_query_position(
            query_position, self._positions(inputs.shape)
        )
        _, x, mask = self._standardize(inputs, mask)
        group = self._groups.around(x, position)
        if mask is not None:
            mask = self._groups.around(mask, position)
        for index in position:
            x = ops.take(x, index, axis=1)
        keys, key_mask = self._keys(group, mask, len(position))
        theta, phi = self._pair_embeddings(ops.expand_dims(x, 1), keys)
        weights = self._weights(theta, phi, key_mask)
        sizes = zip(
            ops.shape(group)[1:-1], self._groups.pools(len(position)), strict=True
        )
        return ops.reshape(
            weights, (ops.shape(group)[0], *(size // pool for size, pool in sizes))
        )

    def _standardize(
        self, inputs: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Checks and standardizes the arguments of a call.

        Returns:
            The inputs; the inputs with the channels last and zeros at masked positions;
            and the mask, `(batch, *positions, 1)`, or `None`.
        """
        self._check_positions(inputs.shape)
        arguments.check_real("inputs", inputs)
        inputs = ops.cast(inputs, self.compute_dtype)
        x = inputs
        if self.data_format == "channels_first":
            x = ops.moveaxis(inputs, 1, -1)
        if mask is None:
            return inputs, x, None
        check_mask(mask.shape, self._positions(inputs.shape))
        mask = position_mask(mask, x)
        return inputs, zeros_where_masked(x, mask), mask

    def _keys(
        self, grouped: Tensor, mask: Tensor, num_axes: int
    ) -> tuple[Tensor, Tensor]:
        """Returns the input of φ and g, `(batch, M, channels)`, and its mask."""
        if mask is None:
            return flatten_positions(self._groups.pool(grouped, num_axes)), None
        return pooled_keys(self._groups, grouped, mask, num_axes)

    def _pair_embeddings(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the terms of the pairwise function: θ and φ, or their parts in w_f.

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

    def _weights(self, theta: Tensor, phi: Tensor, key_mask: Tensor) -> Tensor:
        return pairwise_weights(
            widened(theta), widened(phi) * self._scale(theta), self.mode, key_mask
        )

    def _scale(self, theta: Tensor) -> float:
        scaled = self.mode == "embedded_gaussian" and self.scale
        return float(theta.shape[-1]) ** -0.5 if scaled else 1.0
