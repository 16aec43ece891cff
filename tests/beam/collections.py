"""Collections with videos that cannot be read, and runners."""

from pathlib import Path

import numpy as np

from keras_nonlocal.data import VideoList
from tests.data.videos import moving_pictures, write_video

IN_PROCESS = ("--runner=FnApiRunner",)
TWO_PROCESSES = (
    "--runner=FnApiRunner",
    "--direct_num_workers=2",
    "--direct_running_mode=multi_processing",
)
PORTABLE = (
    "--runner=PortableRunner",
    "--job_endpoint=embed",
    "--environment_type=LOOPBACK",
)
# The old runner, which repeats every bundle, and bundles that fail.
REPEATING = ("--runner=BundleBasedDirectRunner", "--direct_runner_bundle_repeat=2")

NAMES = ("a.mp4", "b, c é.mp4", "d.mkv", "deep/e.mp4", "f.avi", "gg.mp4", "h.mp4")
BROKEN = ("broken.mp4", "empty.mp4", "missing.mp4")


def write_collection(folder: Path, rng: np.random.Generator) -> VideoList:
    """Writes seven random videos, and lists them in three classes with broken ones."""
    (folder / "deep").mkdir(parents=True)
    whole = []
    for name in NAMES:
        height, width = (int(side) for side in rng.integers(16, 28, 2) * 2)
        frames = moving_pictures(
            int(rng.integers(5, 20)), height, width, int(rng.integers(2**31))
        )
        whole.append(write_video(folder / name, frames, gop=int(rng.integers(1, 8))))
    broken = [str(folder / name) for name in BROKEN]
    Path(broken[0]).write_bytes(Path(whole[0]).read_bytes()[:700])
    Path(broken[1]).touch()
    paths = [*whole, *broken]
    order = rng.permutation(len(paths))
    labels = [int(label) for label in rng.integers(0, 3, len(paths))]
    names = ("x", "y", "z")
    return VideoList(tuple(paths), tuple(labels), names).select(order)
