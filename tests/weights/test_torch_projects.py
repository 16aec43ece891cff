"""Networks of PyTorch projects, written down here from their sources, against ours.

They read the weights by the projects' own names and use the projects' own strides and
paddings, so both the names and the implied geometry are compared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest

from keras_nonlocal import NLResNet
from tests.weights import released_names as names

torch = pytest.importorskip("torch")

CLIP = (16, 64, 64, 3)
BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}


@dataclass(frozen=True)
class Project:
    """What differs between the projects, as their sources say it."""

    key_of: Callable[[str, str], str]
    variant: str
    nonlocal_blocks: int
    stem_stride: tuple[int, int, int]
    pool_kernel: tuple[int, int, int]
    pool_stride: tuple[int, int, int]
    pool_padding: tuple[int, int, int]
    pools_keys: bool
    options: dict[str, Any]


PROJECTS = {
    "gluoncv": Project(
        *(names.gluoncv_key, "i3d", 5, (2, 2, 2), (1, 3, 3), (2, 2, 2), (0, 1, 1)),
        False,
        {"stem_temporal_strides": (4, 1), "nonlocal_pool_size": None},
    ),
    "resnet3d": Project(
        *(names.resnet3d_key, "i3d", 5, (2, 2, 2), (2, 3, 3), (2, 2, 2), (0, 0, 0)),
        True,
        {"stem_temporal_strides": (2, 2)},
    ),
    "pytorchvideo": Project(
        *(names.pytorchvideo_key, "c2d", 0, (1, 2, 2), (1, 3, 3), (1, 2, 2), (0, 1, 1)),
        False,
        {},
    ),
    "pytorchvideo_i3d": Project(
        *(names.pytorchvideo_key, "i3d", 0, (1, 2, 2), (1, 3, 3), (1, 2, 2), (0, 1, 1)),
        False,
        {},
    ),
}


class Network:
    """The forward pass of a project, from its state dict."""

    def __init__(self, arrays: dict[str, np.ndarray], project: Project) -> None:
        self._arrays = {
            key: torch.from_numpy(np.ascontiguousarray(value)).double()
            for key, value in arrays.items()
        }
        self._project = project

    def scores(self, clips: np.ndarray) -> np.ndarray:
        """Clips `(batch, frames, height, width, 3)` to the softmax of the logits."""
        project = self._project
        x = torch.from_numpy(clips).permute(0, 4, 1, 2, 3)
        x = torch.relu(self._convolution(x, "conv1", project.stem_stride))
        x = torch.nn.functional.max_pool3d(
            x, project.pool_kernel, project.pool_stride, project.pool_padding
        )
        for stage, num_blocks in BLOCKS.items():
            for block in range(num_blocks):
                name = f"conv{stage}_block{block + 1}"
                stride = 2 if stage > 2 and block == 0 else 1
                x = self._bottleneck(x, name, stride, has_shortcut=block == 0)
                if self._has(f"{name}_nl/theta", "kernel"):
                    x = self._non_local(x, f"{name}_nl")
            if stage == 2:
                x = torch.nn.functional.max_pool3d(x, (2, 1, 1), (2, 1, 1))
        weight = self._weight("predictions", "kernel")
        logits = x.mean((2, 3, 4)) @ weight.T + self._weight("predictions", "bias")
        return torch.softmax(logits, 1).numpy()

    def _weight(self, owner: str, role: str) -> Any:
        return self._arrays[self._project.key_of(owner, role)]

    def _has(self, owner: str, role: str) -> bool:
        if not self._project.nonlocal_blocks:
            return False
        return self._project.key_of(owner, role) in self._arrays

    def _convolution(self, x: Any, name: str, stride: tuple[int, int, int]) -> Any:
        weight = self._weight(f"{name}_conv", "kernel")
        padding = tuple(size // 2 for size in weight.shape[2:])
        x = torch.nn.functional.conv3d(x, weight, None, stride, padding)
        return self._norm(x, f"{name}_bn")

    def _norm(self, x: Any, name: str) -> Any:
        roles = ("moving_mean", "moving_variance", "gamma", "beta")
        values = (self._weight(name, role) for role in roles)
        return torch.nn.functional.batch_norm(x, *values, eps=1e-5)

    def _bottleneck(self, x: Any, name: str, stride: int, has_shortcut: bool) -> Any:
        strides = (1, stride, stride)
        shortcut = self._convolution(x, f"{name}_0", strides) if has_shortcut else x
        y = torch.relu(self._convolution(x, f"{name}_1", (1, 1, 1)))
        y = torch.relu(self._convolution(y, f"{name}_2", strides))
        return torch.relu(self._convolution(y, f"{name}_3", (1, 1, 1)) + shortcut)

    def _non_local(self, x: Any, name: str) -> Any:
        keys = x
        if self._project.pools_keys:
            keys = torch.nn.functional.max_pool3d(x, (1, 2, 2), (1, 2, 2))
        theta = self._dense(x, f"{name}/theta").flatten(2)
        phi = self._dense(keys, f"{name}/phi").flatten(2)
        g = self._dense(keys, f"{name}/g").flatten(2)
        pairs = torch.softmax(theta.transpose(1, 2) @ phi * theta.shape[1] ** -0.5, -1)
        y = (g @ pairs.transpose(1, 2)).reshape(*x.shape[:1], -1, *x.shape[2:])
        return self._norm(self._dense(y, f"{name}/out"), f"{name}/norm") + x

    def _dense(self, x: Any, name: str) -> Any:
        weights = self._weight(name, "kernel"), self._weight(name, "bias")
        return torch.nn.functional.conv3d(x, *weights)


@pytest.mark.parity
@pytest.mark.parametrize("name", PROJECTS)
def test_projects_and_this_package_give_the_same_scores(tmp_path, rng, name):
    project = PROJECTS[name]
    options = {"input_shape": CLIP, "classes": 5, "width": 4, **project.options}
    source = NLResNet(
        50,
        project.variant,
        nonlocal_blocks=project.nonlocal_blocks,
        **{**options, "stem_temporal_strides": (1, 1)},
    )
    names.randomize(source, seed=int(rng.integers(2**31)))
    arrays = names.named_arrays(source, project.key_of)
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    model = NLResNet(
        50,
        project.variant,
        nonlocal_blocks=project.nonlocal_blocks,
        weights=str(path),
        **options,
    )
    clips = rng.normal(size=(2, *CLIP))
    expected = Network(arrays, project).scores(clips)
    scores = keras.ops.convert_to_numpy(model(clips.astype("float32")))
    # Dozens of layers round to 1e-7 each; another padding or stride gives above 1e-2.
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-6)
    assert np.ptp(expected) > 0.01
