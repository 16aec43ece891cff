"""Caches of timelines, with which the packets of a file are read only once.

In memory, they are kept up to a number of bytes, and the least recently used ones are
removed first. In a directory, they are kept between runs, with one small file for each
video. A video is identified by its path, size, modification time and stream, so a
replaced file is read again. Files in the directory contain only numbers, are checked
before use and are replaced atomically. Several processes may share the directory, and
may be stopped at any time.
"""

import hashlib
import json
import math
import os
import tempfile
import threading
import zlib
from collections import OrderedDict
from dataclasses import fields
from pathlib import Path

import numpy as np

from keras_nonlocal import files
from keras_nonlocal.data.readers.timeline import Packets, Timeline

# About 60 hours of video at 30 frames per second.
_MOST_BYTES = 256 * 2**20
# Version of the stored format.
_VERSION = 2

Identity = tuple[str, int, int, int]


def identity(path: str, video_stream: int | None) -> Identity | None:
    """Returns the identity of a video, or `None` if the state of its file is unknown.

    Args:
        path: The file.
        video_stream: Index of the video stream, or `None` for the default one.
    """
    state = files.state(path)
    if state is None:
        return None
    name = path if files.is_remote(path) else os.path.abspath(path)
    return name, *state, -1 if video_stream is None else video_stream


class MemoryCache:
    """Keeps the most recently used timelines.

    Args:
        most_bytes: Maximum size in bytes.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._timelines: OrderedDict[Identity, Timeline] = OrderedDict()
        self._num_bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Identity) -> Timeline | None:
        """Returns the timeline of a video, if it is cached."""
        with self._lock:
            timeline = self._timelines.get(key)
            if timeline is not None:
                self._timelines.move_to_end(key)
            return timeline

    def has(self, key: Identity) -> bool:
        """Whether the timeline of a video is cached."""
        with self._lock:
            return key in self._timelines

    def put(self, key: Identity, timeline: Timeline) -> None:
        """Keeps a timeline, and removes others if there is no room for all."""
        # Other readers use the same arrays.
        for column in (vars(timeline) | vars(timeline.packets)).values():
            if isinstance(column, np.ndarray):
                column.setflags(write=False)
        with self._lock:
            former = self._timelines.pop(key, None)
            if former is not None:
                self._num_bytes -= former.num_bytes
            self._timelines[key] = timeline
            self._num_bytes += timeline.num_bytes
            while self._num_bytes > self._most_bytes:
                _, oldest = self._timelines.popitem(last=False)
                self._num_bytes -= oldest.num_bytes


class DirectoryCache:
    """Keeps timelines in files.

    Args:
        directory: The directory, created when the first timeline is stored.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = Path(directory)

    def get(self, key: Identity) -> Timeline | None:
        """Returns the timeline of a video, if an intact one is cached."""
        try:
            content = self._file(key).read_bytes()
        except OSError:
            return None
        return _unpacked(content, key)

    def has(self, key: Identity) -> bool:
        """Whether a timeline is cached for the path of a video."""
        return self._file(key).exists()

    def put(self, key: Identity, timeline: Timeline) -> None:
        """Stores a timeline. If the disk is full, it is skipped without an error."""
        target = self._file(key)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=target.parent, suffix=".part")
        except OSError:
            return
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_packed(timeline, key))
            os.replace(name, target)
        except OSError:
            Path(name).unlink(missing_ok=True)

    def _file(self, key: Identity) -> Path:
        name, *_, stream = key
        text = f"{stream}:{name}".encode("utf-8", "surrogateescape")
        digest = hashlib.sha256(text).hexdigest()
        return self._directory / digest[:2] / f"{digest[2:34]}.timeline"


def _packed(timeline: Timeline, key: Identity) -> bytes:
    """Returns a checksum, a line that describes the content, and the numbers."""
    columns = {
        name: column
        for name, column in (vars(timeline) | vars(timeline.packets)).items()
        if isinstance(column, np.ndarray)
    }
    head = {
        "key": [_VERSION, *key],
        "flags": [timeline.is_decoded, timeline.is_packed],
        "columns": [
            (name, column.dtype.str, column.shape) for name, column in columns.items()
        ],
    }
    body = zlib.compress(b"".join(column.tobytes() for column in columns.values()), 1)
    content = json.dumps(head).encode() + b"\n" + body
    return hashlib.sha256(content).digest() + content


def _unpacked(content: bytes, key: Identity) -> Timeline | None:
    size = hashlib.sha256().digest_size
    digest, content = content[:size], content[size:]
    if hashlib.sha256(content).digest() != digest:
        return None
    line, _, body = content.partition(b"\n")
    try:
        head = json.loads(line)
        if head["key"] != [_VERSION, *key]:
            return None
        numbers = zlib.decompress(body)
        columns, place = {}, 0
        for name, kind, shape in head["columns"]:
            count = math.prod(shape)
            column = np.frombuffer(numbers, np.dtype(kind), count, place)
            columns[name] = column.reshape(shape)
            place += column.nbytes
        names = [field.name for field in fields(Packets)]
        packets = Packets(**{name: columns.pop(name) for name in names})
        is_decoded, is_packed = head["flags"]
        return Timeline(
            packets=packets, is_decoded=is_decoded, is_packed=is_packed, **columns
        )
    except (KeyError, TypeError, ValueError, zlib.error):
        return None
