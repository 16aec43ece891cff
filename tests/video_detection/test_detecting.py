"""Objects in the frames of videos."""

import json
import logging
import os
from fractions import Fraction

import av
import keras
import numpy as np
import pytest

from keras_nonlocal import detect_video, predict_picture
from keras_nonlocal.data import PyAVReader, VideoError
from keras_nonlocal.data.framing import Framing
from keras_nonlocal.data.readers.video_reader import TimelineChangedError
from keras_nonlocal.video_detection import video_pass
from keras_nonlocal.visualize import draw_detections, draw_poses
from tests.data.videos import moving_pictures, write_video
from tests.detection.detectors import small_detector, small_keypoint_detector

pytestmark = pytest.mark.slow
NAMES = ("ant", "bee", "cow")
WHOLE = Framing(2**20, None, enlarge=False)


@pytest.fixture(scope="module")
def model():
    return small_detector(class_names=NAMES)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Upright as from a phone, at a varying rate, with odd sides."""
    path = tmp_path_factory.mktemp("videos") / "street.mp4"
    steps = np.random.default_rng(5).integers(15, 90, 22)
    return write_video(
        path,
        moving_pictures(23, 51, 75),
        pix_fmt="yuv444p",
        rate=1000,
        timestamps=np.cumsum([0, *steps]).tolist(),
        rotation=90,
    )


def pictures_of(path):
    with PyAVReader(path) as reader:
        return reader.read(np.arange(len(reader.times)), WHOLE)[:, 0], reader.times


def assert_same(frame, other, atol=0.0):
    assert (frame.index, frame.time, frame.names) == (
        other.index,
        other.time,
        other.names,
    )
    for name in ("boxes", "scores", "labels"):
        np.testing.assert_array_equal(getattr(frame, name), getattr(other, name))
    if len(frame):
        np.testing.assert_allclose(frame.masks, other.masks, rtol=0, atol=atol)


def test_frames_have_what_predict_picture_finds_in_them(model, video):
    pictures, times = pictures_of(video)
    assert pictures.shape == (23, 75, 51, 3)
    found = detect_video(model, video, every=3)
    assert len(found) == 8
    count = 0
    for frame, index in zip(found, range(0, 23, 3), strict=True):
        expected = predict_picture(model, pictures[index])
        assert (frame.index, frame.time) == (index, times[index])
        assert frame.names == tuple(NAMES[label] for label in expected["labels"])
        for name, value in expected.items():
            np.testing.assert_allclose(getattr(frame, name), value, atol=1e-3)
        count += len(frame)
    assert count > 20


def test_seconds_of_a_varying_rate(model, video):
    _, times = pictures_of(video)
    found = detect_video(model, video, every="0.2s")
    moments = np.arange(0, times[-1], 0.2)
    expected = {int(np.flatnonzero(times <= moment)[-1]) for moment in moments}
    assert expected <= {*found.indices.tolist()} <= expected | {22}
    np.testing.assert_array_equal(found.times, times[found.indices])
    assert [frame.index for frame in found] == found.indices.tolist()


def test_the_model_sees_one_shape(model, video, monkeypatch):
    shapes = []
    predict = model.predict_on_batch

    def remember(x):
        shapes.append(x["images"].shape)
        return predict(x)

    monkeypatch.setattr(model, "predict_on_batch", remember)
    assert len([*detect_video(model, video, batch_size=4)]) == 23
    assert shapes == [(4, 64, 64, 3)] * 6


def test_files_hold_what_is_found(model, video, tmp_path):
    drawn, lines = tmp_path / "drawn.mp4", tmp_path / "found.jsonl"
    found = detect_video(
        model, video, every=4, output=drawn, results_file=lines, verbose=0
    )
    expected = [*detect_video(model, video, every=4)]
    for _ in range(2):
        for frame, other in zip(found, expected, strict=True):
            assert_same(frame, other, atol=0.5 / 255 + 1e-6)
    first, *rows = map(json.loads, lines.read_text().splitlines())
    assert first["settings"]["every"] == 4
    assert [row["frame"] for row in rows] == [0, 4, 8, 12, 16, 20]
    entry = rows[0]["detections"][0]
    assert {*entry} == {"label", "name", "score", "box", "mask"}

    pictures, times = pictures_of(video)
    shown, own_times = pictures_of(drawn)
    np.testing.assert_allclose(own_times, times, rtol=0, atol=1e-9)
    assert shown.shape == (23, 76, 52, 3)
    wanted = [
        draw_detections(picture, expected[index // 4].drawn(), NAMES)
        for index, picture in enumerate(pictures)
    ]
    # The video stores colors for each 2 x 2 pixels.
    error = np.abs(shown[:, :75, :51].astype(int) - wanted)
    assert error.mean() < 15
    drawing = np.abs(pictures.astype(int) - wanted)
    pixels = drawing.max(-1) > 30
    assert pixels.mean() > 0.01
    assert error[pixels].mean() < drawing[pixels].mean() / 2


@pytest.mark.thorough
def test_poses_are_found_and_drawn(video, tmp_path):
    model = small_keypoint_detector()
    lines, drawn = tmp_path / "found.jsonl", tmp_path / "drawn.mp4"
    files = {"results_file": lines, "output": drawn, "verbose": 0}
    found = detect_video(model, video, every=6, min_score=0.0, **files)
    pictures, _ = pictures_of(video)
    frames = [*found]
    for frame in frames:
        expected = predict_picture(model, pictures[frame.index])
        assert len(frame) > 0
        np.testing.assert_allclose(frame.keypoints, expected["keypoints"], atol=0.02)
    shown, _ = pictures_of(drawn)
    wanted = [
        draw_poses(
            picture,
            frames[index // 6].drawn(),
            model.keypoints,
            class_names=tuple(map(str, range(model.classes))),
            min_score=0.0,
        )
        for index, picture in enumerate(pictures)
    ]
    assert np.abs(shown[:, :75, :51].astype(int) - wanted).mean() < 15


def test_progress_is_shown_while_files_are_written(model, video, tmp_path, capsys):
    lines = tmp_path / "found.jsonl"
    detect_video(model, video, every=4, results_file=lines, batch_size=4)
    assert "6/6" in capsys.readouterr().out
    content = lines.read_bytes().splitlines(keepends=True)
    lines.write_bytes(b"".join(content[:5]))
    detect_video(model, video, every=4, results_file=lines, batch_size=4)
    printed = capsys.readouterr().out
    assert "2/2" in printed
    assert "/frame" in printed


def test_frames_show_the_latest_detections(model, video, tmp_path, monkeypatch):
    from keras_nonlocal.video_detection import video_run

    seen = []

    def draw(picture, detections, names, min_score):
        seen.append((names, min_score, detections["boxes"]))
        return picture

    monkeypatch.setattr(video_run, "draw_detections", draw)
    detect_video(
        model,
        video,
        every=5,
        output=tmp_path / "drawn.mp4",
        min_score=0.25,
        verbose=0,
    )
    frames = {frame.index: frame for frame in detect_video(model, video, every=5)}
    assert len(seen) == 23
    for index, (names, min_score, boxes) in enumerate(seen):
        assert (names, min_score) == (NAMES, 0.25)
        np.testing.assert_array_equal(boxes, frames[index // 5 * 5].boxes)


def test_few_frames_wait_for_their_batch(model, video, tmp_path, monkeypatch):
    # Three frames, so two searched ones are never in a batch.
    monkeypatch.setattr(video_pass, "_WAITING_BYTES", 3 * 75 * 51 * 3)
    sizes = []
    flush = video_pass._Queue.flush

    def remember(queue):
        sizes.append((len(queue._waiting), len(queue._batch)))
        return flush(queue)

    monkeypatch.setattr(video_pass._Queue, "flush", remember)
    detect_video(model, video, every=4, output=tmp_path / "drawn.mp4", verbose=0)
    assert max(sizes) == (1, 1)
    assert sum(frames for frames, _ in sizes) == 23


@pytest.mark.parametrize(
    "masks",
    [
        "grid",
        pytest.param("rle", marks=pytest.mark.thorough),
        pytest.param("none", marks=pytest.mark.thorough),
    ],
)
def test_a_resumed_file_has_the_same_bytes(model, video, tmp_path, masks, rng):
    if masks == "rle":
        pytest.importorskip("pycocotools")
    lines, drawn = tmp_path / "found.jsonl", tmp_path / "drawn.mp4"
    arguments = {"every": 2, "masks": masks, "verbose": 0, "batch_size": 4}
    files = {"results_file": lines, "output": drawn}
    detect_video(model, video, **arguments, **files)
    expected, expected_video = lines.read_bytes(), drawn.read_bytes()
    cuts = rng.integers(1, len(expected), 3).tolist()
    for cut in (0, *cuts, len(expected) - 1, len(expected)):
        for killed_files in (files, {"results_file": lines}):
            lines.write_bytes(expected[:cut])
            drawn.unlink(missing_ok=True)
            found = detect_video(model, video, **arguments, **killed_files)
            assert lines.read_bytes() == expected
            assert len([*found]) == 12
            if "output" in killed_files:
                assert drawn.read_bytes() == expected_video


def test_known_frames_are_not_searched_again(model, video, tmp_path, monkeypatch):
    lines = tmp_path / "found.jsonl"
    detect_video(model, video, results_file=lines, verbose=0)

    def refuse(x):
        raise AssertionError

    monkeypatch.setattr(model, "predict_on_batch", refuse)
    drawn = tmp_path / "drawn.mp4"
    detect_video(model, video, results_file=lines, output=drawn, verbose=0)
    assert len(pictures_of(drawn)[0]) == 23


def test_run_lengths_are_the_masks_in_pixels(model, video):
    coding = pytest.importorskip("pycocotools.mask")
    from keras_nonlocal.detection import paste_masks

    grids = detect_video(model, video, every=9)
    for frame, grid in zip(
        detect_video(model, video, every=9, masks="rle"), grids, strict=True
    ):
        assert frame.masks is None
        expected = paste_masks(grid.masks, grid.boxes, (75, 51))
        for own, mask in zip(frame.segmentations, expected, strict=True):
            assert own["size"] == [75, 51]
            decoded = coding.decode({**own, "counts": own["counts"].encode()})
            # A value of 0.5 may be rounded either way.
            assert (decoded != mask).sum() <= 2


@pytest.mark.parametrize(
    ("arguments", "differing"),
    [
        ({"every": 3}, "every"),
        ({"masks": "none"}, "masks"),
        ({"short_side": 50}, "short_side"),
        ({"class_names": ["x", "y", "z"]}, "class_names"),
    ],
)
def test_files_of_other_arguments_are_refused(
    model, video, tmp_path, arguments, differing
):
    lines, drawn = tmp_path / "found.jsonl", tmp_path / "drawn.mp4"
    detect_video(model, video, every=8, results_file=lines, output=drawn, verbose=0)
    before = lines.read_bytes(), drawn.read_bytes()
    message = f"Received: {{}}=.* with another {differing}$"
    arguments = {"every": 8, "verbose": 0} | arguments
    with pytest.raises(ValueError, match=message.format("results_file")):
        detect_video(model, video, results_file=lines, **arguments)
    with pytest.raises(ValueError, match=message.format("output")):
        detect_video(model, video, output=drawn, **arguments)
    assert (lines.read_bytes(), drawn.read_bytes()) == before


def test_files_of_other_videos_and_models_are_refused(model, video, tmp_path):
    lines, drawn = tmp_path / "found.jsonl", tmp_path / "drawn.mp4"
    detect_video(model, video, every=9, results_file=lines, output=drawn, verbose=0)
    other = write_video(tmp_path / "other.mp4", moving_pictures(20, 48, 64))
    with pytest.raises(ValueError, match=r"with another video$"):
        detect_video(model, other, every=9, results_file=lines)
    with pytest.raises(ValueError, match=r"with another video$"):
        detect_video(model, other, every=9, output=drawn)
    with pytest.raises(ValueError, match=r"with another model$"):
        detect_video(small_detector(7), video, every=9, results_file=lines)
    for own in ({"output": other}, {"results_file": other}):
        with pytest.raises(ValueError, match="must differ from `video`"):
            detect_video(model, other, **own)
        with pytest.raises(ValueError, match="`detect_video` wrote"):
            detect_video(model, video, **own)


def test_files_of_other_encodings_are_no_results(model, video, tmp_path):
    lines = tmp_path / "found.jsonl"
    detect_video(model, video, every=10, results_file=lines, verbose=0)
    text = lines.read_text()
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le"):
        lines.write_bytes(text.encode(encoding))
        with pytest.raises(ValueError, match="`detect_video` wrote"):
            detect_video(model, video, every=10, results_file=lines, verbose=0)
        assert lines.read_bytes() == text.encode(encoding)


def test_pipes_are_neither_read_nor_replaced(model, video, tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for name in ("output", "results_file"):
        with pytest.raises(ValueError, match=f"`{name}` must be a file"):
            detect_video(model, video, **{name: tmp_path / "pipe.mp4"})
    assert (tmp_path / "pipe.mp4").is_fifo()


def damaged(path):
    """A video whose frame 12 cannot be decoded."""

    def spoil(number, packet):
        if number != 12:
            return packet
        content = bytearray(bytes(packet))
        content[len(content) // 4 :] = bytes(len(content) - len(content) // 4)
        spoiled = type(packet)(bytes(content))
        for name in ("pts", "dts", "time_base", "stream", "is_keyframe"):
            setattr(spoiled, name, getattr(packet, name))
        return spoiled

    return write_video(
        path,
        moving_pictures(20, 48, 64),
        codec="mjpeg",
        pix_fmt="yuvj420p",
        change_packet=spoil,
    )


def test_a_damaged_frame_ends_the_results(model, tmp_path, caplog):
    path = damaged(tmp_path / "damaged.mkv")
    lines, drawn = tmp_path / "found.jsonl", tmp_path / "drawn.mp4"
    files = {"every": 2, "results_file": lines, "output": drawn, "verbose": 0}
    with pytest.raises(VideoError, match=r"damaged\.mkv"):
        detect_video(model, path, **files)
    assert not drawn.exists()
    assert len(lines.read_text().splitlines()) == 7
    with caplog.at_level(logging.WARNING, "keras_nonlocal"):
        found = detect_video(model, path, on_error="skip", **files)
    assert "from its first unreadable frame on" in caplog.text
    assert [frame.index for frame in found] == [0, 2, 4, 6, 8, 10]
    assert found.indices.tolist() == [0, 2, 4, 6, 8, 10]
    assert [*found.failures] == [path]
    assert len(pictures_of(drawn)[0]) == 12
    errors = []
    lazily = detect_video(model, path, every=2, on_error=errors.append)
    assert len([*lazily]) == 6
    assert [error.path for error in errors] == [path]
    assert [*lazily.failures] == [path]


def without_frames(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height = stream.width = 16
        container.start_encoding()


def without_its_end(path):
    """A file that is shorter than it declares, with whole frames at its beginning."""
    whole = write_video(path.with_name("whole.mkv"), moving_pictures(90, 48, 64))
    with open(whole, "rb") as file:
        content = file.read()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (without_its_end, r"it ends after .* of 3\.\d+ s"),
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: path.write_text("text"), "Invalid data"),
        (lambda path: path.write_bytes(b""), "Invalid data"),
        (without_frames, "no video stream|no frames"),
    ],
)
def test_what_is_no_video_is_named(model, tmp_path, make, reason):
    path = tmp_path / "wrong.mp4"
    make(path)
    with pytest.raises(VideoError, match=rf"wrong\.mp4.*({reason})"):
        detect_video(model, path, results_file=tmp_path / "found.jsonl")
    found = detect_video(model, path, on_error="skip", output=tmp_path / "drawn.mp4")
    assert len(found) == len([*found]) == 0
    assert [*found.failures] == [str(path)]
    assert not (tmp_path / "found.jsonl").exists()
    assert not (tmp_path / "drawn.mp4").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "every=0"),
        ({"masks": "polygon"}, "masks='polygon'"),
        ({"class_names": ["one"]}, "the 3 classes of the model"),
        ({"class_names": "abc"}, "class_names='abc'"),
        ({"min_score": 2}, "min_score=2"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"short_side": -1}, "short_side=-1"),
        ({"on_error": "ignore"}, "on_error='ignore'"),
        ({"output": "drawn.avi"}, r"ends in \.mp4"),
        ({"output": "missing/drawn.mp4"}, "in an existing folder"),
        ({"output": "gs://bucket/drawn.mp4"}, "must be a local path"),
        ({"results_file": "."}, "`results_file` must be a file"),
        ({"verbose": 3}, "verbose=3"),
    ],
)
def test_wrong_arguments_are_named(
    model, video, arguments, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        detect_video(model, video, **arguments)
    assert not [*tmp_path.iterdir()]


def test_wrong_types_are_named(model, video):
    inputs = keras.Input((8, 32, 32, 3))
    with pytest.raises(TypeError, match="must be a `RegionModel`"):
        detect_video(keras.Model(inputs, inputs), video)
    with pytest.raises(TypeError, match="`video` must be a path"):
        detect_video(model, [video])
    with pytest.raises(TypeError, match="`every` must be a number of frames"):
        detect_video(model, video, every=0.5)


def test_pixels_that_are_not_square_and_changing_sizes(model, tmp_path):
    wide = write_video(
        tmp_path / "wide.mp4", moving_pictures(2, 48, 40), pixel_aspect=Fraction(2, 1)
    )
    drawn = tmp_path / "drawn.mp4"
    detect_video(model, wide, output=drawn, verbose=0)
    assert pictures_of(drawn)[0].shape == (2, 48, 80, 3)


class CorrectedReader:
    """Learns while reading that the later frames have other times."""

    def __init__(self, path, first_correct=6):
        self.path = path
        self.times = np.arange(10) / 10
        self._correct = self.times + (np.arange(10) >= first_correct)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def read(self, indices, framing):
        if indices[0] == 7 and self.times is not self._correct:
            self.times = self._correct
            raise TimelineChangedError(self.path)
        pixels = np.random.default_rng(indices[0]).integers(0, 256, (40, 40, 3))
        return pixels.astype(np.uint8)[None, None]


class EmptyReader(CorrectedReader):
    """A reader that finds no frames, and does not say so."""

    def __init__(self, path):
        super().__init__(path)
        self.times = self.times[:0]


def test_a_reader_without_frames_is_named(model, video, tmp_path):
    with pytest.raises(VideoError, match="it has no frames"):
        detect_video(model, video, open_video=EmptyReader)


def test_corrected_times_are_used(model, video, tmp_path):
    arguments = {"open_video": CorrectedReader, "verbose": 0}
    expected = [*(np.arange(10) / 10 + (np.arange(10) >= 6))]
    lines, drawn = tmp_path / "found.jsonl", tmp_path / "drawn.mp4"
    found = detect_video(model, video, results_file=lines, output=drawn, **arguments)
    assert [frame.time for frame in found] == expected
    np.testing.assert_allclose(pictures_of(drawn)[1], expected, atol=1e-6)
    # What has been handed over cannot be corrected, unless it was right.
    with pytest.raises(TimelineChangedError):
        [*detect_video(model, video, **arguments)]


def test_a_correction_after_the_frames_that_were_yielded(model, video):
    def open_video(path):
        return CorrectedReader(path, first_correct=8)

    found = detect_video(model, video, open_video=open_video)
    times = [*(np.arange(10) / 10 + (np.arange(10) >= 8))]
    assert [frame.time for frame in found] == times
