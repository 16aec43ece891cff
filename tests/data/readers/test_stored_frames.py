import tracemalloc
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from keras_nonlocal.data import (
    FrameFolderReader,
    Framing,
    RecordReader,
    VideoError,
    VideoList,
    list_directory,
    video_dataset_from_directory,
    write_video_records,
)
from keras_nonlocal.data.readers.stored_frames import PicturesReader
from tests.data.pictures import (
    jpeg,
    jpeg_that_announces,
    png,
    png_that_announces,
)
from tests.data.videos import moving_pictures

WHOLE = Framing(32, (32, 40))


def encoded(picture: np.ndarray, codec: str) -> bytes:
    pixels = "rgb24" if codec == "png" else "yuvj444p"
    context = av.CodecContext.create(codec, "w")
    context.height, context.width = picture.shape[:2]
    context.pix_fmt, context.time_base = pixels, 1
    context.qmin = context.qmax = 2
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    frame = frame.reformat(format=pixels, dst_color_range="JPEG")
    return b"".join(bytes(packet) for packet in context.encode(frame))


def write_folder(folder: Path, pictures: np.ndarray, name: str = "img_{}.png") -> Path:
    folder.mkdir(parents=True)
    codec = "png" if name.endswith("png") else "mjpeg"
    for i, picture in enumerate(pictures, start=1):
        (folder / name.format(i)).write_bytes(encoded(picture, codec))
    return folder


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    pictures = moving_pictures(12, 32, 40)
    folder = write_folder(tmp_path / "video", pictures)
    (folder / "notes.txt").touch()
    with FrameFolderReader(str(folder), fps=25) as video:
        np.testing.assert_allclose(video.times, np.arange(12) / 25)
        indices = np.array([[11, 1], [1, 9]])
        np.testing.assert_array_equal(
            video.read(indices, WHOLE)[:, :, 0], pictures[indices]
        )


def test_jpegs_of_one_kind_among_others(tmp_path: Path) -> None:
    pictures = moving_pictures(3, 32, 40)
    folder = write_folder(tmp_path / "video", pictures, "img_{:05d}.JPG")
    (folder / "flow_x_00001.jpg").write_bytes(b"not read")
    with FrameFolderReader(str(folder), pattern="img_*") as video:
        got = video.read(np.arange(3), WHOLE)[:, 0].astype(int)
    assert np.abs(got - pictures).mean() < 3


def test_damaged_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"none': No such file"):
        FrameFolderReader(str(tmp_path / "none"))
    with pytest.raises(VideoError, match="holds no JPEG or PNG"):
        FrameFolderReader(str(tmp_path))
    folder = write_folder(tmp_path / "video", moving_pictures(4, 32, 40))
    content = (folder / "img_2.png").read_bytes()
    (folder / "img_1.png").write_bytes(content[:50])
    (folder / "img_2.png").write_bytes(b"GIF89a")
    with FrameFolderReader(str(folder)) as video:
        with pytest.raises(VideoError, match=r"its img_1\.png is damaged"):
            video.read(np.array([0]), WHOLE)
        with pytest.raises(VideoError, match=r"img_2\.png is neither JPEG nor PNG"):
            video.read(np.array([1]), WHOLE)
        (folder / "img_3.png").unlink()
        with pytest.raises(VideoError, match=r"its img_3\.png: No such file"):
            video.read(np.array([2]), WHOLE)
        assert video.read(np.array([3]), WHOLE).any()
    with pytest.raises(ValueError, match="Received: fps=0"):
        FrameFolderReader(str(folder), fps=0)


def test_a_dataset_of_folders(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    pictures = {}
    for seed, name in enumerate(("a/1", "a/2", "b/1")):
        pictures[name] = moving_pictures(6, 32, 40, seed)
        write_folder(tmp_path / name, pictures[name])
    dataset = video_dataset_from_directory(
        tmp_path,
        num_frames=2,
        frame_stride=3,
        crop_size=32,
        short_side=32,
        shuffle=False,
        frame_folders=True,
        verbose=False,
    )
    assert dataset.file_paths == [str(tmp_path / name) for name in pictures]
    clips, labels = next(iter(dataset))
    expected = [video[1:5:3, :, 4:36] for video in pictures.values()]
    np.testing.assert_array_equal(clips, expected)
    assert labels.numpy().tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match=r"no videos \(files .*\.mp4"):
        list_directory(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"no folders of pictures \(files .*\.png"):
        list_directory(tmp_path / "none", labels=None, frame_folders=True)


def test_records_of_folders(tmp_path: Path) -> None:
    pictures = moving_pictures(5, 32, 40)
    videos = VideoList((str(write_folder(tmp_path / "v", pictures)),), (3,))
    written = write_video_records(
        videos,
        tmp_path / "records",
        short_side=32,
        quality=2,
        open_video=partial(FrameFolderReader, fps=10),
        verbose=False,
    )
    with RecordReader(written.paths[0]) as video:
        np.testing.assert_allclose(video.times, np.arange(5) / 10)
        got = video.read(np.arange(5), WHOLE)[:, 0].astype(int)
    assert np.abs(got - pictures).mean() < 8


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_in_memory(channels: int) -> None:
    pictures = moving_pictures(5, 32, 40)[..., :channels]
    with PicturesReader("v", pictures, fps=5) as video:
        got = video.read(np.array([4, 2]), WHOLE)[:, 0]
        np.testing.assert_allclose(video.times, np.arange(5) / 5)
    expected = np.broadcast_to(pictures[[4, 2]], got.shape)
    np.testing.assert_array_equal(got, expected)


def test_no_pictures_in_memory() -> None:
    with pytest.raises(VideoError, match="'v': it has no frames"):
        PicturesReader("v", [], fps=5)


def jpegs(rng: np.random.Generator) -> dict[str, bytes]:
    """One noisy picture in the kinds of JPEG that cameras and programs write."""
    noise = rng.integers(0, 256, (64, 80, 3), np.uint8)
    return {
        "baseline": jpeg(noise),
        "full colors": jpeg(noise, subsampling=0),
        "gray": jpeg(noise, "L"),
        "progressive": jpeg(noise, progressive=True),
        "CMYK": jpeg(noise, "CMYK"),
        "restart markers": jpeg(noise, restart_marker_rows=1),
        "ffmpeg": encoded(noise, "mjpeg"),
    }


def test_jpegs_that_end_too_early_are_refused(rng: np.random.Generator) -> None:
    for kind, whole in jpegs(rng).items():
        ends = [len(whole) - 1, *rng.integers(3, len(whole), 20)]
        cut = [whole[:end] for end in ends]
        video = PicturesReader("v", [whole, *cut, whole], 25)
        expected = video.read(np.array([0]), WHOLE)
        for index in range(1, 1 + len(cut)):
            with pytest.raises(VideoError, match=f"its picture {index} is damaged"):
                video.read(np.array([index]), WHOLE)
        np.testing.assert_array_equal(
            video.read(np.array([len(cut) + 1]), WHOLE), expected, err_msg=kind
        )


@pytest.mark.parametrize("kind", ["baseline", "full colors", "gray", "progressive"])
def test_whatever_follows_truncated_jpegs_are_refused(
    kind: str, rng: np.random.Generator
) -> None:
    whole = jpegs(rng)[kind]
    scan = whole.index(b"\xff\xda")
    end = b"\xff\xd9"
    tails = [b"", bytes(99), whole, rng.bytes(70_000)]
    if kind != "progressive":
        # A scan that refines the others ends anywhere without the decoder noticing.
        tails += [end, 2 * end, b"\xff" * 20 + end]
    tails += [b"\0\0\0\x18ftypmp42" + rng.bytes(70_000), whole[:scan] + end]
    for tail in tails:
        cut = int(rng.integers(scan, len(whole) * 9 // 10))
        video = PicturesReader("v", [whole[:cut] + tail], 25)
        with pytest.raises(VideoError, match="its picture 0 is damaged"):
            video.read(np.array([0]), WHOLE)


@pytest.mark.parametrize("kind", ["baseline", "gray", "progressive", "restart markers"])
def test_what_follows_a_whole_jpeg_does_no_harm(
    kind: str, rng: np.random.Generator
) -> None:
    whole = jpegs(rng)[kind]
    tails = [b"", bytes(50), b"\n", b"\xff" * 7, bytes(range(256)), whole]
    tails += [b"\xff\xda\0\4", b"\xff\xc0", whole[:300], rng.bytes(70_000)]
    video = PicturesReader("v", [whole + tail for tail in tails], 25)
    pictures = video.read(np.arange(len(tails)), WHOLE)
    np.testing.assert_array_equal(pictures, pictures[:1].repeat(len(tails), axis=0))


@pytest.mark.parametrize("height", [2, 9000, 60000])
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_announced_sizes_are_not_believed(
    kind: str, height: int, rng: np.random.Generator
) -> None:
    whole = jpeg(rng.integers(0, 256, (40, 40, 3), np.uint8))
    width = {2: 10**9, 9000: 8000, 60000: 1000}[height]
    if kind == "png":
        content = png_that_announces(height, width)
    else:
        width = min(width, 65535)
        content = jpeg_that_announces(whole, height, width)
    reason = "its picture 0 announces" if height * width > 2**20 else "is damaged"
    tracemalloc.start()
    with pytest.raises(VideoError, match=reason):
        PicturesReader("v", [content], 25).read(np.array([0]), WHOLE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_well_compressed_pictures_are_read() -> None:
    flat = np.full((3000, 4000, 3), 77, np.uint8)
    pictures = [png(flat, optimize=True), jpeg(flat, quality=5, optimize=True)]
    pictures.append(jpeg(flat, quality=5, progressive=True))
    found = PicturesReader("v", pictures, 25).read(np.arange(3), WHOLE)
    assert np.abs(found.astype(int) - 77).max() < 16
