"""Files that go wrong say so in one sentence; unusual ones are read."""

import os
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from keras_nonlocal.data import (
    Framing,
    PyAVReader,
    VideoError,
    list_directory,
    read_path_label_list,
    scan_videos,
    video_dataset_from_list,
)
from tests.data.videos import moving_pictures, write_video

FRAMES = moving_pictures(61, 48, 64)
FRAMING = Framing(short_side=32, crop_size=(32, 32))


def complete(path: Path) -> bytes:
    """Writes an MP4 whose index comes first, and returns it."""
    write_video(path, FRAMES, container_options={"movflags": "faststart"})
    return path.read_bytes()


def cut_off(size: float) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        content = complete(path)
        path.write_bytes(content[: int(size * len(content))])

    return write


def half_a_matroska(path: Path) -> None:
    whole = Path(write_video(path.with_suffix(".mkv"), FRAMES)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def half_a_webm_with_longer_sound(path: Path) -> None:
    whole = write_with_sound(path.with_suffix(".webm"), 3.0).read_bytes()
    path.write_bytes(whole[: len(whole) // 3])


def write_with_sound(path: Path, seconds: float) -> Path:
    """Writes a video of 61 frames at 30 per second and sound of another length."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libvpx", rate=30)
        video.height, video.width = FRAMES.shape[1:3]
        sound = container.add_stream("libopus", rate=48000)
        packets = []
        for pixels in FRAMES:
            frame = av.VideoFrame.from_ndarray(pixels)
            packets += video.encode(frame)
        packets += video.encode(None)
        silence = np.zeros((1, 2 * 960), np.int16)
        for i in range(int(seconds * 50)):
            piece = av.AudioFrame.from_ndarray(silence, format="s16", layout="stereo")
            piece.rate, piece.pts = 48000, 960 * i
            packets += sound.encode(piece)
        packets += sound.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.pts * packet.time_base):
            container.mux(packet)
    return path


def with_garbage(path: Path) -> None:
    content = bytearray(complete(path))
    middle = len(content) // 2
    content[middle : middle + 2000] = np.random.default_rng(0).bytes(2000)
    path.write_bytes(content)


def index_last_and_cut_off(path: Path) -> None:
    write_video(path, FRAMES)
    path.write_bytes(path.read_bytes()[:5000])


def sound_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        silence = np.zeros((1, 1024), np.float32)
        for i in range(10):
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.rate, frame.pts = 8000, 1024 * i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def without_first_packet(path: Path) -> None:
    write_video(path, FRAMES, change_packet=lambda i, packet: packet if i else None)


def of_no_duration(path: Path) -> None:
    write_video(path, FRAMES[:5], rate=90000)


def unannounced_stream(path: Path) -> None:
    """Writes an MPEG transport stream; a late packet has a number of its own."""
    whole = write_video(path.with_suffix(".ts"), FRAMES, gop=5)
    content = bytearray(Path(whole).read_bytes())
    begins = [
        place
        for place in range(0, len(content), 188)
        # A picture begins in stream 0x100.
        if content[place + 1 : place + 3] == b"\x41\x00"
    ]
    content[begins[-5] + 1 : begins[-5] + 3] = b"\x41\xa0"
    path.write_bytes(content)


def unknown_codec(path: Path) -> None:
    path.write_bytes(complete(path).replace(b"avc1", b"zzzz"))


def dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere.mp4"))


def of_impossible_pixels(path: Path) -> None:
    settings = {"codec": "png", "pix_fmt": "rgb24", "pixel_aspect": Fraction(2, 1)}
    content = bytearray(
        Path(write_video(path.with_suffix(".mov"), FRAMES[:5], **settings)).read_bytes()
    )
    place = content.index(b"pasp") + 4
    content[place : place + 8] = struct.pack(">II", 1_500_000, 1)
    path.write_bytes(content)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (Path.touch, "Invalid data"),
    "text": (lambda path: path.write_text("not a video\n" * 99), "Invalid data"),
    "header_only": (cut_off(0.01), "no video stream|Invalid data"),
    "half": (cut_off(0.5), "it ends after 16 of 61 frames"),
    "three_quarters": (cut_off(0.75), r"it ends after \d+ of 61 frames"),
    "half_a_matroska": (half_a_matroska, r"it ends after [01]\.\d+ of 2\.033 s"),
    "half_a_webm": (
        half_a_webm_with_longer_sound,
        r"ends after [01]\.\d+ of 2\.0\d* s",
    ),
    "index_missing": (index_last_and_cut_off, "Invalid data"),
    "garbage": (with_garbage, "Invalid data"),
    "sound_only": (sound_only, "it holds no video stream"),
    "no_key_frame": (without_first_packet, "no frames"),
    "impossible_pixels": (of_impossible_pixels, "no usable shape .64×48 pixels of "),
    "unknown_codec": (unknown_codec, "codec"),
    "pipe": (os.mkfifo, "Not a regular file"),
    "directory": (Path.mkdir, "it is a folder; `FrameFolderReader` reads folders"),
    "dangling_link": (dangling_link, "No such file"),
    "missing": (lambda path: None, "No such file"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_say_what_is_wrong(kind: str, tmp_path: Path) -> None:
    write, reason = BROKEN[kind]
    path = tmp_path / f"{kind}.mp4"
    write(path)
    open_files = len(os.listdir("/proc/self/fd"))
    message = rf"^Cannot read the video '.*{kind}\.mp4': .*({reason}).*\.$"
    with pytest.raises(VideoError, match=message), PyAVReader(str(path)) as video:
        video.read(np.arange(len(video.times)), FRAMING)
    assert len(os.listdir("/proc/self/fd")) == open_files


@pytest.mark.parametrize(
    ("write", "reason", "num_frames"),
    [
        (of_no_duration, "its video stream has no frames", 5),
        (unannounced_stream, "it has a stream that it does not announce", 60),
    ],
)
def test_newer_versions_read_what_older_ones_refuse(
    write: Callable[[Path], object], reason: str, num_frames: int, tmp_path: Path
) -> None:
    path = tmp_path / "video.mp4"
    write(path)
    if int(av.__version__.split(".")[0]) < 19:
        with pytest.raises(VideoError, match=reason):
            PyAVReader(str(path))
        return
    with PyAVReader(str(path)) as video:
        assert len(video.times) == num_frames
        pictures = video.read(np.arange(num_frames), FRAMING)
    assert len({picture.tobytes() for picture in pictures}) == num_frames


@pytest.mark.parametrize("size", np.linspace(0.02, 0.99, 15))
def test_cut_off_anywhere_gives_whole_frames_or_an_error(
    size: float, tmp_path: Path
) -> None:
    write_video(tmp_path / "whole.mkv", FRAMES, gop=20)
    content = (tmp_path / "whole.mkv").read_bytes()
    with PyAVReader(str(tmp_path / "whole.mkv")) as video:
        whole = video.read(np.arange(61), FRAMING)
    path = tmp_path / "part.mkv"
    path.write_bytes(content[: int(size * len(content))])
    try:
        with PyAVReader(str(path)) as video:
            # The last frame may be cut off itself.
            indices = np.arange(len(video.times) - 1)
            part = video.read(indices, FRAMING)
    except VideoError:
        return
    # The decoder conceals what is missing in the last packet: it and the B-frames
    # that look ahead to it may differ.
    intact = max(len(part) - 4, 0)
    np.testing.assert_array_equal(part[:intact], whole[:intact])


def test_damage_in_a_stream_without_times_is_told(tmp_path: Path) -> None:
    path = Path(write_video(tmp_path / "v.h264", FRAMES, gop=20))
    path.write_bytes(path.read_bytes()[:-200])
    with (
        pytest.raises(VideoError, match=r"its frame at \d+\.\d{3} s is damaged"),
        PyAVReader(str(path)) as video,
    ):
        video.read(np.arange(len(video.times)), FRAMING)


@pytest.mark.parametrize(
    ("kind", "codec"),
    [("h264", "libx264"), ("avc", "libx264"), ("hevc", "libx265"), ("265", "libx265")],
)
def test_a_stream_joined_within_a_picture_begins_with_the_next_key_frame(
    kind: str, codec: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    path = tmp_path / f"v.{kind}"
    options = {"x265-params": "keyint=12"} if codec == "libx265" else {}
    own = "hevc" if codec == "libx265" else "h264"
    named = tmp_path / f"named.{own}"
    write_video(named, FRAMES, gop=12, codec=codec, options=options)
    content = named.read_bytes()
    begin = content.index(b"\0\0\1", len(content) // 3)
    path.write_bytes(content[begin:])
    assert str(path) in list_directory(tmp_path, labels=None).paths
    with PyAVReader(str(path)) as video:
        expected = video.read(np.arange(len(video.times)), FRAMING)
    assert 12 < len(expected) < 49
    # FFmpeg does not open all of them by itself, such as a part of a start code.
    for cut in (begin - 1, begin + 1, begin + 2, *(begin - rng.integers(2, 9, 3))):
        path.write_bytes(content[cut:])
        with PyAVReader(str(path)) as video:
            pictures = video.read(np.arange(len(video.times)), FRAMING)
        np.testing.assert_array_equal(pictures, expected)


def mutations(content: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """Yields the content cut off, with single bytes, a stretch and the head changed,
    and with a stretch left out."""
    size = len(content)
    begin, length = (int(rng.integers(limit)) for limit in (size, 3000))
    yield content[:begin]
    for limit in (size, min(size, 2000)):
        changed = bytearray(content)
        for place in rng.integers(limit, size=5):
            changed[place] = rng.integers(256)
        yield bytes(changed)
    end = min(begin + length, size)
    yield content[:begin] + rng.bytes(end - begin) + content[end:]
    yield content[:begin] + content[end:]


@pytest.mark.parametrize("kind", ["avi", "flv", "h264", "mkv", "mov", "mp4", "ts"])
def test_files_changed_at_random_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    whole = write_video(tmp_path / f"whole.{kind}", FRAMES, gop=20)
    seed = int(np.random.default_rng().integers(2**32))
    rng = np.random.default_rng(seed)
    path = tmp_path / f"changed.{kind}"
    for _ in range(4):
        for content in mutations(Path(whole).read_bytes(), rng):
            path.write_bytes(content)
            (fact,) = scan_videos([path])
            assert bool(fact.error) != bool(fact.num_frames), f"{seed=}, {fact}"


def test_a_title_may_hold_any_bytes(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    title = b"a title of some length"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = title.decode()
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for picture in FRAMES[:3]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    assert title in content
    path.write_bytes(
        content.replace(title, "Café à 5 heures moins 5".encode("latin-1")[:22])
    )
    with PyAVReader(str(path)) as video:
        assert len(video.times) == 3


def test_names_may_hold_any_bytes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tf = pytest.importorskip("tensorflow")
    names = [b"caf\xe9.mp4", "视频.mp4".encode(), b"empty\xff.mp4"]
    whole = write_video(tmp_path / "v.mp4", FRAMES[:9])
    folder = os.fsencode(tmp_path / "videos")
    os.mkdir(folder)
    for name in names[:2]:
        os.link(whole, os.path.join(folder, name))
    Path(os.fsdecode(os.path.join(folder, names[2]))).touch()
    videos = list_directory(os.fsdecode(folder), labels=None)
    table = tmp_path / "facts.csv"
    facts = scan_videos(videos.paths, table)
    assert [bool(fact.error) for fact in facts] == [False, True, False]
    assert table.read_bytes().count(names[0]) == 1
    (tmp_path / "list").write_bytes(b"\n".join(name + b" 3" for name in names))
    listed = read_path_label_list(tmp_path / "list", os.fsdecode(folder))
    assert sorted(listed.paths) == [*videos.paths]
    dataset = video_dataset_from_list(
        videos,
        num_frames=2,
        crop_size=32,
        batch_size=None,
        on_error="skip",
        with_info=True,
        verbose=False,
    )
    found = sorted(tf.io.gfile.exists(info["path"].numpy()) for _, info in dataset)
    assert found == [True, True]
    assert "empty\N{REPLACEMENT CHARACTER}.mp4: Invalid data" in caplog.text


def test_a_file_that_disappears_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone.mp4"
    complete(path)
    with PyAVReader(str(path)) as video:
        path.unlink()
        # What is open can still be read.
        assert video.read(np.arange(3), FRAMING).shape == (3, 1, 32, 32, 3)
    with pytest.raises(VideoError, match=r"gone.mp4': No such file"):
        PyAVReader(str(path))


UNUSUAL: dict[str, dict] = {
    "one_frame.mp4": {"frames": FRAMES[:1]},
    "odd_size.mkv": {"frames": FRAMES[:4, :47, :63], "codec": "ffv1"},
    "one_pixel.mkv": {"frames": FRAMES[:4, :1, :1], "codec": "ffv1"},
    "vertical.mp4": {"frames": FRAMES[:4].transpose(0, 2, 1, 3)},
    "negative_timestamps.mkv": {"frames": FRAMES[:9], "timestamps": range(-5, 4)},
    "no_duration_stored.ts": {"frames": FRAMES[:9]},
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_files_are_read(name: str, tmp_path: Path) -> None:
    settings = dict(UNUSUAL[name])
    frames = settings.pop("frames")
    path = write_video(tmp_path / name, frames, **settings)
    with PyAVReader(path) as video:
        assert len(video.times) == len(frames)
        got = video.read(np.arange(len(frames)), FRAMING)
    assert len({picture.tobytes() for picture in got}) == len(frames)


@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_sound_of_another_length_leaves_a_video_whole(
    seconds: float, tmp_path: Path
) -> None:
    (fact,) = scan_videos([write_with_sound(tmp_path / "v.webm", seconds)])
    assert (fact.num_frames, fact.error) == (61, "")


def hold_last(i: int, packet: Any) -> Any:
    if i == 8:
        packet.duration *= 90
    return packet


@pytest.mark.parametrize(
    "settings",
    [
        {"change_packet": hold_last},
        {"timestamps": [0, 1, 2, 60, 61, 62, 63, 64, 300]},
        {"timestamps": range(300, 309)},
    ],
    ids=["long last frame", "uneven", "late start"],
)
def test_unusual_times_leave_a_video_whole(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "v.mkv", FRAMES[:9], options={"bf": "0"}, **settings)
    assert scan_videos([path])[0].num_frames == 9


def test_the_content_decides_not_the_extension(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mkv", FRAMES)
    with PyAVReader(path) as video:
        expected = video.read(np.arange(5), FRAMING)
    renamed = str(Path(path).rename(tmp_path / "video.avi"))
    with PyAVReader(renamed) as video:
        np.testing.assert_array_equal(video.read(np.arange(5), FRAMING), expected)
