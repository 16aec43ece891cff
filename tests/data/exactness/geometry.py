"""Kinds of files by the shape and the orientation of their pictures."""

from pathlib import Path

from tests.data.exactness.boxes import set_matrix
from tests.data.exactness.films import Kind

_H264 = "-c:v libx264 -threads 1 -x264-params keyint=12:bframes=2:b-adapt=0"
_MPEG2 = "-c:v mpeg2video -g 12 -bf 2 -q:v 4"
_PNG = "-c:v png -pix_fmt rgb24"
_ALL = range(48)
_FEW = range(6)

# The eight ways to lay a picture down, by the numbers of the Exif orientation.
_MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
# What undoes them.
_LAID_DOWN = {
    1: "null",
    2: "hflip",
    3: "hflip,vflip",
    4: "vflip",
    5: "transpose=cclock_flip",
    6: "transpose=cclock",
    7: "transpose=clock_flip",
    8: "transpose=clock",
}


def _oriented(orientation: int, name: str, encode: str, **rest) -> Kind:
    lay = f"-vf {_LAID_DOWN[orientation]}"
    turn = set_matrix(*_MATRICES[orientation])
    return Kind(name, [f"{lay} {encode}", turn], **rest)


def joined(before: Path, after: Path) -> None:
    """Puts two transport streams that lie in the folder one after the other."""
    parts = [before.parents[1] / name for name in ("first.ts", "second.ts")]
    after.write_bytes(b"".join(part.read_bytes() for part in parts))


def _changing(second: str) -> list:
    """Returns the steps to a stream whose second half is made differently."""
    first = f"{{input}} -to 0.96 {_H264} {{folder}}/first.ts"
    return [
        f"{first} -ss 0.96 {second} {_H264} -output_ts_offset 0.96 "
        f"{{folder}}/second.ts -c:v ffv1 -f matroska",
        joined,
    ]


_ORIENTED = (
    *(
        _oriented(number, f"orientation_{number}.mov", _PNG, shown=_FEW, num_frames=6)
        for number in _MATRICES
    ),
    *(
        _oriented(number, f"orientation_{number}_h264.mp4", _H264, shown=_ALL)
        for number in (2, 5, 6, 7)
    ),
    _oriented(
        8,
        "orientation_8_wide_pixels.mp4",
        f"{_H264} -bsf:v h264_metadata=sample_aspect_ratio=2/1",
        shown=_ALL,
        shown_size=(96, 128),
    ),
    Kind(
        "rotated_by_ffmpeg.mp4",
        [f"-vf transpose=cclock {_H264} -f mp4", "-c copy -metadata:s:v rotate=-90"],
        _ALL,
    ),
)

_SHAPES = (
    Kind(
        "odd.webm",
        ["-c:v libvpx-vp9 -threads 1 -deadline good -cpu-used 8 -b:v 500k -g 20"],
        _ALL,
        size=(95, 63),
    ),
    Kind("odd.mpg", [f"{_MPEG2} -f vob"], _ALL, size=(95, 63), tolerance=None),
    Kind("odd.avi", ["-c:v mjpeg -q:v 3"], _ALL, size=(95, 63)),
    Kind(
        "odd.mkv", ["-c:v ffv1 -pix_fmt yuv420p"], _ALL, size=(95, 63), tolerance=None
    ),
    Kind("odd_444.mp4", [f"{_H264} -pix_fmt yuv444p"], _ALL, size=(95, 63)),
    Kind(
        "odd_width.mp4",
        [f"{_H264} -pix_fmt yuv422p"],
        _ALL,
        size=(94, 63),
        tolerance=None,
    ),
    Kind("tall.mp4", [_H264], _ALL, size=(48, 96)),
    Kind("small.mp4", [_H264], _ALL, size=(24, 8)),
    Kind(
        "cropped_by_the_codec.mp4",
        [
            f"-vf pad=160:96:32:16 {_H264} "
            "-bsf:v h264_metadata=crop_left=32:crop_right=32:crop_top=16:crop_bottom=16"
        ],
        _ALL,
    ),
    Kind("wide_pixels.mp4", [f"-vf setsar=2 {_H264}"], _ALL, shown_size=(192, 64)),
    Kind("narrow_pixels.mkv", [f"-vf setsar=3/4 {_H264}"], _ALL, shown_size=(72, 64)),
    Kind(
        "wide_screen.vob",
        [f"-aspect 16:9 {_MPEG2}"],
        _ALL,
        shown_size=(114, 64),
        tolerance=None,
    ),
    Kind(
        "aspect_of_the_container.mov",
        [f"-vf setsar=1 {_H264} -f mov", "{input} -c copy -aspect 2:1"],
        _ALL,
        shown_size=(128, 64),
    ),
    Kind(
        "size_changes.ts",
        _changing("-s 48x32"),
        _ALL,
        shown_size=(96, 64),
        is_even=True,
    ),
)

KINDS = (*_ORIENTED, *_SHAPES)
