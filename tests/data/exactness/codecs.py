"""Kinds of files by codec, kind of frames and pixel format."""

from tests.data.exactness.films import Kind
from tests.data.exactness.packed import pack_b_frames

_H264 = "-c:v libx264 -threads 1"
_B_FRAMES = f"{_H264} -x264-params keyint=12:bframes=4:b-pyramid=normal:b-adapt=0"
_OPEN_GOPS = f"{_H264} -x264-params keyint=10:open-gop=1:bframes=3:b-adapt=0"
_LONG_GOP = f"{_H264} -x264-params keyint=infinite:bframes=3:b-adapt=0:scenecut=0"
_HEVC = "-c:v libx265 -threads 1 -preset fast -x265-params log-level=0:pools=none"
_HEVC_OPEN = f"{_HEVC}:keyint=10:open-gop=1:bframes=4:b-adapt=0"
_VP8 = "-c:v libvpx -threads 1 -deadline realtime -cpu-used 8 -b:v 500k"
_VP9 = "-c:v libvpx-vp9 -threads 1 -deadline good -cpu-used 8 -b:v 500k"
_AV1 = "-c:v libaom-av1 -threads 1 -cpu-used 8 -b:v 500k"
_MPEG1 = "-c:v mpeg1video -g 12 -bf 2 -q:v 4"
_MPEG2 = "-c:v mpeg2video -g 12 -bf 2 -q:v 4"
_MPEG4 = "-c:v mpeg4 -g 12 -bf 2 -q:v 4"
_ALL = range(48)

_H264_KINDS = (
    Kind("h264_b_pyramid.mp4", [_B_FRAMES], _ALL),
    Kind("h264_b_pyramid.flv", [_B_FRAMES], _ALL),
    Kind("h264_b_pyramid.f4v", [_B_FRAMES], _ALL),
    Kind("h264_b_pyramid.avi", [_B_FRAMES], _ALL),
    Kind("h264_b_pyramid.vob", [_B_FRAMES], _ALL, is_even=True),
    Kind("h264_b_pyramid.3g2", [_B_FRAMES], _ALL),
    Kind("h264_b_pyramid.h264", [_B_FRAMES], _ALL),
    Kind("h264_open_gops.mp4", [_OPEN_GOPS], _ALL),
    Kind("h264_open_gops.mkv", [_OPEN_GOPS], _ALL),
    Kind("h264_open_gops.ts", [_OPEN_GOPS], _ALL),
    Kind("h264_open_gops.m2ts", [f"{_OPEN_GOPS} -mpegts_m2ts_mode 1"], _ALL),
    Kind("h264_long_gop.mov", [_LONG_GOP], range(64), num_frames=64),
    Kind("h264_long_gop.mts", [_LONG_GOP], range(64), num_frames=64),
    Kind("h264_key_frames_only.mp4", [f"{_H264} -g 1"], _ALL),
    Kind(
        "h264_intra_refresh.ts",
        [f"{_H264} -x264-params intra-refresh=1:keyint=12:bframes=0"],
        _ALL,
    ),
    Kind(
        "h264_intra_refresh.mkv",
        [f"{_H264} -x264-params intra-refresh=1:keyint=12:bframes=2"],
        _ALL,
    ),
    Kind(
        "h264_many_references.mkv",
        [f"{_H264} -x264-params ref=8:bframes=8:b-adapt=0:weightp=2:keyint=30"],
        _ALL,
    ),
    Kind(
        "h264_10_bit.mp4", [f"{_B_FRAMES} -pix_fmt yuv420p10le"], _ALL, tolerance=None
    ),
    Kind(
        "h264_422_10_bit.mkv",
        [f"{_B_FRAMES} -pix_fmt yuv422p10le"],
        _ALL,
        tolerance=None,
    ),
    Kind("h264_444.mp4", [f"{_B_FRAMES} -pix_fmt yuv444p"], _ALL),
    Kind("h264_gray.mp4", [f"{_B_FRAMES} -pix_fmt gray"], _ALL),
    Kind("h264_lossless_rgb.mkv", ["-c:v libx264rgb -threads 1 -qp 0 -g 9"], _ALL),
    Kind("h264_top_first.ts", [f"{_B_FRAMES}:tff=1 -flags +ildct"], _ALL),
    Kind("h264_bottom_first.mp4", [f"{_OPEN_GOPS}:bff=1 -flags +ildct"], _ALL),
)

_NEWER_KINDS = (
    Kind("hevc_open_gops.mkv", [_HEVC_OPEN], _ALL),
    Kind("hevc_open_gops.mp4", [f"{_HEVC_OPEN} -tag:v hvc1"], _ALL),
    Kind("hevc_open_gops.ts", [_HEVC_OPEN], _ALL),
    Kind("hevc_long_gop.mov", [f"{_HEVC}:keyint=-1:bframes=4"], _ALL),
    Kind("hevc_raw.hevc", [f"{_HEVC}:keyint=12:bframes=3"], _ALL),
    Kind(
        "hevc_10_bit.mp4",
        [f"{_HEVC}:keyint=12 -pix_fmt yuv420p10le"],
        _ALL,
        tolerance=None,
    ),
    Kind("hevc_444_12_bit.mkv", [f"{_HEVC}:keyint=12 -pix_fmt yuv444p12le"], _ALL),
    Kind("hevc_rgb.mp4", [f"{_HEVC}:keyint=12 -pix_fmt gbrp"], _ALL),
    Kind("hevc_gray.mkv", [f"{_HEVC}:keyint=12 -pix_fmt gray"], _ALL),
    Kind("vp8.webm", [f"{_VP8} -g 20"], _ALL),
    Kind(
        "vp8_hidden_frames.webm",
        ["-c:v libvpx -threads 1 -auto-alt-ref 1 -lag-in-frames 16 -b:v 300k"],
        _ALL,
    ),
    Kind(
        "vp8_alpha.webm",
        [f"-vf format=yuva420p,lut=a=val/2 {_VP8} -auto-alt-ref 0 -g 20"],
        _ALL,
    ),
    Kind("vp9.mp4", [f"{_VP9} -g 20"], _ALL),
    Kind(
        "vp9_hidden_frames.webm",
        [f"{_VP9} -auto-alt-ref 1 -lag-in-frames 16 -g 24"],
        _ALL,
    ),
    Kind(
        "vp9_10_bit.webm", [f"{_VP9} -pix_fmt yuv420p10le -g 20"], _ALL, tolerance=None
    ),
    Kind("vp9_444.mkv", [f"{_VP9} -pix_fmt yuv444p -g 20"], _ALL),
    Kind("vp9_422_12_bit.webm", [f"{_VP9} -pix_fmt yuv422p12le -g 20"], _ALL),
    Kind(
        "vp9_alpha.webm",
        [f"-vf format=yuva420p,lut=a=val/2 {_VP9} -auto-alt-ref 0 -g 20"],
        _ALL,
    ),
    Kind("av1.mp4", [f"{_AV1} -g 20"], _ALL),
    Kind("av1.webm", [f"{_AV1} -g 24 -lag-in-frames 16"], _ALL),
    Kind(
        "av1_10_bit.mkv", [f"{_AV1} -pix_fmt yuv420p10le -g 20"], _ALL, tolerance=None
    ),
)

_OLDER_KINDS = (
    Kind("mpeg1.mpg", [_MPEG1], _ALL),
    Kind("mpeg1.m1v", [_MPEG1], _ALL),
    Kind("mpeg1.mpe", [f"{_MPEG1} -f mpeg"], _ALL),
    Kind("mpeg2.mpg", [f"{_MPEG2} -f vob"], _ALL),
    Kind("mpeg2.m2v", [_MPEG2], _ALL),
    Kind("mpeg2.vob", [_MPEG2], _ALL),
    Kind("mpeg2.ts", [_MPEG2], _ALL),
    Kind("mpeg2.mkv", [_MPEG2], _ALL),
    Kind("mpeg2.mxf", [_MPEG2], _ALL),
    Kind("mpeg2.mov", [_MPEG2], _ALL),
    Kind(
        "mpeg2_closed_gops.mpg",
        [f"{_MPEG2} -flags +cgop -sc_threshold 1000000000 -f vob"],
        _ALL,
    ),
    Kind(
        "mpeg2_interlaced.mpg",
        [f"{_MPEG2} -flags +ildct+ilme -f vob"],
        _ALL,
        is_even=True,
    ),
    Kind("mpeg2_422.mxf", [f"{_MPEG2} -pix_fmt yuv422p -qmin 1"], _ALL),
    Kind("mpeg4.mp4", [_MPEG4], _ALL),
    Kind("mpeg4.m4v", [f"{_MPEG4} -f m4v"], _ALL),
    Kind("mpeg4.mp4v", [f"{_MPEG4} -f mp4"], _ALL),
    Kind("mpeg4.avi", [_MPEG4], _ALL),
    Kind("mpeg4.mkv", [_MPEG4], _ALL),
    Kind("mpeg4.ts", [_MPEG4], _ALL),
    Kind("mpeg4.vob", [_MPEG4], _ALL),
    Kind("mpeg4.divx", [f"{_MPEG4} -f avi -vtag DX50"], _ALL),
    Kind("mpeg4.asf", [_MPEG4], _ALL),
    Kind("mpeg4_quarter_pixels.avi", [f"{_MPEG4} -flags +qpel"], _ALL),
    Kind("mpeg4_long_gop.3gp", ["-c:v mpeg4 -g 300 -q:v 4"], _ALL),
    Kind("xvid.avi", ["-c:v libxvid -g 12 -bf 2 -q:v 4"]),
    Kind("packed_b_frames.avi", [f"{_MPEG4} -f avi", pack_b_frames()], _ALL),
    Kind(
        "packed_b_frames_late.avi",
        ["-c:v mpeg4 -g 30 -bf 1 -q:v 4 -f avi", pack_b_frames(starts_empty=True)],
        range(47),
    ),
    Kind(
        "packed_b_frames.divx",
        ["-c:v mpeg4 -g 9 -bf 3 -q:v 4 -f avi", pack_b_frames("DIVX")],
        _ALL,
    ),
    Kind(
        "unpacked_b_frames.avi",
        [
            f"{_MPEG4} -f avi",
            pack_b_frames(),
            "-c copy -bsf:v mpeg4_unpack_bframes",
        ],
        _ALL,
    ),
    Kind("msmpeg4v2.avi", ["-c:v msmpeg4v2 -g 12 -q:v 4"], _ALL),
    Kind("div3.avi", ["-c:v msmpeg4 -vtag DIV3 -g 12 -q:v 4"], _ALL),
    Kind("wmv1.wmv", ["-c:v wmv1 -g 12 -q:v 4"], _ALL),
    Kind("wmv2.asf", ["-c:v wmv2 -g 12 -q:v 4"], _ALL),
    Kind(
        "h263.3gp",
        ["-vf setsar=12/11 -c:v h263 -g 12 -q:v 4"],
        _ALL,
        size=(128, 96),
        shown_size=(140, 96),
        # FFmpeg 5.1 places the colors of H.263 elsewhere when it widens the pixels.
        tolerance=None,
    ),
    Kind("h263.flv", ["-c:v flv -g 12 -q:v 4"], _ALL),
    Kind("theora.ogv", ["-c:v libtheora -g 12 -q:v 7"], _ALL),
    Kind("theora.ogg", ["-c:v libtheora -g 64 -q:v 7"], _ALL),
)

_INTRA_KINDS = (
    Kind("motion_jpeg.avi", ["-c:v mjpeg -q:v 3"], _ALL),
    Kind("motion_jpeg_422.mov", ["-c:v mjpeg -q:v 3 -pix_fmt yuvj422p"], _ALL),
    Kind("motion_jpeg_444.mkv", ["-c:v mjpeg -q:v 3 -pix_fmt yuvj444p"], _ALL),
    Kind("prores_422.mov", ["-c:v prores -profile:v 2 -pix_fmt yuv422p10le"], _ALL),
    Kind(
        "prores_4444.mov",
        ["-vf format=yuva444p10le,lut=a=val/2 -c:v prores_ks -profile:v 4444"],
        _ALL,
    ),
    Kind("ffv1_rgb.mkv", ["-c:v ffv1 -pix_fmt bgr0"], _ALL),
    Kind(
        "ffv1_10_bit.mkv",
        ["-c:v ffv1 -pix_fmt yuv420p10le -g 12"],
        _ALL,
        tolerance=None,
    ),
    Kind("ffv1_rgb_16_bit.mkv", ["-c:v ffv1 -pix_fmt gbrp16le"], _ALL),
    Kind("ffv1_gray_16_bit.avi", ["-c:v ffv1 -pix_fmt gray16le"], _ALL),
    Kind("huffyuv.avi", ["-c:v huffyuv -pix_fmt yuv422p"], _ALL),
    Kind("utvideo.mkv", ["-c:v utvideo -pix_fmt gbrp"], _ALL),
    Kind("png_alpha.mov", ["-vf format=rgba,lut=a=val/2 -c:v png"], _ALL),
    Kind("animation.mov", ["-c:v qtrle -pix_fmt rgb24"], _ALL),
    Kind("animation_alpha.mov", ["-vf format=argb,lut=a=val/2 -c:v qtrle"], _ALL),
    Kind("uncompressed_rgb.avi", ["-c:v rawvideo -pix_fmt bgr24"], _ALL),
    Kind(
        "uncompressed_410.avi", ["-c:v rawvideo -pix_fmt yuv410p"], _ALL, tolerance=None
    ),
    Kind("uncompressed_10_bit.mov", ["-c:v v210"], _ALL),
    Kind("jpeg_2000.mxf", ["-c:v jpeg2000 -pix_fmt yuv420p"], _ALL),
    Kind("cinepak.avi", ["-c:v cinepak -g 12"], range(16), num_frames=16),
    Kind("palette.gif", ["-f gif"], _ALL),
    Kind(
        "palette_alpha.gif",
        [
            "-vf setpts=N*N/2/25/TB,format=rgba,colorkey=red:0.4,split[a][b];"
            "[a]palettegen[p];[b][p]paletteuse"
        ],
        range(24),
        num_frames=24,
    ),
)

KINDS = (*_H264_KINDS, *_NEWER_KINDS, *_OLDER_KINDS, *_INTRA_KINDS)
