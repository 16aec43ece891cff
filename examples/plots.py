"""The two plots of the quickstart."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def plot_learning_curves(
    histories: Mapping[str, Mapping[str, Sequence[float]]], path: Path
) -> None:
    """Draws loss and accuracy over the epochs, one color per network."""
    figure, (loss_axes, accuracy_axes) = plt.subplots(1, 2, figsize=(10, 4))
    for number, (title, history) in enumerate(histories.items()):
        color = f"C{number}"
        epochs = np.arange(1, len(history["loss"]) + 1)
        for axes, key in ((loss_axes, "loss"), (accuracy_axes, "accuracy")):
            axes.plot(epochs, history[key], color, linestyle=":")
            axes.plot(epochs, history[f"val_{key}"], color, label=title)
    loss_axes.set(title="Loss", xlabel="epoch", ylim=(0, None))
    accuracy_axes.set(title="Top-1 accuracy", xlabel="epoch", ylim=(0, 1.02))
    accuracy_axes.legend(title="unseen videos (dotted: training)")
    _save(figure, path)


def plot_confusion_matrix(
    confusion: np.ndarray, class_names: Sequence[str], title: str, path: Path
) -> None:
    """Draws counts of true classes (rows) against predictions (columns)."""
    size = 2.5 + 0.6 * len(class_names)
    figure, axes = plt.subplots(figsize=(size + 1, size))
    axes.imshow(confusion, cmap="Blues", vmin=0)
    for (row, column), count in np.ndenumerate(confusion):
        dark = count > confusion.max() / 2
        color = "white" if dark else "black"
        axes.text(column, row, count, ha="center", va="center", color=color)
    places = range(len(class_names))
    axes.set_xticks(places, class_names, rotation=45, ha="right")
    axes.set_yticks(places, class_names)
    axes.set(title=title, xlabel="predicted", ylabel="true")
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
