"""Kinds of files by the matrix and the range of their colors.

Nearly all are lossless but for the conversion of the colors, which rounds.
"""

from tests.data.exactness.films import Kind

_LOSSLESS = "-c:v libx264 -threads 1 -qp 0 -g 12"
_FEW = range(12)
# Two conversions with rounding to 8 bits in between.
_ROUNDING = 5


def _colored(
    name: str,
    matrix: str,
    full: bool,
    rest: str,
    tags: bool = True,
    lossless: bool = True,
) -> Kind:
    extent = "full" if full else "limited"
    convert = (
        f"-vf scale=out_color_matrix={matrix}:out_range={extent}:flags=accurate_rnd"
    )
    tagged = (
        f"-colorspace {_TAGS.get(matrix, matrix)} -color_range {'pc' if full else 'tv'}"
    )
    encode = f"{convert} {rest} {tagged if tags else ''}"
    most = _ROUNDING if lossless else None
    return Kind(name, [encode], _FEW, num_frames=12, from_source=most)


_TAGS = {"bt601": "smpte170m", "bt2020": "bt2020nc"}
_444 = f"{_LOSSLESS} -pix_fmt yuv444p"
_VP9 = "-c:v libvpx-vp9 -threads 1 -lossless 1 -cpu-used 8 -pix_fmt yuv444p"
_FFV1 = "-c:v ffv1 -pix_fmt yuv444p"

KINDS = (
    *(
        _colored(f"{matrix}_{'full' if full else 'limited'}.mp4", matrix, full, _444)
        for matrix in ("bt601", "bt709", "bt2020", "smpte240m", "fcc")
        for full in (False, True)
    ),
    _colored("untagged.mp4", "bt601", False, _444, tags=False),
    _colored("bt709_full.webm", "bt709", True, _VP9),
    _colored("bt2020_limited.webm", "bt2020", False, _VP9),
    _colored("bt709_limited.mkv", "bt709", False, _FFV1),
    _colored("bt709_full.mkv", "bt709", True, _FFV1),
    _colored("bt601_full.mov", "bt601", True, _444),
    _colored("bt709_10_bit.mp4", "bt709", False, f"{_LOSSLESS} -pix_fmt yuv444p10le"),
    _colored("bt2020_10_bit.mkv", "bt2020", False, "-c:v ffv1 -pix_fmt yuv444p10le"),
    _colored("bt709_full_10_bit.mkv", "bt709", True, "-c:v ffv1 -pix_fmt yuv444p10le"),
    _colored(
        "prores_bt709.mov",
        "bt709",
        False,
        "-c:v prores_ks -profile:v 4444 -qscale:v 1 -pix_fmt yuv444p10le",
        lossless=False,
    ),
    Kind(
        "rgb.mkv",
        ["-c:v libx264rgb -threads 1 -qp 0"],
        _FEW,
        num_frames=12,
        from_source=0,
    ),
    Kind(
        "rgb.avi", ["-c:v huffyuv -pix_fmt rgb24"], _FEW, num_frames=12, from_source=0
    ),
)
