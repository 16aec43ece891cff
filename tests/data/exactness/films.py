"""Films made by the `ffmpeg` command, step by step."""

import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.data.exactness.pictures import numbered_pictures

_MOST_SECONDS = 60


class MissingEncoderError(RuntimeError):
    """This `ffmpeg` cannot make a kind of file."""


# From one file to the next one.
Change = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Kind:
    """A kind of file and the way to make one.

    Args:
        name: Of the file, with its ending.
        steps: Each is a change of the file, or the options of an `ffmpeg` command that
            makes the next file. `{input}` stands for the file before, or in the first
            step for the pictures; it comes first if it is not named. `{folder}` stands
            for a folder for other files.
        shown: Which of the pictures a player shows, in its order. `None`: as the
            `ffmpeg` command says.
        num_frames: How many pictures are made.
        size: Width and height of the pictures in pixels.
        rate: Pictures per second.
        shown_size: Width and height of the shown pictures in pixels, if they are not
            those of the made ones.
        is_even: Whether the pictures follow each other evenly where the command takes
            other times.
        has_wrong_times: Whether the command that makes it gives frames wrong times, so
            that nobody can know the right ones.
        tolerance: By how many of 255 levels pixels may differ from those of `ffmpeg`.
            `None`: its conversion interpolates the colors in another way.
        from_source: By how many of 255 levels they may differ from the made ones.
            `None`: they are compressed.
    """

    name: str
    steps: Sequence[str | Change]
    shown: Sequence[int] | None = None
    num_frames: int = 48
    size: tuple[int, int] = (96, 64)
    rate: str = "25"
    shown_size: tuple[int, int] | None = None
    is_even: bool = False
    has_wrong_times: bool = False
    tolerance: int | None = 0
    from_source: int | None = None


@dataclass(frozen=True)
class Film:
    """A file of one kind.

    Args:
        kind: Its kind.
        path: Where it is.
        seed: Of its random pictures.
        first: The number that its first picture carries.
        commands: By which it was made.
    """

    kind: Kind
    path: Path
    seed: int
    first: int
    commands: tuple[str, ...]

    def pictures(self) -> np.ndarray:
        """Returns the made pictures, shape `(frames, height, width, 3)`."""
        return _pictures(self.kind, self.seed)[1]


def run(command: Sequence[str], stdin: bytes | None = None) -> tuple[bytes, str]:
    """Runs a command and returns what it wrote on its two outputs.

    Raises:
        MissingEncoderError: If this `ffmpeg` lacks what it asks for.
        RuntimeError: If it failed.
    """
    done = subprocess.run(
        command,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=_MOST_SECONDS,
        check=False,
    )
    messages = done.stderr.decode(errors="replace")
    if "Unknown encoder" in messages:
        raise MissingEncoderError(messages)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)} failed: {messages[-2000:]}")
    return done.stdout, messages


def make_film(kind: Kind, folder: Path) -> Film:
    """Makes a file with pictures that no other one has."""
    seed = int(np.random.default_rng().integers(2**63))
    first, pictures = _pictures(kind, seed)
    width, height = kind.size
    raw = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {kind.rate} -i pipe:0"
    commands = [f"pictures of the seed {seed}"]
    before: Path | None = None
    for place, step in enumerate(kind.steps):
        after = folder / str(place) / kind.name
        after.parent.mkdir()
        if isinstance(step, str):
            source = raw if before is None else f"-i {shlex.quote(str(before))}"
            text = step if "{input}" in step else "{input} " + step
            options = shlex.split(text.format(input=source, folder=folder))
            command = ["ffmpeg", "-v", "error", "-y", *options, str(after)]
            commands.append(shlex.join(command))
            run(command, pictures.tobytes() if before is None else None)
        else:
            assert before is not None
            commands.append(f"{step.__qualname__} of {step.__module__}")
            step(before, after)
        before = after
    assert before is not None
    return Film(kind, before, seed, first, tuple(commands))


def _pictures(kind: Kind, seed: int) -> tuple[int, np.ndarray]:
    """Returns the number of the first picture and all pictures."""
    rng = np.random.default_rng(seed)
    first = int(rng.integers(4096 - kind.num_frames))
    width, height = kind.size
    return first, numbered_pictures(rng, first, kind.num_frames, height, width)
