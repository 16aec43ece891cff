"""Clips whose class is a relation between things far apart in space or time.

A clip shows a handwritten 0 and a handwritten 1 in two colors, and a ring in one of the
two. The class is the digit in the ring's color. Each thing stands at one of 4 places
during one quarter of the clip. There are three kinds of clips, a third each:

| kind | the ring and the two digits |
|---|---|
| `space` | in the same frames, at three places |
| `time` | at the same place, in three quarters of the clip |
| `both` | at three places, in three quarters of the clip |

The two digits stand in the same relation to the ring, so only the colors tell which of
them the ring points to. If the ring had the other color, the clip would have the other
class and otherwise be the same. A single frame therefore answers at most the clips of
the kind `space`, the order of the frames never matters, and no linear function of
features pooled over the clip answers any. A nonlinear function of pooled features can
answer all of them, because each color appears with one digit and the ring only.

The design follows Moving MNIST (Srivastava et al., 2015, digits as moving things),
CATER (Girdhar and Ramanan, ICLR 2020, whose baseline is a non-local I3D network) and
Pointer Value Retrieval (Zhang et al., 2021, a thing that points to the answer).
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from keras_nonlocal.arguments import check_choice, check_positive_integer
from keras_nonlocal.experiments.digits import Part, read_digits
from keras_nonlocal.experiments.shapes import enlargement, ring_shape

KINDS = ("space", "time", "both")
NUM_CLASSES = 2
NUM_STILL_CLASSES = 6
# Of a kind, a class and a color of the ring.
NUM_COMBINATIONS = 12
NUM_PLACES = 4
QUARTERS = 4
RING = 2

_COLORS = np.array([[255, 80, 60], [60, 160, 255]], "float32")
_PARTS = ("training", "validation", "test")
_STILLS, _CLIPS = 0, 1

OtherDigit = Literal["opposite", "independent"]


@dataclass(frozen=True)
class ClipTask:
    """The task.

    Args:
        num_frames: Frames per clip, a multiple of 4. Each thing is visible in a quarter
            of them.
        size: Height and width of a frame in pixels, a multiple of 8.
        other_digit: `"opposite"` shows a 0 and a 1. `"independent"` draws the digit
            that is not in the ring's color independently of the class. That digit then
            reveals nothing.
        labels: `"class"` for the digit in the ring's color, or `"several"` for five
            labels per clip, of which two apply: the digit, 0 or 1, and the kind.
    """

    num_frames: int = 8
    size: int = 32
    other_digit: OtherDigit = "opposite"
    labels: Literal["class", "several"] = "class"

    def __post_init__(self) -> None:
        check_choice("other_digit", self.other_digit, ("opposite", "independent"))
        check_choice("labels", self.labels, ("class", "several"))
        for name, divisor in (("num_frames", QUARTERS), ("size", 8)):
            value = check_positive_integer(name, getattr(self, name))
            if value % divisor:
                raise ValueError(
                    f"`{name}` must be a multiple of {divisor}. "
                    f"Received: {name}={value}"
                )

    @property
    def thing_size(self) -> int:
        """Height and width of a thing in pixels."""
        return 3 * self.size // 8

    @property
    def num_outputs(self) -> int:
        """Number of scores of a network for the task."""
        return NUM_CLASSES + len(KINDS) * (self.labels == "several")

    def targets(self, scenes: "Scenes") -> np.ndarray:
        """Returns what a network learns.

        Returns:
            The classes, `(clips,)`; or, with `labels="several"`, 0 and 1 for each
            label, `(clips, 5)`.
        """
        if self.labels == "class":
            return scenes.label
        label = np.eye(NUM_CLASSES, dtype="float32")[scenes.label]
        kind = np.eye(len(KINDS), dtype="float32")[scenes.kind]
        return np.concatenate([label, kind], axis=1)


class Scenes(NamedTuple):
    """The contents of clips. Things are the ring's digit, the other digit, the ring.

    Args:
        label: `(clips,)`, the digit in the ring's color.
        kind: `(clips,)`, indices into `KINDS`.
        color: `(clips, 3)`, the color of each thing, 0 or 1.
        digit: `(clips, 2)`, the class of each digit, 0 or 1.
        place: `(clips, 3)`, the place of each thing, in row-major order.
        quarter: `(clips, 3)`, the quarter of the clip in which it is visible.
        shift: `(clips, 3, 2)`, its offset from the corner of its place, in pixels.
        specimen: `(clips, 2)`, random numbers below 1 that choose the written digits.
    """

    label: np.ndarray
    kind: np.ndarray
    color: np.ndarray
    digit: np.ndarray
    place: np.ndarray
    quarter: np.ndarray
    shift: np.ndarray
    specimen: np.ndarray


def draw_scenes(task: ClipTask, count: int, rng: np.random.Generator) -> Scenes:
    """Draws the contents of clips.

    Kinds, classes and colors of the ring are balanced together, as far as `count`
    allows.

    Args:
        task: The task.
        count: Number of clips.
        rng: The random numbers.
    """
    combination = rng.permutation(np.arange(count) % NUM_COMBINATIONS)
    label, ring, kind = combination % 2, combination // 2 % 2, combination // 4
    other = 1 - label
    if task.other_digit == "independent":
        other = rng.integers(0, 2, count)
    place = _three_of_four(count, rng)
    quarter = _three_of_four(count, rng)
    place[kind == KINDS.index("time")] = place[kind == KINDS.index("time"), :1]
    quarter[kind == KINDS.index("space")] = quarter[kind == KINDS.index("space"), :1]
    room = task.size // 2 - task.thing_size
    shift = rng.integers(0, room + 1, (count, 3, 2))
    shift[kind == KINDS.index("time")] = shift[kind == KINDS.index("time"), :1]
    return Scenes(
        label,
        kind,
        np.stack([ring, 1 - ring, ring], 1),
        np.stack([label, other], 1),
        place,
        quarter,
        shift,
        rng.random((count, 2)),
    )


def draw_clips(
    task: ClipTask, part: Part, count: int, seed: int, batch: int = 0
) -> tuple[np.ndarray, Scenes]:
    """Draws clips and their contents.

    Args:
        task: The task.
        part: The digits to use: `"training"`, `"validation"` or `"test"`.
        count: Number of clips.
        seed: The seed. The same arguments always return the same clips.
        batch: Number of the batch. Batches of one seed differ.

    Returns:
        The clips, `(count, num_frames, size, size, 3)` as bytes, and their contents.

    Example:

    >>> from keras_nonlocal.experiments import ClipTask, draw_clips
    >>> clips, scenes = draw_clips(ClipTask(), "test", 12, seed=0)
    >>> clips.shape, scenes.label.mean(), np.bincount(scenes.kind)
    ((12, 8, 32, 32, 3), np.float64(0.5), array([4, 4, 4]))
    """
    rng = np.random.default_rng([seed, _CLIPS, _PARTS.index(part), batch])
    scenes = draw_scenes(task, count, rng)
    return render(task, part, scenes), scenes


def render(task: ClipTask, part: Part, scenes: Scenes) -> np.ndarray:
    """Returns the clips of scenes as bytes, `(clips, frames, size, size, 3)`."""
    count = len(scenes.label)
    clips = np.zeros(
        (count, QUARTERS, task.num_frames // QUARTERS, task.size, task.size, 3), "uint8"
    )
    number = np.arange(count)
    for thing in range(3):
        if thing == RING:
            size = task.thing_size
            shape = np.broadcast_to(ring_shape(size), (count, size, size))
        else:
            shape = _written(
                task, part, scenes.digit[:, thing], scenes.specimen[:, thing]
            )
        still = _placed(
            task,
            shape,
            scenes.color[:, thing],
            scenes.place[:, thing],
            scenes.shift[:, thing],
        )
        quarter = scenes.quarter[:, thing]
        shown = clips[number, quarter]
        clips[number, quarter] = np.maximum(shown, still[:, None])
    return clips.reshape(count, task.num_frames, task.size, task.size, 3)


def draw_stills(
    task: ClipTask, part: Part, count: int, seed: int, batch: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draws images of single things, on which the image network is trained.

    Args:
        task: The task, whose size the images have.
        part: The digits to use.
        count: Number of images.
        seed: The seed.
        batch: Number of the batch.

    Returns:
        The images, `(count, size, size, 3)` as bytes, and their classes: 0 and 1 for
        zeros, 2 and 3 for ones, 4 and 5 for rings, of either color.

    Example:

    >>> from keras_nonlocal.experiments import ClipTask, draw_stills
    >>> images, classes = draw_stills(ClipTask(size=64), "training", 10, seed=0)
    >>> images.shape, classes.shape
    ((10, 64, 64, 3), (10,))
    """
    rng = np.random.default_rng([seed, _STILLS, _PARTS.index(part), batch])
    label = rng.permutation(np.arange(count) % NUM_STILL_CLASSES)
    thing, color = label // 2, label % 2
    shape = _written(task, part, thing % 2, rng.random(count))
    shape[thing == RING] = ring_shape(task.thing_size)
    room = task.size // 2 - task.thing_size
    shift = rng.integers(0, room + 1, (count, 2))
    place = rng.integers(0, NUM_PLACES, count)
    return _placed(task, shape, color, place, shift), label


def _three_of_four(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permuted(np.tile(np.arange(4), (count, 1)), axis=1)[:, :3]


def _placed(
    task: ClipTask,
    shape: np.ndarray,
    color: np.ndarray,
    place: np.ndarray,
    shift: np.ndarray,
) -> np.ndarray:
    """Returns images of one colored shape each, `(count, size, size, 3)`."""
    count = len(shape)
    half = task.size // 2
    extent = np.arange(task.thing_size)
    rows = (place // 2 * half + shift[:, 0])[:, None] + extent
    columns = (place % 2 * half + shift[:, 1])[:, None] + extent
    images = np.zeros((count, task.size, task.size, 3), "uint8")
    pixels = shape[..., None] * _COLORS[color][:, None, None]
    images[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None]] = (
        np.rint(pixels)
    )
    return images


def _written(
    task: ClipTask, part: Part, digit: np.ndarray, specimen: np.ndarray
) -> np.ndarray:
    """Returns written digits, `(count, thing_size, thing_size)`, from 0 to 1."""
    digits = read_digits(part)
    enlarge = enlargement(8, task.thing_size)
    shapes = np.empty((len(digit), task.thing_size, task.thing_size), "float32")
    for value, known in enumerate(digits):
        of_value = digit == value
        chosen = known[(specimen[of_value] * len(known)).astype(int)]
        shapes[of_value] = enlarge @ chosen @ enlarge.T
    return shapes
