"""A clip network in float64 PyTorch, written apart from the package's layers.

It takes the values of a Keras network, so that what remains between the two is the
rounding of float32.
"""

from collections.abc import Mapping

import keras
import numpy as np
import torch
from torch.nn import functional

EPSILON = 1e-5


class Float64Network:
    """Computes the logits of `model`, whose specification is `spec`, in float64.

    Args:
        model: A clip network of this package, for channels-last clips.
        spec: What it was built from.
        mode: `"embedded_gaussian"` or `"dot_product"`.
    """

    def __init__(self, model: keras.Model, spec, mode: str = "embedded_gaussian"):
        self.spec, self.mode = spec, mode
        self.values: Mapping[str, torch.Tensor] = {
            # Paths are `layer/role`, and `layer/part/role` in non-local blocks.
            variable.path.removeprefix(f"{model.name}/"): torch.tensor(
                np.asarray(keras.ops.convert_to_numpy(variable), np.float64)
            )
            for variable in model.weights
        }
        self.largest_attention_logit = 0.0

    def logits(self, clips: np.ndarray) -> np.ndarray:
        """`(batch, classes)` for `(batch, num_frames, height, width, channels)`."""
        stem = self.spec.stem
        x = torch.tensor(clips, dtype=torch.float64).permute(0, 4, 1, 2, 3)
        x = functional.relu(self._convolution_norm(x, "conv1", stem.strides))
        x = functional.max_pool3d(
            x, stem.pool_size, stem.pool_strides, stem.pool_padding
        )
        for stage in self.spec.stages:
            for block in stage.blocks:
                x = self._bottleneck(x, block)
                if block.nonlocal_name is not None:
                    x = self._nonlocal_block(x, block.nonlocal_name)
            if stage.name == self.spec.temporal_pool_after:
                x = functional.max_pool3d(x, (2, 1, 1))
        kernel, bias = (self.values[f"predictions/{k}"] for k in ("kernel", "bias"))
        return (x.mean((2, 3, 4)) @ kernel + bias).numpy()

    def _bottleneck(self, x, block):
        shortcut = x
        if block.shortcut_strides is not None:
            shortcut = self._convolution_norm(
                x, f"{block.name}_0", block.shortcut_strides
            )
        for number, strides in enumerate(block.strides, start=1):
            x = self._convolution_norm(x, f"{block.name}_{number}", strides)
            if number < len(block.strides):
                x = functional.relu(x)
        return functional.relu(shortcut + x)

    def _convolution_norm(self, x, name, strides):
        kernel = self.values[f"{name}_conv/kernel"].permute(4, 3, 0, 1, 2)
        padding = [extent // 2 for extent in kernel.shape[2:]]
        return self._norm(
            functional.conv3d(x, kernel, None, strides, padding), f"{name}_bn"
        )

    def _norm(self, x, name):
        gamma, beta, mean, variance = (
            self.values[f"{name}/{role}"].reshape(-1, 1, 1, 1)
            for role in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return gamma * (x - mean) / torch.sqrt(variance + EPSILON) + beta

    def _nonlocal_block(self, x, name):
        pooled = functional.max_pool3d(x, (1, 2, 2))
        theta = self._projection(x, f"{name}/theta").flatten(2)
        phi = self._projection(pooled, f"{name}/phi").flatten(2)
        g = self._projection(pooled, f"{name}/g").flatten(2)
        pairs = torch.einsum("bdi,bdj->bij", theta, phi)
        if self.mode == "dot_product":
            weights = pairs / phi.shape[2]
        else:
            pairs = pairs / theta.shape[1] ** 0.5
            largest = pairs.abs().max().item()
            self.largest_attention_logit = max(self.largest_attention_logit, largest)
            weights = pairs.softmax(-1)
        y = torch.einsum("bij,bdj->bdi", weights, g).reshape(len(x), -1, *x.shape[2:])
        return x + self._norm(self._projection(y, f"{name}/out"), f"{name}/norm")

    def _projection(self, x, name):
        kernel, bias = (self.values[f"{name}/{role}"] for role in ("kernel", "bias"))
        y = torch.einsum("bc...,cd->bd...", x, kernel)
        return y + bias.reshape(-1, 1, 1, 1)
