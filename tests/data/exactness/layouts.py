"""Kinds of files by the layout of the container and the choice of the stream."""

from pathlib import Path

from tests.data.exactness.films import Kind

_H264 = "-c:v libx264 -threads 1 -x264-params keyint=12:bframes=2:b-adapt=0"
_MPEG4 = "-c:v mpeg4 -g 12 -bf 2 -q:v 4"
_VP9 = "-c:v libvpx-vp9 -threads 1 -deadline good -cpu-used 8 -b:v 500k -g 20"
_ALL = range(48)
_OTHER = "-f lavfi -i testsrc=s={}:r=25:d={}"
_SMALL = _OTHER.format("32x32", 2)
_LARGE = _OTHER.format("128x96", 2)
_COVER = "-f lavfi -i testsrc=s=160x160:r=1:d=1"


def drop_index(before: Path, after: Path) -> None:
    """Cuts the index at the end of an AVI file off."""
    content = before.read_bytes()
    after.write_bytes(content[: content.rindex(b"idx1")])


_CONTAINERS = (
    Kind("faststart.mp4", [f"{_H264} -movflags faststart"], _ALL),
    Kind("fragments.mp4", [f"{_H264} -movflags frag_keyframe+empty_moov"], _ALL),
    Kind(
        "fragments_delayed.mp4",
        [f"{_H264} -movflags frag_keyframe+delay_moov+default_base_moof"],
        _ALL,
    ),
    Kind(
        "fragment_per_frame.mp4",
        [f"{_H264} -movflags frag_every_frame+empty_moov+default_base_moof"],
        _ALL,
    ),
    Kind(
        "fragments_hybrid.mov",
        [f"{_H264} -movflags frag_keyframe -min_frag_duration 500000"],
        _ALL,
    ),
    Kind("fragments_with_index.mp4", [f"{_H264} -movflags dash+global_sidx"], _ALL),
    Kind("cmaf.mp4", [f"{_H264} -movflags cmaf+frag_keyframe"], _ALL),
    Kind("live.mkv", [f"{_H264} -live 1"], _ALL),
    Kind("live.webm", [f"{_VP9} -live 1"], _ALL),
    Kind("small_clusters.mkv", [f"{_H264} -cluster_time_limit 90"], _ALL),
    Kind("index_first.mkv", [f"{_H264} -reserve_index_space 2000"], _ALL),
    Kind("no_index.avi", ["-c:v mpeg4 -g 12 -q:v 4", drop_index], _ALL),
    Kind("no_index_b_frames.avi", [_MPEG4, drop_index], _ALL),
    Kind("index_first.asf", ["-c:v wmv2 -g 12 -q:v 4 -packet_size 400"], _ALL),
    Kind("index.flv", [f"{_H264} -flvflags add_keyframe_index"], _ALL),
    Kind("annex_b.avi", [f"{_H264} -bsf:v h264_mp4toannexb"], _ALL),
)

_STREAMS = (
    Kind(
        "second_is_default.mkv",
        [
            f"{_LARGE} {{input}} -map 0 -map 1 {_H264} -disposition:v:0 0 "
            "-disposition:v:1 default"
        ],
        _ALL,
    ),
    Kind(
        "second_is_default.mp4",
        [
            f"{_LARGE} {{input}} -map 0 -map 1 {_H264} -disposition:v:0 0 "
            "-disposition:v:1 default"
        ],
        _ALL,
    ),
    Kind(
        "second_is_larger.mkv",
        [
            f"{_SMALL} {{input}} -map 0 -map 1 {_H264} -disposition:v:0 0 "
            "-disposition:v:1 0"
        ],
        _ALL,
    ),
    Kind("second_is_larger.ts", [f"{_SMALL} {{input}} -map 0 -map 1 {_H264}"], _ALL),
    Kind(
        "first_is_default.mkv",
        [
            f"{{input}} {_LARGE} -map 0 -map 1 {_H264} -disposition:v:0 default "
            "-disposition:v:1 0"
        ],
        _ALL,
    ),
    Kind("first_is_larger.mkv", [f"{{input}} {_SMALL} -map 0 -map 1 {_H264}"], _ALL),
    Kind(
        "cover_first.mp4",
        [
            f"{_COVER} {{input}} -map 0 -map 1 -c:v:0 mjpeg -c:v:1 libx264 "
            "-disposition:v:0 attached_pic -disposition:v:1 default"
        ],
        _ALL,
    ),
    Kind(
        "cover_last.mp4",
        [
            f"{{input}} {_COVER} -map 0 -map 1 -c:v:0 libx264 -c:v:1 png "
            "-disposition:v:1 attached_pic"
        ],
        _ALL,
    ),
    Kind(
        "cover.mkv",
        [
            f"{{input}} {_COVER} -map 1 -f image2 -frames:v 1 {{folder}}/cover.jpg "
            f"-map 0 {_H264}",
            "-c copy -attach {folder}/cover.jpg -metadata:s:t mimetype=image/jpeg",
        ],
        _ALL,
    ),
    Kind(
        "two_programs.ts",
        [f"{_SMALL} {{input}} -map 0 -map 1 {_H264} -program st=0 -program st=1"],
        _ALL,
    ),
)

KINDS = (*_CONTAINERS, *_STREAMS)
