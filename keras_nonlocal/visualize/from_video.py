"""Draws what a model sees in a video file, in one call."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from keras_nonlocal.data.readers.pyav import PyAVReader
from keras_nonlocal.data.readers.video_reader import OpenVideo
from keras_nonlocal.files import local_path, same_file
from keras_nonlocal.models.clip_model import ClipModel
from keras_nonlocal.tensors import Tensor
from keras_nonlocal.visualize import drawing
from keras_nonlocal.visualize.attention import Attention, attend
from keras_nonlocal.visualize.captions import Caption
from keras_nonlocal.visualize.class_activation import ClassActivation, grad_cam
from keras_nonlocal.visualize.class_scores import class_scores
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
    class_names: Sequence[str] | None = None,
    clip: ClipChoice = ClipChoice(),  # noqa: B008 - frozen
    preprocessing: Callable[[Tensor], Tensor] | None = None,
    open_video: OpenVideo = PyAVReader,
) -> Attention:
    """Draws what one position of a clip attends to across frames.

    A PNG shows the frames side by side. Arrows lead from the query, marked by a ring,
    to the positions with the largest weights; violet and thin arrows stand for small
    weights, yellow and thick ones for large weights. The bar below a frame is the sum
    of the weights in it, relative to the largest sum. Below the bar is the frame's time
    in the video. The title names the best class of the clip, its score and the block.
    An MP4 shows the frames one after the other at the speed of the video, each with the
    arrows that end in it.

    Args:
        model: A functional model with a `keras_nonlocal.layers.NonLocalBlock`.
        video: The video file.
        output: Output file, whose name ends in `.png` or `.mp4`. It must differ from
            `video`.
        layer_name: Name of the block. Defaults to the last one.
        query: Frame, row and column of a pixel of the model's clip, from 0. The block's
            position that contains this pixel is the query. Defaults to the center of
            the middle frame.
        num_connections: Maximum number of arrows. Defaults to `20`.
        class_names: Names of the classes for the title. Defaults to those of
            `model.clip_info`, or else to numbers.
        clip: The frames to take and how to scale and crop them. Defaults to
            `keras_nonlocal.visualize.ClipChoice()`.
        preprocessing: As in `keras_nonlocal.predict_video`.
        open_video: As in `keras_nonlocal.data.video_dataset_from_directory`.

    Returns:
        The drawn values.

    Raises:
        ValueError: If an argument has an invalid value, or the video cannot be read.

    Example:

    >>> keras_nonlocal.visualize.draw_attention(
    ...     model, "ball.mp4", "ball.png", query=(0, 80, 120))  # doctest: +SKIP

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), Figure 3.
    """
    path = _checked_output(output, video)
    drawn = clip.read(model, video, preprocessing, open_video)
    names = _names(drawn.model, class_names)
    attention = attend(
        model, drawn.inputs, layer_name, query=query, num_connections=num_connections
    )
    scores = class_scores(model, drawn.inputs)
    best = int(scores.argmax())
    caption = Caption(
        f"{names[best]}: {scores[best]:.2f}  attention in {attention.layer_name}",
        drawn.times,
        drawing.attention_legend(attention),
    )
    if path.suffix == ".png":
        write_png(path, drawing.attention_strip(attention, drawn.pictures, caption))
    else:
        frames = drawing.attention_frames(attention, drawn.pictures, caption)
        write_mp4(path, frames, drawn.frames_per_second)
    return attention


def draw_grad_cam(
    model: keras.Model,
    video: FilePath,
    output: FilePath,
    layer_name: str | None = None,
    *,
    class_index: int | None = None,
    class_names: Sequence[str] | None = None,
    clip: ClipChoice = ClipChoice(),  # noqa: B008 - frozen
    preprocessing: Callable[[Tensor], Tensor] | None = None,
    open_video: OpenVideo = PyAVReader,
) -> ClassActivation:
    """Draws where and when a class shows in a clip, by Grad-CAM.

    Bright colors mark where the class shows. The bars below the frames show the largest
    value in each frame, on the same scale for the whole clip. Below the bars are the
    times of the frames. The title names the class, its score and the layer.

    Args:
        model: A functional model that takes clips and returns scores
            `(batch, classes)`. One sigmoid unit decides between two classes.
        video: The video file.
        output: Output file, whose name ends in `.png` (frames side by side) or `.mp4`
            (one after the other, at the speed of the video). It must differ from
            `video`.
        layer_name: Name of the layer whose features are weighted; see
            `keras_nonlocal.visualize.grad_cam`. Defaults to the last non-local block.
        class_index: The class. Defaults to the one with the highest score.
        class_names: Names of the classes for the title. Defaults to those of
            `model.clip_info`, or else to numbers.
        clip: The frames to take and how to scale and crop them. Defaults to
            `keras_nonlocal.visualize.ClipChoice()`.
        preprocessing: As in `keras_nonlocal.predict_video`.
        open_video: As in `keras_nonlocal.data.video_dataset_from_directory`.

    Returns:
        The drawn values.

    Raises:
        ValueError: If an argument has an invalid value, or the video cannot be read.

    Example:

    >>> keras_nonlocal.visualize.draw_grad_cam(
    ...     model, "ball.mp4", "class.mp4", class_index=3)  # doctest: +SKIP

    References:
        [Grad-CAM](https://arxiv.org/abs/1610.02391), Selvaraju et al., ICCV 2017.
    """
    path = _checked_output(output, video)
    drawn = clip.read(model, video, preprocessing, open_video)
    names = _names(drawn.model, class_names)
    activation = grad_cam(model, drawn.inputs, layer_name, class_index=class_index)
    caption = Caption(
        f"{names[activation.class_index]}: {activation.score:.2f}  "
        f"Grad-CAM of {activation.layer_name}",
        drawn.times,
        drawing.activation_legend(activation),
    )
    if path.suffix == ".png":
        write_png(path, drawing.activation_strip(activation, drawn.pictures, caption))
    else:
        frames = drawing.activation_frames(activation, drawn.pictures, caption)
        write_mp4(path, frames, drawn.frames_per_second)
    return activation


def _names(model: ClipModel, given: Sequence[str] | None) -> Sequence[str]:
    """Returns the names of the classes for the title."""
    names = model.class_names if given is None else given
    if names is None:
        return [f"class {index}" for index in range(model.num_classes)]
    if len(names) != model.num_classes:
        raise ValueError(
            f"`class_names` must name the {model.num_classes} classes of the model. "
            f"Received: {len(names)} names"
        )
    return names


def _checked_output(output: FilePath, video: FilePath) -> Path:
    path = local_path("output", output)
    if path.suffix not in SUFFIXES or not path.parent.is_dir():
        raise ValueError(
            "`output` must be a file in an existing folder, whose name ends in "
            f"{' or '.join(SUFFIXES)}. Received: output={str(output)!r}"
        )
    # A video may be a folder of pictures.
    folder = path.resolve().parent
    if path.exists() and (same_file(path, video) or same_file(folder, video)):
        raise ValueError(
            "`output` must differ from `video`, which it would replace. "
            f"Received: output={str(output)!r}, video={str(video)!r}"
        )
    return path
