"""Videos at any times, read back."""

import av
import numpy as np
import pytest

from keras_nonlocal.data import PyAVReader
from keras_nonlocal.data.framing import Framing
from keras_nonlocal.video_detection import mp4_writer
from keras_nonlocal.video_detection.mp4_writer import MP4Writer, comment_of
from tests.data.videos import moving_pictures


def written(path, times, size):
    pictures = moving_pictures(len(times), *size)
    with MP4Writer(path, times, {"settings": {"class_names": ["é"]}}) as writer:
        for picture in pictures:
            writer.write(picture)
    return pictures


@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
@pytest.mark.parametrize(
    ("times", "step"),
    [
        (np.arange(20) * 1001 / 30000, 1001 / 30000),
        (np.arange(7) / 24, 1 / 24),
        (np.cumsum([0, 0.04, 0.5, 0.033, 0.001, 2, 0.1, 0.1]), 0.1),
        (np.zeros(1), 1 / 30),
    ],
)
def test_times_are_read_back(tmp_path, monkeypatch, encoder, times, step):
    monkeypatch.setattr(mp4_writer, "_ENCODERS", ("no such encoder", encoder))
    path = tmp_path / "drawn.mp4"
    written(path, times, (32, 48))
    with PyAVReader(path) as reader:
        np.testing.assert_allclose(reader.times, times, rtol=0, atol=1e-9)
    with av.open(str(path)) as container:
        (stream,) = container.streams
        assert stream.codec_context.pix_fmt == "yuv420p"
        length = float(stream.duration * stream.time_base)
        assert length == pytest.approx(times[-1] + step)
        assert float(stream.average_rate) == pytest.approx(len(times) / length)
    assert comment_of(path) == {"settings": {"class_names": ["é"]}}


@pytest.mark.parametrize("size", [(33, 47), (1, 64), (64, 1)])
def test_odd_sides_get_one_more_row_or_column(tmp_path, size):
    pictures = written(tmp_path / "odd.mp4", np.arange(3) / 10, size)
    even = tuple(side + side % 2 for side in size)
    with PyAVReader(tmp_path / "odd.mp4") as reader:
        assert reader.stored_size == even
        shown = reader.read(np.arange(3), Framing(min(even), None))[:, 0]
    assert shown.shape[1:3] == even
    error = shown[:, : size[0], : size[1]].astype(int) - pictures
    assert np.abs(error).mean() < 30


def test_pauses_of_years_and_equal_times_can_be_stored(tmp_path):
    written(tmp_path / "years.mp4", np.array([0, 1.0, 1e8]), (16, 16))
    with PyAVReader(tmp_path / "years.mp4") as reader:
        np.testing.assert_allclose(reader.times, [0, 1, 1e8], rtol=0, atol=0.1)
    written(tmp_path / "equal.mp4", np.array([0, 0.1, 0.1, 0.1, 0.2]), (16, 16))
    with PyAVReader(tmp_path / "equal.mp4") as reader:
        assert (np.diff(reader.times) > 0).all()
        np.testing.assert_allclose(reader.times, [0, 0.1, 0.1, 0.1, 0.2], atol=1e-5)


def test_a_package_without_encoders_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(mp4_writer, "_ENCODERS", ("nothing",))
    with pytest.raises(ImportError, match="a PyAV without nothing"):
        MP4Writer(tmp_path / "drawn.mp4", np.zeros(1), {})


def test_other_files_have_no_comment(tmp_path):
    assert comment_of(tmp_path / "missing.mp4") is None
    (tmp_path / "text.mp4").write_text("text")
    assert comment_of(tmp_path / "text.mp4") is None
