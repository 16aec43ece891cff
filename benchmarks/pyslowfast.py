"""PySlowFast's networks and block from a checkout of it, for the other benchmarks.

It needs `pip install torch fvcore iopath simplejson psutil`; what else its modules
import, and the networks do not use, is replaced by empty stand-ins where it is missing.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

_NOT_USED = frozenset(
    {
        "av",
        "cv2",
        "decord",
        "detectron2",
        "fairscale",
        "pandas",
        "pytorchvideo",
        "sklearn",
    }
    | {"tensorboard", "torchvision", "vision"}
)
CONFIGURATIONS = {
    ("i3d", 50): "configs/Kinetics/c2/I3D_NLN_8x8_R50.yaml",
    ("i3d", 101): "configs/Kinetics/c2/I3D_NLN_8x8_R101.yaml",
    ("c2d", 50): "configs/Kinetics/C2D_NLN_8x8_R50.yaml",
}


def build(checkout: str, variant: str, depth: int) -> Any:
    """A network with five non-local blocks, 400 classes, 8×224×224, as a module."""
    settings = configuration(checkout, variant, depth)
    from slowfast.models import build_model

    return build_model(settings)


def configuration(checkout: str, variant: str, depth: int) -> Any:
    """The configuration of that network, without GPUs."""
    root = Path(checkout).expanduser()
    if not (root / "slowfast").is_dir():
        raise FileNotFoundError(f"There is no folder 'slowfast' in {checkout!r}.")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
        sys.meta_path.append(_StandIns())
    from slowfast.config.defaults import get_cfg

    settings = get_cfg()
    settings.merge_from_file(str(root / CONFIGURATIONS[variant, depth]))
    # It moves the network to a GPU by itself if there is one to move it to.
    settings.NUM_GPUS = 0
    return settings


def build_block(checkout: str, channels: int, pool: int, instantiation: str) -> Any:
    """A non-local block of half the channels inside, spatially pooled, as a module."""
    path = Path(checkout).expanduser() / "slowfast" / "models" / "nonlocal_helper.py"
    spec = importlib.util.spec_from_file_location("nonlocal_helper", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Nonlocal(
        channels,
        channels // 2,
        pool_size=[1, pool, pool],
        instantiation=instantiation,
    )


class _StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules that are not installed and not used."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname.split(".")[0] not in _NOT_USED:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: Any) -> types.ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


class _StandIn(types.ModuleType):
    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda self, *args, **kwargs: None})
