"""Lists that lie beside the records that they name."""

import pytest

from keras_nonlocal.runs.video_sources import (
    read_given_videos,
    read_videos,
    read_videos_of_classes,
)

HOW = ("path-label", "")


@pytest.fixture
def folders(tmp_path):
    """Two folders of records with the same names, and other labels."""
    for name, labels in (("train", (0, 1)), ("test", (1, 0))):
        folder = tmp_path / name
        folder.mkdir()
        rows = [f"{index:06d}.tfrecord,{label}\n" for index, label in enumerate(labels)]
        (folder / "records.csv").write_text("".join(rows))
        for index in range(len(labels)):
            (folder / f"{index:06d}.tfrecord").write_bytes(b"")
    return tmp_path


def paths(folder):
    return tuple(str(folder / f"{index:06d}.tfrecord") for index in range(2))


@pytest.mark.parametrize("given", ["", "records.csv"])
@pytest.mark.parametrize("root", ["", "train"])
def test_a_list_of_records_is_about_those_beside_it(folders, monkeypatch, given, root):
    monkeypatch.chdir(folders)
    source = str(folders / "test" / given)
    # The other list of the command has the same names.
    for videos in (
        read_videos(source, root=root, class_names=("a", "b")),
        read_videos_of_classes(source, "path-label", root, ("a", "b")),
        read_given_videos([source], root=root),
    ):
        assert videos.paths == paths(folders / "test")
    assert read_videos(source, root=root).labels == (1, 0)


def test_other_lists_are_relative_to_the_root(folders):
    listed = folders / "list.csv"
    listed.write_text("000000.tfrecord,0\n000001.tfrecord,1\n")
    root = folders / "train"
    assert read_videos(str(listed), root=str(root)).paths == paths(root)
    (folders / "test" / "records.csv").write_text("a/000000.tfrecord 0\nb.mp4 1\n")
    videos = read_videos(str(folders / "test"), root="r")
    assert videos.paths == ("r/a/000000.tfrecord", "r/b.mp4")


def test_classes_beside_records_are_those_of_folders(folders):
    (folders / "train" / "class_names.txt").write_text('walk\n"run "\n')
    (folders / "test" / "class_names.txt").write_text("run\nwalk\n")
    training = read_videos(str(folders / "train"))
    assert training.class_names == ("walk", "run ")
    assert training.labels == (0, 1)
    # As a directory without the folders of some classes.
    known = ("run", "sit", "walk")
    for videos in (
        read_videos(str(folders / "test"), class_names=known),
        read_videos_of_classes(str(folders / "test" / "records.csv"), *HOW, known),
    ):
        assert videos.class_names == known
        assert videos.labels == (2, 0)
    with pytest.raises(ValueError, match=r"known classes.*Received: 'run '"):
        read_videos_of_classes(str(folders / "train"), *HOW, known)


def test_classes_beside_records_may_be_several_of_a_video(folders):
    rows = '000000.tfrecord,1\n000001.tfrecord,"0,1"\n'
    (folders / "test" / "records.csv").write_text(rows)
    (folders / "test" / "class_names.txt").write_text("run\nwalk\n")
    videos = read_videos(str(folders / "test"), class_names=("walk", "run"))
    assert [*videos.labels] == [(0,), (1, 0)]


def test_a_file_of_names_beside_another_list_is_not_about_it(folders):
    listed = folders / "list.csv"
    listed.write_text("a.mp4,1\nb.mp4,0\n")
    (folders / "class_names.txt").write_text("run\nwalk\n")
    assert read_videos(str(listed)).class_names is None


def test_names_that_a_user_gives_may_be_others(folders):
    source = str(folders / "train")
    file = folders / "train" / "class_names.txt"
    file.write_text("walk\nrun\n")
    videos = read_videos(source, class_names=("gehen", "rennen"))
    assert (videos.class_names, videos.labels) == (("gehen", "rennen"), (0, 1))
    with pytest.raises(ValueError, match=r"'run' in the file class_names.txt beside"):
        read_videos(source, class_names=("walk", "rennen"))
    # Where the model has numbers, those of the list count.
    videos = read_videos_of_classes(source, *HOW, None)
    assert (videos.class_names, videos.labels) == (None, (0, 1))
