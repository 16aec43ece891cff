"""From a model and a video file to a drawing, in one call."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_nonlocal.data.decoding import PyAVReader
from keras_nonlocal.data.readers import OpenVideo
from keras_nonlocal.visualize import drawing
from keras_nonlocal.visualize.attention import Attention, attend
from keras_nonlocal.visualize.class_activation import ClassActivation, grad_cam
from keras_nonlocal.visualize.clips import ClipChoice
from keras_nonlocal.visualize.picture_files import SUFFIXES, write_mp4, write_png

FilePath = str | os.PathLike[str]


def draw_attention(
    model: keras.Model,
    video: FilePath,
    output: FilePath,
    layer_name: str | None = None,
    *,
    query: Sequence[int] | None = None,
    num_connections: int = 20,
    clip: ClipChoice = ClipChoice(),  # noqa: B008 - it is frozen
    preprocessing: Callable[[Any], Any] | None = None,
    open_video: OpenVideo = PyAVReader,
) -> Attention:
    """Draws what one position of a clip attends to across its frames.

    A PNG shows the frames side by side, with arrows from the position that asks (the
    ring) to the strongest ones, from violet to yellow and from thin to thick by weight,
    and below each frame the sum of the weights in it, relative to the largest. An MP4
    shows the frames one after the other, as fast as in the video, with the arrows that
    end in each.

    Args:
        model: A functional model with a `keras_nonlocal.layers.NonLocalBlock`.
        video: The video file.
        output: Ends in `.png` or `.mp4`; another file than `video`.
        layer_name: Name of the block. Defaults to the last one.
        query: Frame, row and column of a pixel of the model's clip, from 0; the
            position of the block that lies there asks. Defaults to the centre of the
            middle frame.
        num_connections: Number of arrows. Defaults to `20`.
        clip: Which frames are taken and how they are scaled and cropped. Defaults to
            `keras_nonlocal.visualize.ClipChoice()`.
        preprocessing: As in `keras_nonlocal.predict_video`.
        open_video: As in `keras_nonlocal.data.video_dataset_from_directory`.

    Returns:
        What was drawn, in numbers.

    Raises:
        ValueError: If an argument has a value it cannot have, or the video cannot be
            read.

    Example:

    >>> keras_nonlocal.visualize.draw_attention(
    ...     model, "ball.mp4", "ball.png", query=(0, 80, 120))  # doctest: +SKIP

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), Figure 3.
    """
    path = _checked_output(output, video)
    drawn = clip.read(model, video, preprocessing, open_video)
    attention = attend(
        model, drawn.inputs, layer_name, query=query, num_connections=num_connections
    )
    if path.suffix == ".png":
        write_png(path, drawing.attention_strip(attention, drawn.pictures))
    else:
        frames = drawing.attention_frames(attention, drawn.pictures)
        write_mp4(path, frames, drawn.frames_per_second)
    return attention


def draw_grad_cam(
    model: keras.Model,
    video: FilePath,
    output: FilePath,
    layer_name: str | None = None,
    *,
    class_index: int | None = None,
    clip: ClipChoice = ClipChoice(),  # noqa: B008 - it is frozen
    preprocessing: Callable[[Any], Any] | None = None,
    open_video: OpenVideo = PyAVReader,
) -> ClassActivation:
    """Draws where and when in a clip a class shows, by Grad-CAM.

    Bright colours lie where the class shows; the bars below the frames are the largest
    value in each, on the same scale for the whole clip.

    Args:
        model: A functional model from clips to `(batch, classes)`.
        video: The video file.
        output: Ends in `.png` (the frames side by side) or `.mp4` (one after the other,
            as fast as in the video); another file than `video`.
        layer_name: Name of the layer whose features are weighted; see
            `keras_nonlocal.visualize.grad_cam`. Defaults to the last non-local block.
        class_index: The class. Defaults to the one with the highest score.
        clip: Which frames are taken and how they are scaled and cropped. Defaults to
            `keras_nonlocal.visualize.ClipChoice()`.
        preprocessing: As in `keras_nonlocal.predict_video`.
        open_video: As in `keras_nonlocal.data.video_dataset_from_directory`.

    Returns:
        What was drawn, in numbers.

    Raises:
        ValueError: If an argument has a value it cannot have, or the video cannot be
            read.

    Example:

    >>> keras_nonlocal.visualize.draw_grad_cam(
    ...     model, "ball.mp4", "class.mp4", class_index=3)  # doctest: +SKIP

    References:
        [Grad-CAM](https://arxiv.org/abs/1610.02391), Selvaraju et al., ICCV 2017.
    """
    path = _checked_output(output, video)
    drawn = clip.read(model, video, preprocessing, open_video)
    activation = grad_cam(model, drawn.inputs, layer_name, class_index=class_index)
    if path.suffix == ".png":
        write_png(path, drawing.activation_strip(activation, drawn.pictures))
    else:
        frames: Sequence[np.ndarray] = drawing.activation_frames(
            activation, drawn.pictures
        )
        write_mp4(path, frames, drawn.frames_per_second)
    return activation


def _checked_output(output: FilePath, video: FilePath) -> Path:
    path = Path(output)
    if path.suffix not in SUFFIXES or not path.parent.is_dir():
        raise ValueError(
            "`output` must be a file in an existing folder, whose name ends in "
            f"{' or '.join(SUFFIXES)}. Received: output={str(output)!r}"
        )
    if path.exists() and os.path.exists(video) and path.samefile(video):
        raise ValueError(
            "`output` must be another file than `video`, which it would replace. "
            f"Received: output={str(output)!r}, video={str(video)!r}"
        )
    return path
