"""Which files and folders of a directory are videos, and what is said of the rest."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest

from keras_nonlocal.data import list_directory
from keras_nonlocal.data.lists.directories import list_known_classes

HIDDEN = (
    *(".ipynb_checkpoints", ".Trash-1000", "__MACOSX", "@eaDir", "lost+found"),
    *("$RECYCLE.BIN", "System Volume Information", ".AppleDouble", "#recycle"),
)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(folder: Path, **arguments: object) -> list[str]:
    paths = list_directory(folder, **arguments).paths  # type: ignore[arg-type]
    return [os.path.relpath(path, folder).replace(os.sep, "/") for path in paths]


def test_endings_in_any_case(tmp_path: Path) -> None:
    endings = "mts m2ts m2v vob gif asf f4v mxf divx 3g2 mpe m1v ogg qt mp4v wmv"
    names = [f"{i:02d}.{name}" for i, name in enumerate(endings.split())]
    names += [f"{i + 20}.{name.upper()}" for i, name in enumerate(endings.split())]
    names += ["50.M2Ts", "51.Mp4"]
    touch(tmp_path, *names)
    assert found(tmp_path, labels=None) == names


@pytest.mark.parametrize("hidden", HIDDEN)
def test_hidden_and_system_folders_are_skipped(hidden: str, tmp_path: Path) -> None:
    touch(tmp_path, "a/1.mp4", "a/deep/2.mp4", "b/3.mp4", "b/._3.mp4")
    for place in (".", "a", "a/deep", "b"):
        touch(tmp_path / place / hidden, "x.mp4", "deeper/x.mp4", "x.jpg")
    expected = ["a/1.mp4", "a/deep/2.mp4", "b/3.mp4"]
    assert found(tmp_path) == found(tmp_path, labels=None) == expected
    assert list_directory(tmp_path).class_names == ("a", "b")
    touch(tmp_path, "a/v/1.jpg", "b/w/1.png", f"b/w/{hidden}/1.png")
    assert found(tmp_path, frame_folders=True) == ["a/v", "b/w"]


def test_a_hidden_folder_may_hold_the_videos(tmp_path: Path) -> None:
    touch(tmp_path / ".cache", "a/1.mp4", "b/1.mp4")
    assert found(tmp_path / ".cache") == ["a/1.mp4", "b/1.mp4"]


def test_what_is_left_out_is_counted_in_one_line_and_empty_classes_in_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    videos = tmp_path / "videos"
    touch(videos, "a/1.mp4", "a/1.txt", "a/2.TXT", "a/README", "b/1.mp4", "c/1.rar")
    touch(videos, "stray.mp4", "Thumbs.db", "a/desktop.ini")
    touch(tmp_path / "elsewhere", "2.mp4")
    (videos / "a" / "link").symlink_to(tmp_path / "elsewhere")
    with caplog.at_level(logging.WARNING, "keras_nonlocal"):
        found_list = list_directory(videos)
    assert found_list.class_names == ("a", "b", "c")
    assert caplog.messages == [
        f"Below '{videos}', 1 class is kept without videos: c",
        f"Left out below '{videos}': 1 file outside of the class folders, 1 folder "
        "behind a link (see `follow_links`), 4 files with unknown endings (.txt, no "
        "ending, .rar)",
    ]
    caplog.clear()
    with caplog.at_level(logging.WARNING, "keras_nonlocal"):
        followed = found(videos, labels=None, follow_links=True)
    assert followed == ["stray.mp4", "a/1.mp4", "a/link/2.mp4", "b/1.mp4"]
    assert caplog.messages == [
        f"Left out below '{videos}': 4 files with unknown endings "
        "(.txt, no ending, .rar)"
    ]


def test_links_to_folders_around_a_class_are_loops(tmp_path: Path) -> None:
    touch(tmp_path, "videos/A/1.mp4", "videos/B/2.mp4", "other/3.mp4")
    for target in (".", "..", "../..", "../../other"):
        name = f"link{len(target)}"
        (tmp_path / "videos/B" / name).symlink_to(target, target_is_directory=True)
    assert found(tmp_path / "videos", follow_links=True) == [
        "A/1.mp4",
        "B/2.mp4",
        "B/link11/3.mp4",
    ]


def test_nothing_is_said_where_nothing_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "a/1.mp4", "b/1.mp4", "b/.hidden", ".git/config")
    with caplog.at_level(logging.DEBUG, "keras_nonlocal"):
        list_directory(tmp_path)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (["train", "test", "val"], "train"),
        (["Test", "TRAIN"], "TRAIN"),
        (["validation", "testing", "training"], "training"),
        (["train_256", "val_256"], "train_256"),
        (["valid", "test"], "test"),
        (["train"], "train"),
        (["test", "trainval"], "trainval"),
    ],
)
def test_splits_are_no_classes(names: list[str], named: str, tmp_path: Path) -> None:
    for name in names:
        touch(tmp_path / name, "run/1.mp4", "jump/1.mp4")
    touch(tmp_path, ".cache/1.mp4")
    pattern = f"not classes; pass one of them, such as '{tmp_path / named}'"
    with pytest.raises(ValueError, match=pattern):
        list_directory(tmp_path)
    assert list_directory(tmp_path / named).class_names == ("jump", "run")
    assert len(list_directory(tmp_path, labels=None).paths) == 2 * len(names)
    if len(names) > 1:
        by_name = list_directory(tmp_path, class_names=names)
        assert by_name.class_names == tuple(names)


@pytest.mark.parametrize("other", ["running", "testimony", "trainspotting", "validate"])
def test_a_class_beside_them_makes_them_classes(other: str, tmp_path: Path) -> None:
    touch(tmp_path, "train/1.mp4", f"{other}/1.mp4")
    assert {*(list_directory(tmp_path).class_names or ())} == {"train", other}


def test_a_directory_of_known_classes_may_lack_some(tmp_path: Path) -> None:
    touch(tmp_path, "wave/1.mp4", "clap/deep/2.mp4", "beside.mp4")
    videos = list_known_classes(str(tmp_path), ("wave", "nod", "clap"))
    assert dict(
        zip(map(os.path.basename, videos.paths), videos.labels, strict=True)
    ) == {
        "1.mp4": 0,
        "2.mp4": 2,
    }
    assert videos.class_names == ("wave", "nod", "clap")
    with pytest.raises(ValueError, match=r"classes. Received: 'wave', which is not in"):
        list_known_classes(str(tmp_path), ("nod", "clap"))


def test_labels_may_be_an_array(tmp_path: Path) -> None:
    touch(tmp_path, "1.mp4", "2.mp4", "3.mp4")
    videos = list_directory(tmp_path, np.array([1, 0, 1], "int16"))
    assert videos.labels == (1, 0, 1)
    for wrong in (np.array([0.0, 1.0, 2.0]), np.array(3), np.zeros((3, 1), int)):
        with pytest.raises(ValueError, match=r"`labels` must be .*Received: labels="):
            list_directory(tmp_path, wrong)
