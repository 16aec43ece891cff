"""What the quickstart shows of its networks: a table and a picture."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from ring_videos import KINDS, RingVideo

from keras_nonlocal.data import ClipDataset
from keras_nonlocal.visualize import ClipChoice, draw_attention


@dataclass
class Run:
    """A trained network and its results on whole unseen videos."""

    title: str
    model: keras.Model
    history: dict[str, list[float]]
    seconds: float
    labels: np.ndarray
    scores: np.ndarray

    @property
    def is_right(self) -> np.ndarray:
        """Whether the class of each video was found."""
        return self.scores.argmax(axis=-1) == self.labels

    @property
    def confusion(self) -> np.ndarray:
        num_classes = self.scores.shape[-1]
        counts = np.zeros((num_classes, num_classes), int)
        np.add.at(counts, (self.labels, self.scores.argmax(axis=-1)), 1)
        return counts


def draw(
    run: Run,
    test: ClipDataset,
    rings: Sequence[RingVideo],
    options: argparse.Namespace,
) -> None:
    """Draws what the ring attends to in a video whose class was surely found."""
    output = options.output / "attention.png"
    sure = np.where(run.is_right, run.scores.max(axis=-1), 0)
    paths = test.file_paths
    if not rings:
        draw_attention(run.model, paths[sure.argmax()], output)
        return
    ring_of = {str(ring.path): ring for ring in rings}
    sure *= [ring_of[path].kind == "both" for path in paths]
    path = paths[sure.argmax()]
    frame, row, column = ring_of[path].ring
    # The crop is 7/8 of the picture, from its middle.
    row, column = ((8 * place - 0.5) / 7 for place in (row, column))
    size = options.crop_size
    query = (int(frame * options.num_frames), int(row * size), int(column * size))
    clip = ClipChoice(picture_height=160)
    draw_attention(run.model, path, output, query=query, num_connections=6, clip=clip)


def print_table(
    runs: Sequence[Run],
    test: ClipDataset,
    rings: Sequence[RingVideo],
    options: argparse.Namespace,
) -> None:
    """Prints the accuracies, also for each kind of the script's own videos."""
    kind_of = {str(ring.path): ring.kind for ring in rings}
    kinds = np.array([kind_of.get(path, "") for path in test.file_paths])
    shown = KINDS if rings else ()
    print(f"\nTop-1 on {len(kinds)} unseen videos, after {options.epochs} epochs\n")
    columns = [f"{kind:>5}" for kind in ("all", *shown)]
    print(f"| {'network':33} | {' | '.join(columns)} | parameters | training |")
    print(f"|{'-' * 35}|{'------:|' * len(columns)}-----------:|---------:|")
    for run in runs:
        parts = [np.ones(len(kinds), bool), *(kinds == kind for kind in shown)]
        accuracies = [f"{run.is_right[part].mean():5.3f}" for part in parts]
        print(
            f"| {run.title:33} | {' | '.join(accuracies)} "
            f"| {run.model.count_params():10,} | {run.seconds:6.0f} s |"
        )
    if rings:
        print(
            "\nspace: ring and digits at different places; time: at different times; "
            "both: both."
        )
    print()
    for file, meaning in (
        ("model.keras", "the network, for keras.saving.load_model"),
        ("saved_model/1", "the same for TensorFlow Serving: pixels in, scores out"),
        ("attention.png", "what the network with blocks attends to"),
        ("learning_curves.png", "loss and accuracy over the epochs"),
        ("confusion_matrix.png", "which classes are taken for which"),
    ):
        print(f"{options.output / file}: {meaning}")
