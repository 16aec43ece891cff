"""Films of all kinds are read as the `ffmpeg` command shows them."""

from fractions import Fraction

import av
import numpy as np
import pytest

from keras_nonlocal.data import PyAVReader
from tests.data.exactness import (
    clocks,
    codecs,
    colors,
    edits,
    geometry,
    layouts,
)
from tests.data.exactness.comparison import read_pictures
from tests.data.exactness.conversion import rgb_limits

pytestmark = pytest.mark.exactness

ROOMS = (codecs, edits, clocks, layouts, geometry, colors)
KINDS = [kind for room in ROOMS for kind in room.KINDS]
CONVERTED = [
    kind
    for kind in KINDS
    if kind.shown_size is None
    and (kind in codecs.KINDS + colors.KINDS or kind.tolerance is None)
]
# They store the order of decoding, and the times follow from the rate.
WITHOUT_TIMES = {".avi", ".divx", ".h264", ".hevc", ".m1v", ".m2v", ".m4v"}
# Frames that share a packet of the stream have one timestamp together. What the command
# guesses for the others depends on how large the frames happen to be: even steps are as
# right.
SPARSE_TIMES = {".mpe", ".mpg", ".vob"}
# Of 255 levels, in the mean, for two ways to interpolate colors.
UNLIKE = 8
# Decoders of these may round the inverse cosine transform as they like, and versions of
# FFmpeg do: in few films, a pixel differs by a level before the conversion to RGB, and
# again in the frames that are predicted from it.
FREELY_ROUNDED = {
    "flv",
    "h263",
    "mjpeg",
    "mpeg1video",
    "mpeg2video",
    "mpeg4",
    "msmpeg4",
    "msmpeg4v2",
    "prores",
    "wmv1",
    "wmv2",
}
# At most, of 255 levels, and the share of such pixels.
FREE_LEVELS, FREE_SHARE = 4, 2e-3
# FFmpeg rounds each of the four terms of a color down to a whole level, and the sum.
ROUNDING = 5


# Those of one kind run one after the other, in one process.
for_each_kind = pytest.mark.parametrize(
    "made_film",
    [
        pytest.param(kind, id=kind.name, marks=pytest.mark.xdist_group(kind.name))
        for kind in KINDS
    ],
    indirect=True,
)


def test_names_are_unique():
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 80


@for_each_kind
def test_frames_are_those_of_a_player(comparison, film):
    shown = comparison.numbers(comparison.shown.pictures)
    assert comparison.numbers(comparison.pictures) == shown
    if film.kind.shown is not None:
        assert shown == [*film.kind.shown]


@for_each_kind
def test_times_count_from_the_beginning(comparison, film):
    expected = comparison.shown.times
    if film.kind.is_even:
        expected = np.arange(len(expected)) / float(Fraction(film.kind.rate))
    if film.path.suffix in WITHOUT_TIMES:
        # The command counts the delay of decoding in, players need not.
        begin = comparison.times[0]
        assert -1e-6 <= begin <= max(expected[0], 0) + 1e-6
        expected = expected - expected[0] + begin
    errors = np.abs(comparison.times - expected)
    if film.kind.has_wrong_times:
        assert (np.diff(comparison.times) > 0).all()
        errors = errors[[0, -1]]
    elif film.path.suffix in SPARSE_TIMES:
        steps = np.arange(len(expected)) / float(Fraction(film.kind.rate))
        even = np.abs(comparison.times - expected[0] - steps)
        errors = min(errors, even, key=np.max)
    np.testing.assert_allclose(errors, 0, rtol=0, atol=1e-6)


def codec_of(path):
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.name


@for_each_kind
def test_pixels_are_those_of_the_command(comparison, film):
    pictures, kind = comparison.pictures.astype(int), film.kind
    assert pictures.shape == comparison.shown.pictures.shape
    errors = np.abs(pictures - comparison.shown.pictures)
    assert errors.mean() <= UNLIKE
    tolerance = kind.tolerance
    if tolerance == 0 and codec_of(film.path) in FREELY_ROUNDED:
        assert (errors > 0).mean() <= FREE_SHARE
        tolerance = FREE_LEVELS
    if tolerance is not None:
        assert errors.max() <= tolerance
    if kind.from_source is not None:
        assert np.abs(pictures - film.pictures()).max() <= kind.from_source
    if kind in CONVERTED:
        limits = rgb_limits(film.path)
        if limits is not None:
            lowest, highest = limits
            assert (lowest - pictures).max() <= ROUNDING
            assert (pictures - highest).max() <= ROUNDING


@for_each_kind
def test_any_frame_is_the_same_however_it_is_read(comparison, film, rng):
    num_frames = len(comparison.pictures)
    with PyAVReader(str(film.path)) as video:
        # One at a time, by steps, in any order and more than once.
        step = np.arange(rng.integers(num_frames), num_frames, rng.integers(1, 9))
        for indices in (
            *rng.integers(num_frames, size=(4, 1)),
            step,
            rng.integers(num_frames, size=5),
        ):
            _, pictures = read_pictures(video, comparison.framing, indices)
            np.testing.assert_array_equal(pictures, comparison.pictures[indices])
