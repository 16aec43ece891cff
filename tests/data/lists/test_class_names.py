"""Class names in a file."""

import pytest

from keras_nonlocal.data.lists.class_names import class_names_text, read_class_names

NAMES = (
    "jump", "jump ", " jump", "a\nb", "tab\tin", '"quoted"', '"', "café", "caf\udce9",
    "東京", "a\u2028b", "x,y; z", "\ufeffmark", "nul\0", "#1", "",
)  # fmt: skip


def test_names_come_back_as_they_were(tmp_path):
    file = tmp_path / "names.txt"
    file.write_bytes(class_names_text(NAMES).encode("utf-8"))
    assert read_class_names(file) == NAMES
    assert file.read_text("utf-8").startswith("jump\n")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_of_other_programs(encoding, tmp_path):
    file = tmp_path / "names.txt"
    file.write_bytes('käse \r\n\r\n"say ""hi"""\r\n'.encode(encoding))
    assert read_class_names(file) == ("käse", '"say ""hi"""')


def test_a_name_stands_once(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("a\n\nb\na \n")
    with pytest.raises(ValueError, match="Received: 'a' on the lines 1 and 4"):
        read_class_names(file)
    file.write_text("\n")
    with pytest.raises(ValueError, match="Received: none"):
        read_class_names(file)
