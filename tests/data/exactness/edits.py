"""Kinds of MP4 and QuickTime files by their edit list, and cut files of all kinds."""

from collections.abc import Callable
from pathlib import Path

from tests.data.exactness.boxes import drop_box, set_edits
from tests.data.exactness.films import Kind

_LONG = "-c:v libx264 -threads 1 -x264-params keyint=infinite:bframes=3:b-adapt=0"
_SHORT = "-c:v libx264 -threads 1 -x264-params keyint=12:bframes=2:b-adapt=0"
_OPEN = "-c:v libx264 -threads 1 -x264-params keyint=10:open-gop=1:bframes=3:b-adapt=0"
_NO_B = "-c:v libx264 -threads 1 -x264-params keyint=20:bframes=0"
_MPEG2 = "-c:v mpeg2video -g 12 -bf 2 -q:v 4"
_MPEG4 = "-c:v mpeg4 -g 12 -bf 2 -q:v 4"


def cut_bytes(share: float, unit: int = 1) -> Callable[[Path, Path], None]:
    """Returns a change that leaves out the first bytes: a recording joined late."""

    def change(before: Path, after: Path) -> None:
        content = before.read_bytes()
        after.write_bytes(content[int(share * len(content)) // unit * unit :])

    return change


def _edited(
    name: str, encode: str, edits: list, shown: list[int] | None, **rest
) -> Kind:
    version = rest.pop("version", 0)
    return Kind(name, [encode, set_edits(edits, version)], shown, **rest)


_BY_FFMPEG = (
    Kind(
        "trimmed_start.mp4",
        [f"{_SHORT} -f mp4", "-ss 0.8 {input} -c copy"],
        range(20, 48),
    ),
    Kind(
        "trimmed_start_long_gop.mp4",
        [_LONG, "-ss 1.2 {input} -c copy"],
        range(30, 48),
    ),
    Kind(
        "trimmed_start_open_gop.mov",
        [_OPEN, "-ss 0.6 {input} -c copy"],
        range(15, 48),
    ),
    Kind(
        "trimmed_start_no_b_frames.mp4",
        [_NO_B, "-ss 1 {input} -c copy"],
        range(25, 48),
    ),
    Kind(
        "trimmed_start_mpeg4.mp4",
        [_MPEG4, "-ss 0.68 {input} -c copy"],
        range(17, 48),
    ),
    Kind(
        "trimmed_start_hevc.mp4",
        [
            "-c:v libx265 -preset fast -x265-params "
            "log-level=0:pools=none:keyint=20:bframes=3",
            "-ss 1 {input} -c copy",
        ],
        range(25, 48),
    ),
    Kind("trimmed_end.mp4", [_SHORT, "{input} -t 0.8 -c copy"]),
    Kind("trimmed_both.mp4", [_LONG, "-ss 0.4 {input} -t 0.8 -c copy"]),
    Kind("trimmed_start.mkv", [_SHORT, "-ss 0.8 {input} -c copy"]),
    Kind("trimmed_start.ts", [_SHORT, "-ss 0.8 {input} -c copy"]),
    Kind("trimmed_start.avi", [_MPEG4, "-ss 0.8 {input} -c copy"]),
    Kind("trimmed_start.flv", [_SHORT, "-ss 0.8 {input} -c copy"]),
    Kind("trimmed_start_copied_clock.ts", [_SHORT, "-ss 0.8 -copyts {input} -c copy"]),
    Kind(
        "trimmed_start_ignored.mp4",
        [_LONG, "-ss 1.2 {input} -c copy -use_editlist 0 -f mp4"],
    ),
)

_BY_HAND = (
    _edited("edit_start.mp4", _LONG, [(17, 31)], [*range(17, 48)]),
    _edited("edit_start_64_bit.mp4", _LONG, [(17, 31)], [*range(17, 48)], version=1),
    _edited("edit_end.mp4", _SHORT, [(0, 25)], [*range(25)]),
    _edited("edit_both.mov", _OPEN, [(13, 20)], [*range(13, 33)]),
    _edited("edit_one_picture.mp4", _LONG, [(29, 1)], [29]),
    _edited(
        "edit_two_parts.mp4",
        _LONG,
        [(5, 10), (30, 12)],
        [*range(5, 15), *range(30, 42)],
    ),
    _edited(
        "edit_two_parts.mov",
        _NO_B,
        [(3, 8), (25, 9)],
        [*range(3, 11), *range(25, 34)],
    ),
    _edited(
        "edit_three_parts.mp4",
        _SHORT,
        [(2, 6), (14, 5), (40, 8)],
        [*range(2, 8), *range(14, 19), *range(40, 48)],
    ),
    _edited("edit_parts_join.mp4", _SHORT, [(4, 10), (14, 10)], [*range(4, 24)]),
    _edited(
        "edit_repeat.mp4", _NO_B, [(10, 8), (10, 8)], [*range(10, 18), *range(10, 18)]
    ),
    _edited(
        "edit_repeat_b_frames.mp4",
        _SHORT,
        [(3, 14), (3, 14)],
        [*range(3, 17), *range(3, 17)],
    ),
    _edited(
        "edit_overlap.mp4", _SHORT, [(0, 20), (10, 20)], [*range(20), *range(10, 30)]
    ),
    _edited(
        "edit_swapped.mp4", _SHORT, [(24, 24), (0, 24)], [*range(24, 48), *range(24)]
    ),
    _edited(
        "edit_swapped_long_gop.mov",
        _LONG,
        [(31, 10), (2, 10)],
        [*range(31, 41), *range(2, 12)],
    ),
    _edited("edit_delay.mp4", _SHORT, [(None, 10), (0, 48)], [*range(48)]),
    _edited(
        "edit_delay_and_start.mp4",
        _LONG,
        [(None, 10), (9, 30)],
        [*range(9, 39)],
    ),
    # FFmpeg shows the first pictures again while nothing is to be shown.
    _edited("edit_pause.mp4", _SHORT, [(0, 12), (None, 10), (12, 20)], None),
    Kind("edit_none.mp4", [_SHORT, drop_box(b"edts")], range(48)),
)

_JOINED_LATE = (
    Kind("joined_late_h264.ts", [_SHORT, cut_bytes(0.4, 188)]),
    Kind("joined_late_open_gops.ts", [_OPEN, cut_bytes(0.3, 188)]),
    Kind("joined_late_mpeg2.ts", [_MPEG2, cut_bytes(0.35, 188)]),
    Kind("joined_late.mpg", [f"{_MPEG2} -f vob", cut_bytes(0.4)]),
    Kind("joined_late.m2v", [_MPEG2, cut_bytes(0.4)]),
    Kind("joined_late.h264", [_SHORT, cut_bytes(0.4)]),
)

KINDS = (*_BY_FFMPEG, *_BY_HAND, *_JOINED_LATE)
