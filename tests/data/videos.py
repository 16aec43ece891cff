"""Small video files for the tests, written by PyAV."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


def moving_pictures(
    num_frames: int, height: int, width: int, seed: int = 0
) -> np.ndarray:
    """Returns blocks of random colors that move, differently in every frame.

    Shape `(num_frames, height, width, 3)`.
    """
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    scene = blocks.repeat(8, axis=0).repeat(8, axis=1)
    frames = np.stack(
        [
            np.roll(scene, (i, 2 * i), axis=(0, 1))[:height, :width]
            for i in range(num_frames)
        ]
    )
    patch = slice(0, max(height // 4, 1)), slice(0, max(width // 4, 1))
    for i, frame in enumerate(frames):
        frame[patch] = (37 * i) % 256
    return frames


def write_video(
    path: str | Path,
    frames: np.ndarray,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: int = 30,
    gop: int = 250,
    timestamps: Sequence[int] | None = None,
    rotation: int = 0,
    pixel_aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    change_packet: Callable[[int, Any], Any] | None = None,
) -> str:
    """Writes RGB frames; `timestamps` count in 1/`rate` s."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = gop
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, rate)
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation:
            stream.set_display_rotation(rotation)
        packets = []
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels))
            frame.pts = i if timestamps is None else timestamps[i]
            frame.time_base = Fraction(1, rate)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for i, packet in enumerate(packets):
            changed = packet if change_packet is None else change_packet(i, packet)
            if changed is not None:
                container.mux(changed)
    return str(path)
