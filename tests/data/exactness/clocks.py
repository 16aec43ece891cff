"""Kinds of files by their clock: where it begins, how it runs, who else follows it."""

from tests.data.exactness.films import Kind

_H264 = "-c:v libx264 -threads 1 -x264-params keyint=12:bframes=2:b-adapt=0"
_MPEG2 = "-c:v mpeg2video -g 12 -bf 2 -q:v 4"
_MPEG4 = "-c:v mpeg4 -g 12 -bf 2 -q:v 4"
_VP9 = "-c:v libvpx-vp9 -threads 1 -deadline good -cpu-used 8 -b:v 500k -g 20"
_VARIABLE = r"-vf 'setpts=(N+mod(N*N\,7)/3)/25/TB'"
_SLOWER = "-vf setpts=(N+floor(N*N/12))/25/TB"
_LATER = "-vf setpts=PTS+0.52/TB -fps_mode passthrough"
_ALL = range(48)
_TONE = "-f lavfi -i sine=d=3"

_LATE_CLOCKS = (
    Kind("hour.ts", [f"{_H264} -output_ts_offset 3600"], _ALL),
    Kind("hour.mkv", [f"{_H264} -output_ts_offset 3600"], _ALL),
    Kind("hour.webm", [f"{_VP9} -output_ts_offset 3600"], _ALL),
    Kind("hour.flv", [f"{_H264} -output_ts_offset 3600"], _ALL),
    Kind("hour.mpg", [f"{_MPEG2} -f vob -output_ts_offset 3600"], _ALL),
    Kind("hour.m2ts", [f"{_MPEG2} -output_ts_offset 3600"], _ALL),
    Kind(
        "hour_fragments.mp4",
        [f"{_H264} -output_ts_offset 3600 -movflags frag_keyframe+empty_moov"],
        _ALL,
    ),
    Kind("seven_seconds.asf", [f"{_MPEG4} -output_ts_offset 7"], _ALL),
    Kind("clock_wraps.ts", [f"{_H264} -output_ts_offset 95442.3"], _ALL),
    Kind(
        "clock_wraps.mpg",
        [f"{_MPEG2} -f vob -output_ts_offset 95442.6"],
        _ALL,
        is_even=True,
    ),
    Kind("starts_at_zero.ts", [f"{_H264} -muxdelay 0 -muxpreload 0"], _ALL),
    Kind("negative_composition.mp4", [f"{_H264} -movflags negative_cts_offsets"], _ALL),
    Kind("negative_times.mkv", [f"{_H264} -avoid_negative_ts disabled"], _ALL),
)

_RATES = (
    Kind("variable_rate.mp4", [f"{_SLOWER} {_H264} -fps_mode passthrough"], _ALL),
    Kind("variable_rate.mkv", [f"{_VARIABLE} {_H264} -fps_mode passthrough"], _ALL),
    Kind("variable_rate.webm", [f"{_SLOWER} {_VP9} -fps_mode passthrough"], _ALL),
    Kind("variable_rate.ts", [f"{_SLOWER} {_H264} -fps_mode passthrough"], _ALL),
    Kind("variable_rate.flv", [f"{_VARIABLE} {_H264} -fps_mode passthrough"], _ALL),
    Kind("variable_rate.mov", [f"{_SLOWER} {_MPEG4} -fps_mode passthrough"], _ALL),
    Kind(
        "variable_rate.wmv",
        [f"{_SLOWER} -c:v wmv2 -g 12 -q:v 4 -fps_mode passthrough"],
        _ALL,
    ),
    Kind(
        "dropped_frames.avi",
        [f"-vf select='not(eq(mod(n\\,5)\\,3))' {_MPEG4} -fps_mode passthrough"],
    ),
    Kind("ntsc.mkv", [_H264], _ALL, rate="30000/1001"),
    Kind("ntsc_film.mp4", [_H264], _ALL, rate="24000/1001"),
    Kind("ntsc_twice.ts", [_H264], _ALL, rate="60000/1001"),
    Kind("ntsc.avi", ["-c:v mpeg4 -g 12 -q:v 4"], _ALL, rate="30000/1001"),
    Kind("two_seconds_a_picture.mp4", [_H264], range(12), num_frames=12, rate="0.5"),
    Kind("thousand_a_second.mp4", [_H264], _ALL, rate="1000"),
    Kind(
        "faster_than_the_clock.mkv",
        ["-c:v libx264 -threads 1 -g 12 -bf 0"],
        _ALL,
        rate="2400",
    ),
    Kind("faster_than_the_clock_b_frames.mkv", [_H264], _ALL, rate="2400"),
    Kind("coarse_clock.mp4", [f"{_H264} -video_track_timescale 25"], _ALL),
    Kind("fine_clock.mov", [f"{_H264} -video_track_timescale 1000000"], _ALL),
)

_WITH_SOUND = (
    Kind(
        "sound_first.mkv", [f"{{input}} {_TONE} -map 1 -map 0 {_H264} -c:a aac"], _ALL
    ),
    Kind("sound.mp4", [f"{{input}} {_TONE} {_H264} -c:a aac"], _ALL),
    Kind("sound.ts", [f"{{input}} {_TONE} {_MPEG2} -c:a mp2"], _ALL),
    Kind("sound.mpg", [f"{{input}} {_TONE} {_MPEG2} -c:a mp2 -f vob"], _ALL),
    Kind("sound.avi", [f"{{input}} {_TONE} {_MPEG4} -c:a mp2"], _ALL),
    Kind(
        "sound_half_a_second_earlier.mkv",
        [f"{{input}} {_TONE} {_LATER} {_H264} -c:a aac"],
        _ALL,
    ),
    Kind(
        "sound_half_a_second_earlier.mp4",
        [f"{{input}} {_TONE} {_LATER} {_H264} -c:a aac"],
        _ALL,
    ),
    Kind(
        "sound_half_a_second_earlier.ts",
        [f"{{input}} {_TONE} {_LATER} {_MPEG2} -c:a mp2"],
        _ALL,
    ),
    Kind(
        "sound_later.mp4", [f"{{input}} -itsoffset 0.4 {_TONE} {_H264} -c:a aac"], _ALL
    ),
)

KINDS = (*_LATE_CLOCKS, *_RATES, *_WITH_SOUND)
