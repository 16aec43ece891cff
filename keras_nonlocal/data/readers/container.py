"""Opens a video file and chooses the stream that a player would show.

FFmpeg opens more than files. It treats names such as `pipe:0`, `concat:a|b` or
`seq%03d.jpg` as addresses and patterns, and playlists refer to other files and hosts.
Here, a name is always a path, and only containers of local media are opened, which
contain their pictures themselves. As in the `ffmpeg` command, the default stream is
chosen, or else the one with the largest pictures. Covers, previews and thumbnails are
ignored.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from keras_nonlocal import files
from keras_nonlocal.data.readers.video_reader import VideoError
from keras_nonlocal.optional_packages import import_av

# A picture with more pixels indicates a damaged file. The decoder rejects it before it
# allocates memory.
MOST_PIXELS = 2**26

# FFmpeg's names of containers that contain their pictures themselves.
_FORMATS = (
    "3g2,3gp,4xm,amv,apng,asf,asf_o,av1,avi,avs,avs2,avs3,bink,,"
    "cavsvideo,cine,dhav,dirac,dnxhd,dv,dxa,ea,evc,film_cpk,flic,flv,,"
    "gif,gxf,h261,h263,h264,hevc,ingenient,ivf,kux,live_flv,m4v,,"
    "matroska,mj2,mjpeg,mjpeg_2000,mlv,mm,mov,mp4,mpeg,mpegts,,"
    "mpegvideo,mtv,mv,mvi,mxf,nsv,nut,nuv,obu,ogg,pmp,pva,rm,roq,,"
    "rpl,smjpeg,smk,swf,thp,ty,vc1,vc1test,vivo,vvc,wc3movie,webm,,"
    "wtv,xmv,yop,yuv4mpegpipe"
)
_CONTAINER_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
_NO_ERRORS_ARGUMENT = 19
# Streams of pictures without a container, by the ending of their files.
_BARE_STREAMS = {
    **dict.fromkeys((".264", ".avc", ".h264", ".h26l"), "h264"),
    **dict.fromkeys((".265", ".h265", ".hevc"), "hevc"),
}
_START_CODE = b"\0\0\1"
# A recording that was joined late contains a start code within the first picture.
_LONGEST_REST = 2**24
_BLOCK = 2**16


class VideoFile:
    """An open file with the video stream to read.

    Args:
        path: The file.
        video_stream: Index of the video stream, starting at 0, or `None` for the one
            that a player would choose.

    Raises:
        VideoError: If the file contains no readable video.
    """

    def __init__(self, path: str, video_stream: int | None = None) -> None:
        self.path = path
        self._video_stream = video_stream
        self._av = import_av()
        # PyAV raises an IndexError for packets of an undeclared stream.
        self.errors = (self._av.FFmpegError, OSError, IndexError)
        self._start()

    def packets(self) -> Iterator[Any]:
        """Yields the packets of the stream from the current position.

        Packets without content are left out, because the decoder would treat them as
        the end.
        """
        self._is_at_start = False
        for packet in self.container.demux(self.stream):
            if packet.size:
                yield packet

    def seek(self, timestamp: int) -> None:
        """Seeks to a time in units of the stream, or near it."""
        self._is_at_start = False
        self.container.seek(timestamp, stream=self.stream)

    def rewind(self) -> None:
        """Reopens the file, unless nothing has been read since it was opened."""
        if not self._is_at_start:
            self.close()
            self._start()

    def close(self) -> None:
        """Releases the file and the decoder."""
        self.container.close()
        self._close_file()

    @property
    def formats(self) -> set[str]:
        """FFmpeg's names of the container."""
        return {*self.container.format.name.split(",")}

    @property
    def decoder(self) -> Any:
        """The `av.VideoCodecContext` of the stream."""
        return self.stream.codec_context

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec."""
        return str(self.decoder.codec.canonical_name)

    @property
    def tick(self) -> float:
        """Unit of the timestamps in seconds."""
        return float(self.stream.time_base)

    @property
    def may_jump(self) -> bool:
        """Whether the container allows jumps of its clock."""
        flags = self.container.format.flags
        return bool(flags & self._av.format.Flags.ts_discont.value)

    @property
    def start(self) -> float:
        """Start time of the file by its own clock, in seconds."""
        start = self.container.start_time
        return 0.0 if start is None else float(start / self._av.time_base)

    def error(self, error: Exception) -> VideoError:
        """Returns the error for an error of FFmpeg."""
        if isinstance(error, IsADirectoryError):
            reason = "it is a folder; `FrameFolderReader` reads folders of pictures"
            return VideoError(self.path, reason)
        if isinstance(error, IndexError):
            return VideoError(self.path, "it has a stream that it does not announce")
        reason = getattr(error, "strerror", None) or str(error)
        return VideoError(self.path, reason)

    def _start(self) -> None:
        self._file: Any = None
        self._is_at_start = True
        try:
            self.container = self._open()
        except self.errors as error:
            self._close_file()
            raise self.error(error) from None
        except BaseException:
            self._close_file()
            raise
        try:
            self.stream = self._choose(self._video_stream)
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _open(self) -> Any:
        # FFmpeg treats a name with a percent sign as a pattern.
        if files.is_remote(self.path) or "%" in self.path:
            self._file = files.open_bytes(self.path)
            source: Any = _NamelessFile(self._file)
        else:
            files.check_readable(self.path)
            source = f"file:{self.path}"
        arguments: dict[str, Any] = {
            "options": {"max_pixels": str(MOST_PIXELS)},
            "container_options": _CONTAINER_OPTIONS,
        }
        if int(self._av.__version__.split(".")[0]) < _NO_ERRORS_ARGUMENT:
            # Titles are not always UTF-8, although the format requires it. Later
            # versions of PyAV replace other bytes by default.
            arguments["metadata_errors"] = "replace"
        try:
            return self._av.open(source, **arguments)
        except self._av.error.ArgumentError:
            raise VideoError(
                self.path, "it is none of the containers that hold a video themselves"
            ) from None
        except self._av.error.InvalidDataError:
            container = self._open_after_rest(arguments)
            if container is None:
                raise
            return container

    def _open_after_rest(self, arguments: dict[str, Any]) -> Any:
        """Opens a stream without a container from the first start code on.

        FFmpeg rejects some that were joined within a picture or a start code. Returns
        `None` for other files.
        """
        suffix = Path(self.path).suffix.lower()
        if suffix not in _BARE_STREAMS:
            return None
        self._close_file()
        self._file = files.open_bytes(self.path)
        start = _first_start_code(self._file)
        if start <= 0:
            return None
        self._file.seek(start)
        source = _NamelessFile(self._file, start)
        try:
            return self._av.open(source, format=_BARE_STREAMS[suffix], **arguments)
        except self._av.FFmpegError:
            return None

    def _choose(self, video_stream: int | None) -> Any:
        streams = self.container.streams.video
        if video_stream is not None:
            if video_stream < len(streams):
                return streams[video_stream]
            reason = f"it has {len(streams)} video streams, none is number "
            raise VideoError(self.path, f"{reason}{video_stream}")
        candidates = [stream for stream in streams if not self._is_a_picture(stream)]
        if not candidates:
            raise VideoError(self.path, "it holds no video stream")
        return max(candidates, key=_preference)

    def _is_a_picture(self, stream: Any) -> bool:
        kinds = self._av.stream.Disposition
        pictures = kinds.attached_pic | kinds.timed_thumbnails | kinds.still_image
        return bool(stream.disposition & (pictures | kinds.dependent))

    def _prepare(self) -> None:
        if self.decoder is None:
            raise VideoError(self.path, "there is no decoder for its codec")
        height, width = self.decoder.height, self.decoder.width
        if height * width > MOST_PIXELS:
            reason = f"it announces pictures of {width}×{height} pixels"
            raise VideoError(self.path, reason)
        for stream in self.container.streams:
            if stream.index != self.stream.index:
                stream.discard = self._av.stream.Discard.all
        # Several files are decoded at a time, with one thread for each.
        self.decoder.thread_count = 1
        self.decoder.options = {"max_pixels": str(MOST_PIXELS)}

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()


def _first_start_code(file: IO[bytes]) -> int:
    """Returns where the first start code begins, in bytes, or -1 without one."""
    begin, rest = 0, b""
    while begin < _LONGEST_REST and (block := file.read(_BLOCK)):
        found = (rest + block).find(_START_CODE)
        if found >= 0:
            return begin - len(rest) + found
        begin += len(block)
        rest = block[1 - len(_START_CODE) :]
    return -1


class _NamelessFile:
    """A file for random reads, without a name that FFmpeg would interpret.

    Args:
        file: The file to read.
        start: Where it begins for the reader, in bytes.
    """

    def __init__(self, file: IO[bytes], start: int = 0) -> None:
        self._file = file
        self._start = start
        self.read = file.read

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a position, and returns it."""
        if whence == io.SEEK_SET:
            offset += self._start
        return self._file.seek(offset, whence) - self._start

    def tell(self) -> int:
        """Returns the position."""
        return self._file.tell() - self._start


def _preference(stream: Any) -> tuple[bool, bool, bool, int]:
    """Orders streams as the `ffmpeg` command does, the first of equal ones first."""
    kinds = stream.disposition
    decoder = stream.codec_context
    return (
        bool(kinds & type(kinds).default),
        # A track with a single picture is a preview.
        stream.frames != 1,
        decoder is not None,
        0 if decoder is None else decoder.height * decoder.width,
    )
