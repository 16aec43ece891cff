"""Finds the timeline of a file in memory, in a directory or in the file itself."""

import os

from keras_nonlocal.data.readers.container import VideoFile
from keras_nonlocal.data.readers.decoded_timeline import decoded_timeline
from keras_nonlocal.data.readers.first_timeline import find_timeline
from keras_nonlocal.data.readers.timeline import Timeline
from keras_nonlocal.data.readers.timeline_cache import (
    DirectoryCache,
    MemoryCache,
    identity,
)
from keras_nonlocal.files import local_path

_MEMORY = MemoryCache()


class Timelines:
    """Finds and caches the timeline of a file.

    Args:
        path: The file.
        video_stream: Index of the video stream, or `None` for the default one.
        directory: Directory for timelines between runs, or `None`.
    """

    def __init__(
        self,
        path: str,
        video_stream: int | None,
        directory: str | os.PathLike[str] | None,
    ) -> None:
        self._caches: list[MemoryCache | DirectoryCache] = []
        known_by = identity(path, video_stream)
        if known_by is None:
            return
        self._key = known_by
        self._caches.append(_MEMORY)
        if directory is not None:
            folder = local_path("timeline_cache", directory).expanduser()
            self._caches.append(DirectoryCache(folder))

    def get(self, video: VideoFile) -> Timeline:
        """Returns the timeline of an open file."""
        found = None
        missed = []
        for cache in self._caches:
            if found is None:
                found = cache.get(self._key)
                is_missing = found is None
            else:
                # The video may have been read before without this directory.
                is_missing = not cache.has(self._key)
            missed += [cache] if is_missing else []
        timeline = find_timeline(video) if found is None else found
        for cache in missed:
            cache.put(self._key, timeline)
        return timeline

    def renew(self, video: VideoFile) -> Timeline:
        """Decodes all frames of a file whose timeline was wrong."""
        timeline = decoded_timeline(video)
        for cache in self._caches:
            cache.put(self._key, timeline)
        return timeline
