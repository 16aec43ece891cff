"""Version folders: numbers and completeness."""

import pytest

from keras_nonlocal.export.versions import write_version


def write_file(folder):
    (folder / "saved_model.pb").write_text("model")


def test_numbers_follow_the_highest(tmp_path):
    directory = tmp_path / "models" / "gestures"
    assert write_version(directory, None, write_file) == directory / "1"
    assert write_version(directory, 7, write_file) == directory / "7"
    (directory / "0012").mkdir()
    (directory / "notes").mkdir()
    assert write_version(directory, None, write_file) == directory / "13"
    assert (directory / "13" / "saved_model.pb").read_text() == "model"


def test_nothing_is_seen_before_it_is_complete(tmp_path):
    def write_and_look(folder):
        write_file(folder)
        assert not [path for path in tmp_path.iterdir() if path.name.isdecimal()]

    write_version(tmp_path, None, write_and_look)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_failure_leaves_nothing(tmp_path):
    def fail(folder):
        write_file(folder)
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_version(tmp_path, None, fail)
    assert not [*tmp_path.iterdir()]


def test_an_existing_version_is_not_overwritten(tmp_path):
    write_version(tmp_path, 3, write_file)
    with pytest.raises(ValueError, match="Received: version=3 with directory="):
        write_version(tmp_path, 3, lambda folder: pytest.fail("must not be called"))


@pytest.mark.parametrize("version", [None, 1])
def test_another_process_takes_the_number(tmp_path, version):
    def write_while_another_does(folder):
        write_file(folder)
        write_version(tmp_path, 1, write_file)

    if version is None:
        path = write_version(tmp_path, None, write_while_another_does)
        assert path == tmp_path / "2"
    else:
        with pytest.raises(ValueError, match="Received: version=1"):
            write_version(tmp_path, version, write_while_another_does)
    assert all(path.name.isdecimal() for path in tmp_path.iterdir())


def test_servers_of_other_users_can_read_it(tmp_path):
    path = write_version(tmp_path, None, write_file)
    (tmp_path / "usual").mkdir()
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode
