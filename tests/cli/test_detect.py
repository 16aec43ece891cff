"""Finding objects from the command line."""

import json

import numpy as np
import pytest

from keras_nonlocal.cli import main
from keras_nonlocal.data import PyAVReader
from tests.data.videos import moving_pictures, write_video
from tests.detection.detectors import small_detector

pytestmark = pytest.mark.slow
NAMES = ("ant", "bee", "cow")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "detector.keras"
    small_detector(class_names=NAMES).save(path)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(3)
    for name, size in (("first.png", (50, 90)), ("second.jpg", (120, 70))):
        pixels = rng.integers(0, 256, (*size, 3), np.uint8)
        image.fromarray(pixels).save(folder / name)
    (folder / "third.png").write_bytes(b"\x89PNG")
    return folder


def detect(model_file, pictures, *arguments):
    files = [str(pictures / name) for name in ("first.png", "second.jpg", "third.png")]
    return main(["detect", str(model_file), *files, *map(str, arguments)])


def test_objects_of_readable_pictures_are_printed_and_drawn(
    model_file, pictures, tmp_path, capsys
):
    image = pytest.importorskip("PIL.Image")
    arguments = ("--json", "--min-score", 0, "--output", tmp_path / "drawn")
    assert detect(model_file, pictures, *arguments) == 1
    rows = json.loads(capsys.readouterr().out)["pictures"]
    assert "error" in rows[2]
    for row, (height, width) in zip(rows, ((50, 90), (120, 70)), strict=False):
        assert row["objects"]
        scores = [entry["score"] for entry in row["objects"]]
        assert scores == sorted(scores, reverse=True)
        for entry in row["objects"]:
            x1, y1, x2, y2 = entry["box"]
            assert 0 <= x1 < x2 <= width + 0.01
            assert 0 <= y1 < y2 <= height + 0.01
            assert entry["class"] in NAMES
    drawn = sorted((tmp_path / "drawn").iterdir())
    assert [path.name for path in drawn] == ["first.png", "second.png"]
    with image.open(drawn[0]) as picture:
        assert picture.size == (90, 50)


def test_lines_for_readers_and_nothing_where_nothing_is(model_file, pictures, capsys):
    assert detect(model_file, pictures, "--min-score", 1) == 1
    printed = capsys.readouterr()
    assert printed.out.count("  nothing\n") == 2
    assert "third.png: " in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--min-score", 2), "--min-score=2"),
        (("--short-side", 0), "--short-side=0"),
        (("--class-names", "names.txt"), "names.txt"),
    ],
)
def test_wrong_arguments_are_named(
    model_file, pictures, arguments, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.txt").write_text("only one\n")
    assert detect(model_file, pictures, *arguments) == 2
    assert message in capsys.readouterr().err


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A video, one with the name of a picture, a still, an animation and a part."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("videos")
    frames = moving_pictures(13, 48, 64)
    write_video(folder / "street.mp4", frames, rate=10)
    write_video(folder / "yard.mkv", frames[:4], rate=10)
    (folder / "yard.mkv").rename(folder / "yard.png")
    pages = [image.fromarray(frame) for frame in frames[:3]]
    pages[0].save(folder / "still.gif")
    pages[0].save(folder / "moving.gif", save_all=True, append_images=pages[1:])
    content = (folder / "street.mp4").read_bytes()
    (folder / "part.mp4").write_bytes(content[: len(content) // 3])
    return folder


@pytest.mark.thorough
def test_videos_are_told_by_their_content(model_file, videos, capsys):
    names = ("street.mp4", "yard.png", "still.gif", "moving.gif", "part.mp4")
    files = [str(videos / name) for name in names]
    arguments = ("--every", "0.5s", "--json", "--min-score", "0")
    assert main(["detect", str(model_file), *files, *arguments]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [row["path"] for row in found["pictures"]] == [files[2]]
    rows = {row["path"]: row for row in found["videos"]}
    assert [*rows] == [files[0], files[1], files[3], files[4]]
    times = [frame["time"] for frame in rows[files[0]]["frames"]]
    assert times == pytest.approx([0, 0.5, 1])
    assert [frame["frame"] for frame in rows[files[0]]["frames"]] == [0, 5, 10]
    for frame in rows[files[0]]["frames"]:
        assert frame["objects"]
        assert all(entry["class"] in NAMES for entry in frame["objects"])
    assert len(rows[files[1]]["frames"]) == len(rows[files[3]]["frames"]) == 1
    assert rows[files[4]]["error"]


def test_videos_are_drawn_and_resumed(model_file, videos, tmp_path, capsys):
    def detect_again(*arguments):
        output = ["--output", str(tmp_path / "drawn")]
        path = str(videos / "street.mp4")
        return main(["detect", str(model_file), path, *output, *arguments])

    assert detect_again("--every", "4", "--min-score", "0") == 0
    assert "  objects in 4 of 4 frames\n" in capsys.readouterr().out
    drawn = tmp_path / "drawn"
    names = ["street.jsonl", "street.mp4"]
    assert sorted(path.name for path in drawn.iterdir()) == names
    content = (drawn / "street.jsonl").read_bytes()
    with PyAVReader(drawn / "street.mp4") as reader:
        np.testing.assert_allclose(reader.times, np.arange(13) / 10, atol=1e-9)

    (drawn / "street.jsonl").write_bytes(content[: len(content) // 2])
    (drawn / "street.mp4").unlink()
    assert detect_again("--every", "4", "--min-score", "0", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["videos"]
    assert (row["frames"], row["with_objects"]) == (4, 4)
    assert (drawn / "street.jsonl").read_bytes() == content
    assert detect_again("--every", "3", "--min-score", "0") == 2
    message = capsys.readouterr().err
    assert message.startswith("keras-nonlocal: `--output` ")
    assert message.endswith("with another every\n")


def test_frames_are_printed(model_file, videos, capsys):
    path = str(videos / "street.mp4")
    arguments = ["--every", "10", "--min-score", "1"]
    assert main(["detect", str(model_file), path, *arguments]) == 0
    expected = f"{path}\n  0.000 s\n    nothing\n  1.000 s\n    nothing\n"
    assert capsys.readouterr().out == expected
    for every in ("0", "-1s", "x"):
        assert main(["detect", str(model_file), path, f"--every={every}"]) == 2
        assert f"Received: --every='{every}'" in capsys.readouterr().err


def test_pictures_are_not_overwritten(model_file, pictures, capsys):
    before = (pictures / "first.png").read_bytes()
    assert detect(model_file, pictures, "--output", pictures) == 2
    assert "another folder" in capsys.readouterr().err
    assert (pictures / "first.png").read_bytes() == before


def test_only_drawn_pictures_are_replaced(model_file, pictures, tmp_path, capsys):
    image = pytest.importorskip("PIL.Image")
    drawn = tmp_path / "drawn"
    for score in (0.9, 0):
        assert detect(model_file, pictures, "--min-score", score, "--output", drawn)
    capsys.readouterr()
    with image.open(drawn / "second.png") as picture:
        assert picture.size == (70, 120)
        assert picture.text == {"Comment": "drawn by keras-nonlocal detect"}
    # A text between the header and the pixels of another program.
    information = pytest.importorskip("PIL.PngImagePlugin").PngInfo()
    information.add_text("Software", "drawn by keras-nonlocal detect")
    image.new("RGB", (9, 7)).save(drawn / "second.png", pnginfo=information)
    (drawn / "first.png").unlink()
    for name in ("first.png", "second.png"):
        if name == "first.png":
            (drawn / name).mkdir()
        before = (drawn / "second.png").read_bytes()
        assert detect(model_file, pictures, "--output", drawn) == 2
        printed = capsys.readouterr()
        message = "`--output` must be a folder without other pictures of these names"
        assert message in printed.err
        assert str(drawn / name) in printed.err
        assert printed.out == ""
        assert (drawn / "second.png").read_bytes() == before


def test_other_models_are_no_detectors(pictures, tmp_path, capsys):
    import keras

    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(tmp_path / "other.keras")
    assert detect(tmp_path / "other.keras", pictures) == 2
    assert "must be a detector" in capsys.readouterr().err


def test_a_detector_is_exported(model_file, tmp_path, capsys):
    arguments = ["export", str(model_file), str(tmp_path / "serving"), "--json"]
    assert main([*arguments, "--long-side", "64", "--no-warm-up"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert "assets/labels.txt" in files
    assert main([*arguments, "--top", "3"]) == 2
    assert "`--top` has an effect for a clip model alone" in capsys.readouterr().err


def test_summary_of_the_detectors_is_exact(capsys):
    assert main(["summary", "--task", "detection", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["networks"]
    counts = [
        tuple(
            row[name]
            for name in ("depth", "nonlocal_blocks", "parameters", "multiply_adds")
        )
        for row in rows
    ]
    assert counts == [
        (50, 0, 44_343_216, 254_597_616_640),
        (50, 1, 46_444_976, 263_936_496_640),
        (101, 0, 63_283_120, 330_357_232_640),
        (101, 1, 65_384_880, 339_696_112_640),
    ]
    assert main(["summary", "--task", "detection", "--depth", "50"]) == 2
    assert "--variant" in capsys.readouterr().err
