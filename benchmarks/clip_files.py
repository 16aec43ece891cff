"""The files that `clips.py` reads."""

from pathlib import Path

import numpy as np


def write_video(path: str, height: int, width: int, num_frames: int = 300) -> None:
    """Writes a moving scene with noise as H.264, with one key frame in 250 frames."""
    import av

    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 256, (height // 16 + 40, width // 16 + 40, 3), np.uint8)
    scene = tiles.repeat(16, axis=0).repeat(16, axis=1)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.gop_size = 250
        for i in range(num_frames):
            picture = scene[i : i + height, 2 * i : 2 * i + width] // 2
            picture = picture + rng.integers(0, 24, picture.shape, np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture))
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def repeat_video(source: str, path: str, num_times: int) -> None:
    """Writes a video that repeats another one."""
    import av

    with av.open(source) as part, av.open(path, "w") as container:
        (stream,) = part.streams.video
        copy = container.add_stream_from_template(stream)
        packets = [packet for packet in part.demux(stream) if packet.size]
        contents = [
            (bytes(packet), packet.pts, packet.dts, packet.is_keyframe)
            for packet in packets
        ]
        length = stream.duration
        for i in range(num_times):
            for content, pts, dts, is_key in contents:
                packet = av.Packet(content)
                packet.stream, packet.time_base = copy, stream.time_base
                packet.pts, packet.dts = pts + i * length, dts + i * length
                packet.is_keyframe = is_key
                container.mux(packet)


def write_record(path: str) -> None:
    from keras_nonlocal.data import VideoList, write_video_records

    folder = Path(path).with_suffix(".records")
    write_video_records(VideoList((path,)), folder, short_side=256, verbose=False)
