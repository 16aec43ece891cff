"""The comment of a PNG, written and read back by others."""

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from keras_nonlocal.visualize.picture_files import comment_of_png, write_png


def test_a_comment_leaves_the_pixels_as_they_are(rng, tmp_path):
    pixels = rng.integers(0, 256, (13, 31, 3), np.uint8)
    path = tmp_path / "a.png"
    write_png(path, pixels, "drawn by «me»")
    with Image.open(path) as picture:
        picture.verify()  # also the checksum of each part
    with Image.open(path) as picture:
        assert picture.text == {"Comment": "drawn by «me»"}
        np.testing.assert_array_equal(np.asarray(picture), pixels)
    assert comment_of_png(path) == "drawn by «me»"
    write_png(path, pixels)
    assert comment_of_png(path) is None


def test_comments_of_others_are_read(tmp_path):
    path = tmp_path / "b.png"
    information = PngImagePlugin.PngInfo()
    information.add_text("Title", "Comment")
    information.add_text("Comment", "by hand")
    Image.new("L", (5, 4)).save(path, pnginfo=information, dpi=(72, 72))
    assert comment_of_png(path) == "by hand"


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n\xff\xff\xff\xfftEXt"],
)
def test_what_is_no_png_has_no_comment(content, tmp_path):
    path = tmp_path / "c.png"
    path.write_bytes(content)
    assert comment_of_png(path) is None
