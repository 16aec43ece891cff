"""Trains one network on several workers.

python examples/multi_worker.py                     # two workers on this machine, on
                                                    # videos that it writes

On several machines, start one process on each with the same data and the environment
variable TF_CONFIG, which lists all workers and the index of this one:

TF_CONFIG='{"cluster": {"worker": ["a:12345", "b:12345"]},
            "task": {"type": "worker", "index": 0}}' \\
    python examples/multi_worker.py --data DIR --worker

One command does the same for your own videos, and finds the tasks of Slurm by itself
(clusters/slurm.sbatch and clusters/kubernetes.yaml start it):
keras-nonlocal train DIR --strategy multi-worker
"""

import argparse
import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

SIDE, NUM_FRAMES, GLOBAL_BATCH = 32, 8, 16


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="default: generated videos")
    parser.add_argument("--output", type=Path, default=Path("multi_worker_output"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--videos-per-class", type=int, default=8)
    parser.add_argument("--worker", action="store_true", help="be one, see TF_CONFIG")
    options = parser.parse_args()
    directory = options.data or options.output / "videos"
    if options.worker:
        work(directory, options)
    else:
        if options.data is None:
            write_videos(directory, options.videos_per_class)
        sys.exit(start_workers(options))


def work(directory: Path, options: argparse.Namespace) -> None:
    """Trains as one of the workers. The chief, worker 0, saves the network."""
    import keras
    import tensorflow as tf

    # Before any other use of TensorFlow.
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    import keras_nonlocal

    keras.utils.set_random_seed(0)
    # Every worker creates the same dataset of global batches, and TensorFlow gives
    # each replica its part of every batch.
    clips = keras_nonlocal.data.video_dataset_from_directory(
        directory,
        num_frames=NUM_FRAMES,
        frame_stride=2,
        crop_size=SIDE,
        batch_size=GLOBAL_BATCH,
        seed=1,
        verbose=False,
    )
    with strategy.scope():
        model = keras_nonlocal.NLResNet50I3D(
            input_shape=(NUM_FRAMES, SIDE, SIDE, 3),
            classes=len(clips.class_names),
            width=8,
            include_preprocessing=True,
        )
        model.compile(
            keras_nonlocal.training.nesterov_sgd(0.01),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
    index = strategy.cluster_resolver.task_id
    history = model.fit(
        clips, epochs=options.epochs, shuffle=False, verbose=2 if index == 0 else 0
    )
    checksum = float(sum(abs(weight).sum() for weight in model.get_weights()))
    print(
        f"worker {index} of {strategy.num_replicas_in_sync}: "
        f"loss {history.history['loss'][-1]:.6f}, sum of all weights {checksum:.4f}",
        flush=True,
    )
    if index == 0:
        model.save(options.output / "model.keras")
    # All workers wait for the chief, because a sum over all workers needs all of them.
    strategy.reduce("SUM", strategy.run(lambda: tf.constant(1.0)), axis=None)


def start_workers(options: argparse.Namespace) -> int:
    """Starts the workers on free ports of this machine and waits for them."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for _ in range(options.workers)
        ]
        addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, *sys.argv[1:], "--worker"],
            env={
                **os.environ,
                "TF_CONFIG": json.dumps(
                    {
                        "cluster": {"worker": addresses},
                        "task": {"type": "worker", "index": index},
                    }
                ),
            },
        )
        for index in range(options.workers)
    ]
    codes = [worker.wait() for worker in workers]
    return 0 if not any(codes) else 1


def write_videos(directory: Path, videos_per_class: int) -> None:
    from motion_videos import write_collection

    for _ in write_collection(directory, videos_per_class, (0,)):
        pass


if __name__ == "__main__":
    main()
