"""Measures time and memory from a list of videos to its first batch of labels.

    python benchmarks/many_videos.py --videos 240000 --classes 700

This creates a list as long as Kinetics-700, all of whose entries are one tiny video,
and a dataset with one-hot labels (or, with `--several`, three labels each). It prints
the seconds until the first batch and the growth of the process's memory in megabytes,
for a list of one batch and for the whole list. The difference is the cost of a long
list; the rest is that of TensorFlow.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path

from fresh_process import run

BATCH_SIZE = 8


def measure(num_videos: int, classes: int, several: bool) -> dict[str, float]:
    import av  # noqa: F401 - imported before the clock starts
    import numpy as np
    import tensorflow as tf

    from keras_nonlocal.data import VideoList, video_dataset_from_list

    tf.zeros(1)
    with tempfile.TemporaryDirectory() as folder:
        path = write_tiny_video(Path(folder) / "tiny.mkv")
        indices = np.random.default_rng(1).integers(classes, size=(num_videos, 3))
        labels = [tuple({*row}) for row in indices.tolist()]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        videos = VideoList(
            (path,) * num_videos,
            tuple(labels if several else (label[0] for label in labels)),
            tuple(f"class {i}" for i in range(classes)),
        )
        dataset = video_dataset_from_list(
            videos,
            "multi_hot" if several else "categorical",
            BATCH_SIZE,
            num_frames=2,
            frame_stride=1,
            crop_size=16,
            seed=1,
            verbose=False,
        )
        _, encoded = next(iter(dataset))
        seconds = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert encoded.shape == (BATCH_SIZE, classes)
    return {"seconds": seconds, "megabytes": (after - before) / 1024}


def write_tiny_video(path: Path) -> str:
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height = stream.width = 24
        stream.pix_fmt = "bgr0"
        for _ in range(4):
            frame = av.VideoFrame.from_ndarray(np.zeros((24, 24, 3), np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=int, default=240_000)
    parser.add_argument("--classes", type=int, default=700)
    parser.add_argument("--several", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        print(json.dumps(measure(**options.case)))
        return
    for num_videos in (BATCH_SIZE, options.videos):
        case = {
            "num_videos": num_videos,
            "classes": options.classes,
            "several": options.several,
        }
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
        runs = [run(__file__, case, quiet) for _ in range(options.repeats)]
        if any("error" in result for result in runs):
            raise SystemExit(f"{num_videos} videos: {runs}")
        medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        print(
            f"{num_videos} videos, {options.classes} classes: first batch after "
            f"{medians['seconds']:.2f} s, {medians['megabytes']:.0f} MB"
        )


if __name__ == "__main__":
    main()
