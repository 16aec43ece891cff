"""Files drawn from a video, read back."""

import pathlib

import av
import numpy as np
import pytest

from keras_nonlocal.data import Framing, PyAVReader
from keras_nonlocal.visualize import ClipChoice, draw_attention, draw_grad_cam
from keras_nonlocal.visualize.picture_files import write_mp4, write_png
from tests.data.videos import write_video
from tests.visualize.clips import gray_video, random_network, red_attends_to_red

HEIGHT = 160
CLIP = ClipChoice(frame_stride=1, short_side=32, picture_height=HEIGHT)
PATCHES = [(1, 8, 16), (6, 16, 0)]
GAP, BAR, TEXT = HEIGHT // 32, HEIGHT // 9, 10
# A line of text is half as high again.
HEADER = TIME = 15
TOP = GAP + HEADER
# Of a picture of the same number in all rows and columns; see `Layout`.
PITCH = HEIGHT + GAP


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("videos") / "red.mp4"
    return write_video(path, gray_video(8, PATCHES), rate=10, options={"crf": "0"})


def read_png(path):
    with av.open(str(path)) as container:
        (frame,) = container.decode(video=0)
        return frame.to_ndarray(format="rgb24").astype(int)


def read_mp4(path):
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    return np.stack(frames).astype(int), float(rate)


def undrawn(video):
    """The pictures that were drawn on, darkened as they are there."""
    with PyAVReader(video) as opened:
        frames = opened.read(np.arange(8), Framing(HEIGHT, (HEIGHT, HEIGHT)))[:, 0]
    return 0.7 * frames


def changed_cells(picture, original):
    """Which of 8×8 cells of a picture have other colors in their middles."""
    difference = np.abs(picture - original).max(axis=-1)
    cell = HEIGHT // 8
    middles = difference.reshape(8, cell, 8, cell)[:, 6:-6, :, 6:-6].max(axis=(1, 3))
    return {(int(row), int(column)) for row, column in np.argwhere(middles > 60)}


def cells_of(place):
    row, column = place[1] // 4, place[2] // 4
    return {(row + dy, column + dx) for dy in (0, 1) for dx in (0, 1)}


def test_strip_of_attention(video, tmp_path):
    path = tmp_path / "red.png"
    found = draw_attention(
        red_attends_to_red(),
        video,
        path,
        query=(1, 9, 17),
        num_connections=8,
        clip=CLIP,
    )
    strip, original = read_png(path), undrawn(video)
    assert strip.shape == (TOP + HEIGHT + BAR + 2 * GAP + TIME, GAP + 8 * PITCH, 3)
    pictures = [
        strip[TOP : TOP + HEIGHT, GAP + i * PITCH : GAP + i * PITCH + HEIGHT]
        for i in range(8)
    ]
    assert {c.place.frame for c in found.connections} == {1, 6}
    # Arrows end in the cells of both patches, and only pass the frames in between.
    assert changed_cells(pictures[1], original[1]) >= cells_of(PATCHES[0])
    assert changed_cells(pictures[6], original[6]) >= cells_of(PATCHES[1])
    for untouched in (0, 7):
        assert not changed_cells(pictures[untouched], original[untouched])
    bars = strip[TOP + HEIGHT + GAP + 1 : -TIME - GAP - 1]
    heights = [
        (bars[:, GAP + i * PITCH + HEIGHT // 2].max(axis=-1) > 120).mean()
        for i in range(8)
    ]
    assert set(np.argsort(heights)[-2:]) == {1, 6}
    assert heights[1] == 1


def test_video_of_attention(video, tmp_path):
    path = tmp_path / "red.mp4"
    draw_attention(
        red_attends_to_red(),
        video,
        path,
        query=(1, 9, 17),
        num_connections=8,
        clip=CLIP,
    )
    frames, rate = read_mp4(path)
    assert len(frames) == 8
    assert rate == pytest.approx(10)
    original = undrawn(video)
    top = GAP + 2 * HEADER  # the title and the legend in two lines
    pictures = frames[:, top : top + HEIGHT, GAP : GAP + HEIGHT]
    assert changed_cells(pictures[6], original[6]) >= cells_of(PATCHES[1])
    assert changed_cells(pictures[1], original[1]) >= cells_of(PATCHES[0])
    asked_from = {(2, 4)}  # the ring is in all frames
    for frame in (0, 2, 3, 4, 5, 7):
        changed = changed_cells(pictures[frame], original[frame])
        assert asked_from <= changed
        assert not changed & cells_of(PATCHES[1])


def test_strip_and_video_of_a_class(video, tmp_path):
    model = red_attends_to_red()
    strip_path, video_path = tmp_path / "class.png", tmp_path / "class.mp4"
    for path in (strip_path, video_path):
        found = draw_grad_cam(model, video, path, "redness", class_index=0, clip=CLIP)
    assert (found.layer_name, found.class_index) == ("redness", 0)
    strip, original = read_png(strip_path), undrawn(video)
    frames, _ = read_mp4(video_path)
    assert len(frames) == 8
    top = GAP + 2 * HEADER
    for frame in range(8):
        left = GAP + frame * PITCH
        drawn = {
            "png": strip[TOP : TOP + HEIGHT, left : left + HEIGHT],
            "mp4": frames[frame, top : top + HEIGHT, GAP : GAP + HEIGHT],
        }
        expected = set().union(*(cells_of(p) for p in PATCHES if p[0] == frame))
        for picture in drawn.values():
            assert changed_cells(picture, original[frame]) == expected


def test_which_frames_are_taken(tmp_path):
    frames = gray_video(40, [(frame, 0, 0) for frame in range(20, 40)])
    path = write_video(tmp_path / "late.mp4", frames, rate=20)
    model = red_attends_to_red()

    def frames_of_red(**choice):
        clip = ClipChoice(short_side=32, **choice)
        drawn = clip.read(model, path, None, PyAVReader)
        red = drawn.pictures[:, 4, 4, 0].astype(int) - drawn.pictures[:, 4, 4, 1] > 60
        assert drawn.inputs.shape == (1, 8, 32, 32, 3)
        return red.tolist(), round(drawn.times[0], 6), drawn.frames_per_second

    red, start, rate = frames_of_red(frame_stride=2)
    assert (red, start, rate) == ([False] * 4 + [True] * 4, 0.6, pytest.approx(10))
    red, start, _ = frames_of_red(frame_stride=2, start=0.9)
    assert (red, start) == ([False] + [True] * 7, 0.9)
    red, start, rate = frames_of_red(frame_stride=1, start=0.8, target_fps=10)
    assert (red, start, rate) == ([False] * 2 + [True] * 6, 0.8, pytest.approx(10))
    with pytest.raises(ValueError, match=r"Received: start=2.0 for a video of 1.950 s"):
        frames_of_red(start=2.0)


def test_crops_of_any_shape(tmp_path):
    """The model sees the crop that is drawn, whatever its proportions."""
    path = write_video(tmp_path / "wide.mp4", gray_video(6, [(2, 8, 24)], side=64))
    model = random_network((None, None, None, 3))
    clip = ClipChoice(num_frames=4, frame_stride=1, crop_size=(32, 48), short_side=64)
    draw_attention(model, path, tmp_path / "wide.mp4.png", clip=clip)
    drawn = clip.read(model, path, None, PyAVReader)
    assert drawn.size == (32, 48)
    assert drawn.pictures.shape == (4, 320, 480, 3)
    with pytest.raises(ValueError, match="`num_frames` must be given"):
        draw_attention(model, path, tmp_path / "wide.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"video": "missing.mp4"}, "Received: video='missing.mp4'"),
        ({"output": "red.gif"}, "ends in .png or .mp4. Received: output='red.gif'"),
        ({"output": "nowhere/red.png"}, "existing folder"),
        ({"clip": ClipChoice(picture_height=0)}, "Received: picture_height=0"),
    ],
)
def test_wrong_values(arguments, message, video, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"video": video, "output": "red.png", "clip": CLIP} | arguments
    with pytest.raises(ValueError, match=message):
        draw_attention(red_attends_to_red(), **given)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("draw", [draw_attention, draw_grad_cam])
@pytest.mark.parametrize("name", ["ball.mp4", "link.mp4"])
def test_the_video_is_never_replaced(draw, name, video, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "ball.mp4"
    own.write_bytes(pathlib.Path(video).read_bytes())
    (tmp_path / "link.mp4").symlink_to(own)
    with pytest.raises(
        ValueError, match=f"must differ .* output='{name}', video='.*'$"
    ):
        draw(red_attends_to_red(), own, name, clip=CLIP)
    assert own.read_bytes() == pathlib.Path(video).read_bytes()


def test_no_frame_of_a_folder_is_replaced(tmp_path):
    (tmp_path / "frames").mkdir()
    frame = tmp_path / "frames" / "1.png"
    write_png(frame, np.full((40, 50, 3), 77, np.uint8))
    before = frame.read_bytes()
    (tmp_path / "link.png").symlink_to(frame)
    for output in (frame, tmp_path / "link.png"):
        with pytest.raises(ValueError, match="must differ from `video`"):
            draw_attention(None, tmp_path / "frames", output)
    assert frame.read_bytes() == before


def test_an_older_video_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "old.mp4"
    path.write_bytes(b"older")
    frames = [np.zeros((32, 32, 3), np.uint8)] * 2
    with pytest.raises(ValueError, match="numpy array"):
        write_mp4(path, [*frames, np.zeros((32, 32), np.uint8)], 10.0)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {path.name: b"older"}
    write_mp4(path, frames, 10.0)
    assert read_mp4(path)[0].shape == (2, 32, 32, 3)
    assert [*tmp_path.iterdir()] == [path]


def test_an_older_picture_stays_until_the_new_one_is_complete(tmp_path, monkeypatch):
    path = tmp_path / "old.png"
    path.write_bytes(b"older")

    def write_on_a_full_disk(self, data):
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError("No space left")

    with monkeypatch.context() as patched:
        patched.setattr(pathlib.Path, "write_bytes", write_on_a_full_disk)
        with pytest.raises(OSError, match="No space left"):
            write_png(path, np.zeros((32, 32, 3), np.uint8))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {path.name: b"older"}
    write_png(path, np.full((32, 32, 3), 7, np.uint8))
    assert (read_png(path) == 7).all()
    assert [*tmp_path.iterdir()] == [path]
