"""PySlowFast's own test of videos, for whole_videos.py.

`perform_test` of its `tools/test_net.py` runs with its `construct_loader`, its data set
`Kinetics`, its `TestMeter` and its network. What its modules import, and this does not
use, is replaced by stand-ins where it is missing. Its decoding cannot run as it is:

- the backend "torchvision" calls functions that torchvision no longer has,
- the backend "pyav" fails in `decode`, which gives `pyav_decode` lists in place of
  numbers and uses a variable that only the other backend sets.

Therefore `torchvision_decode` is replaced by a call of `pyav_decode`, with the file in
memory as the other has it. All other steps of `decode` and of the data set are its own.
For the rows that say so, the memory format and the type of the network are changed as a
user would change them.

It needs `pip install torch torchvision av fvcore iopath simplejson psutil pandas scipy
scikit-learn matplotlib tensorboard "setuptools<81"`.
"""

import importlib.util
import io
import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyslowfast

SEED = 0


def main() -> None:
    case = json.loads(sys.argv[sys.argv.index("--case") + 1])
    steps = {"weights": write_weights, "views": write_views, "test": test}
    print(json.dumps(steps[case["step"]](case)))


def write_weights(case: dict[str, Any]) -> dict[str, Any]:
    """Writes a checkpoint of random weights with which all branches count."""
    import torch

    torch.manual_seed(SEED)
    model = pyslowfast.build(case["peer"], case["variant"], case["depth"])
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.0)
            torch.nn.init.normal_(module.bias, std=0.1)
    torch.nn.init.normal_(model.head.projection.weight, std=case["spread"])
    torch.save({"model_state": model.state_dict()}, case["weights"])
    return {}


def write_views(case: dict[str, Any]) -> dict[str, Any]:
    """Writes the views of the first clip of the first video, and their scores."""
    import numpy as np
    import torch

    model, loader, _, _ = prepared(case)
    views = [loader.dataset[i][0][0] for i in range(case["crops"])]
    pixels = torch.stack(views)
    with torch.no_grad():
        scores = model.eval()([pixels])
    np.savez(
        case["views"],
        pixels=pixels.permute(0, 2, 3, 4, 1).numpy(),
        scores=scores.numpy(),
    )
    return {}


def test(case: dict[str, Any]) -> dict[str, Any]:
    """Scores all videos, and returns the seconds and the versions."""
    import av
    import torch

    model, loader, meter, configuration = prepared(case)
    size = configuration.DATA.TEST_CROP_SIZE
    frames = configuration.DATA.NUM_FRAMES
    autocast = nullcontext()
    if "bfloat16" in case["configuration"]:
        autocast = torch.autocast("cpu", torch.bfloat16)
    if "channels_last_3d" in case["configuration"]:
        model = ChannelsLast.of(model)
    perform_test = test_net(case["peer"]).perform_test
    with autocast:
        with torch.no_grad():
            model.eval()([torch.zeros(case["batch"], 3, frames, size, size)])
        start = time.perf_counter()
        perform_test(loader, model, meter, configuration)
        seconds = time.perf_counter() - start
    assert (meter.clip_count == case["clips"] * case["crops"]).all()
    return {
        "seconds": [seconds],
        "versions": f"torch {torch.__version__}, PyAV {av.__version__}",
    }


def prepared(case: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """Returns the network, the loader, the meter and the configuration."""
    import torch

    configuration = pyslowfast.configuration(
        case["peer"], case["variant"], case["depth"]
    )
    configuration.DATA.PATH_TO_DATA_DIR = case["folder"]
    configuration.DATA.PATH_LABEL_SEPARATOR = " "
    configuration.DATA.DECODING_BACKEND = "torchvision"
    configuration.DATA_LOADER.NUM_WORKERS = case["workers"]
    configuration.DATA_LOADER.PIN_MEMORY = False
    configuration.TEST.BATCH_SIZE = case["batch"]
    configuration.TEST.NUM_ENSEMBLE_VIEWS = case["clips"]
    configuration.TEST.NUM_SPATIAL_CROPS = case["crops"]
    if case["wait"] is None:
        model = pyslowfast.build(case["peer"], case["variant"], case["depth"])
        model.load_state_dict(torch.load(case["weights"])["model_state"])
    else:
        model = waiting_network(1e-3 * case["wait"], configuration.MODEL.NUM_CLASSES)
    from slowfast.datasets import decoder, loader
    from slowfast.utils.meters import TestMeter

    decoder.torchvision_decode = decode_with_pyav
    test_loader = loader.construct_loader(configuration, "test")
    views = case["clips"] * case["crops"]
    meter = TestMeter(
        test_loader.dataset.num_videos // views,
        views,
        configuration.MODEL.NUM_CLASSES,
        len(test_loader),
    )
    return model, test_loader, meter, configuration


def decode_with_pyav(
    content: bytes,
    rates: Any,
    lengths: Any,
    clip: int,
    video_meta: Any,
    num_clips: int,
    target_fps: float,
    *args: Any,
    use_offset: bool = False,
    **more: Any,
) -> Any:
    """In place of `torchvision_decode`, with its arguments and results."""
    import av
    import numpy as np
    from slowfast.datasets.decoder import pyav_decode

    (rate,), (length,) = rates, lengths
    frames, fps, is_whole = pyav_decode(
        av.open(io.BytesIO(content)),
        rate,
        length,
        clip,
        num_clips,
        target_fps,
        use_offset,
    )
    # The last one is for contrastive learning.
    return [frames], fps, is_whole, np.zeros((1, 3))


def waiting_network(seconds: float, num_classes: int) -> Any:
    """A network that only waits for some time per view."""
    import torch

    class Network(torch.nn.Module):
        def forward(self, inputs: Any) -> Any:
            (clips,) = inputs
            time.sleep(seconds * len(clips))
            return torch.zeros(len(clips), num_classes)

    return Network()


def test_net(checkout: str) -> Any:
    """Its `tools/test_net.py` as a module; other packages are called `tools`, too."""
    path = Path(checkout).expanduser() / "tools" / "test_net.py"
    spec = importlib.util.spec_from_file_location("test_net", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ChannelsLast:
    """A network that computes with the channels last."""

    @staticmethod
    def of(model: Any) -> Any:
        import torch

        class Network(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.network = model.to(memory_format=torch.channels_last_3d)

            def forward(self, inputs: Any) -> Any:
                (clips,) = inputs
                form = torch.channels_last_3d
                return self.network([clips.contiguous(memory_format=form)])

        return Network()


if __name__ == "__main__":
    main()
