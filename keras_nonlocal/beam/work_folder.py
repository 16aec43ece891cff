"""The folder that the launcher and the workers of a pipeline share.

| file | holds | written by |
|---|---|---|
| `settings.json` | what the results depend on; written after the list | launcher |
| `list/000012.jsonl` | the videos of chunk 12, a line each | launcher |
| `outcomes/000012/12345.json` | the outcome of a video | worker |
| `errors/12345.json` | why a video cannot be read | worker |
| `parts/000012.jsonl` | the outcomes of chunk 12, a line for each video | worker |
| `failures.jsonl` | path and reason of each video that cannot be read | launcher |

All of them are replaced atomically and named by what they hold. So it does not matter
how often, in which order or by how many workers they are written.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from keras_nonlocal import files
from keras_nonlocal.beam.json_files import (
    for_each,
    read_json,
    read_lines,
    read_many,
    write_lines,
)
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.video_reader import VideoError

# Number of videos whose outcomes end up in one file.
CHUNK_SIZE = 1000

# The outcome of a video in JSON types; `{"error": reason}` if it cannot be read.
Outcome = dict[str, Any]

_NUMBERED_FILE = re.compile(r"(\d+)\.json")


class Video(NamedTuple):
    """A video of the list.

    Args:
        number: Its index in the list.
        path: The file.
        segment: Begin and end in seconds of its part, or `None` for all of it.
    """

    number: int
    path: str
    segment: tuple[float, float] | None

    @classmethod
    def parsed(cls, values: Sequence[Any]) -> "Video":
        """Returns the video of what JSON has made of it."""
        number, path, segment = values
        return cls(number, path, _pair(segment))


@dataclass(frozen=True)
class WorkFolder:
    """The folder of a list of videos. Workers get a copy of this small object.

    Args:
        path: The folder; it may have a scheme, such as `gs://…`.
        num_videos: Length of the list.
        chunk_size: Number of videos in each chunk but the last.
    """

    path: str
    num_videos: int
    chunk_size: int

    @property
    def num_chunks(self) -> int:
        """Number of chunks of the list."""
        return -(-self.num_videos // self.chunk_size)

    def prepare(
        self, videos: VideoList, settings: Mapping[str, Any], argument: str
    ) -> None:
        """Writes the list, or checks that the folder was prepared for the same one.

        Args:
            videos: The list.
            settings: Everything that the outcomes depend on, in JSON types.
            argument: Name of the user's argument with the folder, for errors.

        Raises:
            ValueError: If the folder is of another list or of other settings.
        """
        wanted = {
            **settings,
            "videos": _fingerprint(videos),
            "chunk_size": self.chunk_size,
        }
        # As JSON has it: with lists in place of tuples.
        wanted = json.loads(json.dumps(wanted))
        found = read_json(self._file("settings.json"))
        if found is not None:
            _check_settings(argument, self.path, found, wanted)
            return
        for name in ("list", "parts", "errors", "outcomes"):
            files.make_directory(self._file(name))

        def write_list(chunk: int) -> None:
            lines = map(json.dumps, _videos_of(videos, self._indices(chunk)))
            write_lines(self._list_file(chunk), lines)

        for_each(write_list, range(self.num_chunks))
        write_lines(self._file("settings.json"), [json.dumps(wanted)])

    def listed(self, chunk: int) -> list[Video]:
        """Returns the videos of a chunk."""
        lines = read_lines(self._list_file(chunk))
        if lines is None:
            raise FileNotFoundError(self._list_file(chunk))
        return [*map(Video.parsed, lines)]

    def unfinished_chunks(self) -> list[int]:
        """Returns the chunks with videos that have no outcome yet, or an error."""

        def is_unfinished(chunk: int) -> bool:
            return len(self.known_outcomes(chunk)) < len(self._indices(chunk))

        chunks = range(self.num_chunks)
        unfinished = for_each(is_unfinished, chunks)
        return [chunk for chunk, is_it in zip(chunks, unfinished, strict=True) if is_it]

    def known_outcomes(self, chunk: int) -> dict[int, Outcome]:
        """Returns the outcomes in the part of a chunk, without the errors."""
        lines = read_lines(self._part_file(chunk)) or ()
        return {index: outcome for index, outcome in lines if "error" not in outcome}

    def indices_with_outcome(self, chunk: int) -> set[int]:
        """Returns the videos whose outcomes wait to become a part."""
        try:
            names = files.list_names(self._outcome_folder(chunk))
        except FileNotFoundError:
            files.make_directory(self._outcome_folder(chunk))
            return set()
        return _numbers(names)

    def has_outcome(self, video: Video) -> bool:
        """Whether the outcome of a video waits to become a part."""
        return files.exists(self._outcome_file(video.number))

    def write_outcome(self, video: Video, outcome: Outcome) -> None:
        """Keeps the outcome of a video."""
        write_lines(self._outcome_file(video.number), [json.dumps(outcome)])

    def write_error(self, video: Video, reason: str) -> None:
        """Keeps why a video cannot be read."""
        error = {"path": video.path, "segment": video.segment, "reason": reason}
        write_lines(self._error_file(video.number), [json.dumps(error)])

    def remove_error(self, video: Video) -> None:
        """Removes the error of an earlier attempt at a video."""
        if files.exists(self._error_file(video.number)):
            files.remove(self._error_file(video.number))

    def clear_errors(self) -> None:
        """Removes the errors of an earlier run, which tries those videos again."""
        for index in self.indices_with_error():
            files.remove(self._error_file(index))

    def indices_with_error(self) -> set[int]:
        """Returns the videos that cannot be read, as far as this run knows."""
        return _numbers(files.list_names(self._file("errors")))

    def errors(self) -> dict[int, VideoError]:
        """Returns the errors of the videos that cannot be read, by their indices."""
        indices = sorted(self.indices_with_error())
        found = read_many([self._error_file(index) for index in indices])
        return {
            index: VideoError(error["path"], error["reason"], _pair(error["segment"]))
            for index, error in zip(indices, found, strict=True)
            if error
        }

    def write_part(self, chunk: int) -> None:
        """Gathers the outcomes of a chunk in its part, and removes their files.

        Raises:
            RuntimeError: If a video has neither an outcome nor an error.
        """
        known = self.known_outcomes(chunk)
        new = sorted(self.indices_with_outcome(chunk) - {*known})
        found = read_many([self._outcome_file(index) for index in new])
        known |= {index: o for index, o in zip(new, found, strict=True) if o}
        missing = [index for index in self._indices(chunk) if index not in known]
        errors = read_many([self._error_file(index) for index in missing])
        for index, error in zip(missing, errors, strict=True):
            if error is None:
                raise RuntimeError(
                    "Every video must have an outcome before it is gathered. "
                    f"Received: none for the video {index} in {self.path!r}"
                )
            known[index] = {"error": error["reason"]}
        lines = (json.dumps([index, known[index]]) for index in self._indices(chunk))
        write_lines(self._part_file(chunk), lines)
        left = self.indices_with_outcome(chunk)
        for_each(files.remove, [self._outcome_file(index) for index in left])
        # Of two workers with the same video, one may have had an error of the network.
        scored = {*self._indices(chunk)} - {*missing}
        for index in self.indices_with_error() & scored:
            files.remove(self._error_file(index))

    def outcomes(self) -> Iterator[tuple[int, Outcome]]:
        """Yields the index and the outcome of each video, in the order of the list."""
        for chunk in range(self.num_chunks):
            yield from map(tuple, read_lines(self._part_file(chunk)) or ())

    def write_failures(
        self, failures: Iterable[VideoError], path: str | None = None
    ) -> None:
        """Writes the list of the videos that cannot be read.

        Args:
            failures: The errors of the videos.
            path: The file. Defaults to `failures.jsonl` in this folder.
        """
        lines = (
            json.dumps(
                {"path": error.path, "segment": error.segment, "reason": error.reason}
            )
            for error in failures
        )
        write_lines(path or self._file("failures.jsonl"), lines)

    def _indices(self, chunk: int) -> range:
        first = chunk * self.chunk_size
        return range(first, min(first + self.chunk_size, self.num_videos))

    def _file(self, *names: str) -> str:
        return os.path.join(self.path, *names)

    def _list_file(self, chunk: int) -> str:
        return self._file("list", f"{chunk:06d}.jsonl")

    def _part_file(self, chunk: int) -> str:
        return self._file("parts", f"{chunk:06d}.jsonl")

    def _outcome_folder(self, chunk: int) -> str:
        return self._file("outcomes", f"{chunk:06d}")

    def _outcome_file(self, index: int) -> str:
        folder = self._outcome_folder(index // self.chunk_size)
        return os.path.join(folder, f"{index}.json")

    def _error_file(self, index: int) -> str:
        return self._file("errors", f"{index}.json")


def _videos_of(videos: VideoList, indices: Iterable[int]) -> Iterator[Video]:
    for index in indices:
        segment = videos.segments[index] if videos.segments else None
        yield Video(index, videos.paths[index], segment)


def _pair(segment: Sequence[float] | None) -> tuple[float, float] | None:
    return None if segment is None else (segment[0], segment[1])


def _fingerprint(videos: VideoList) -> str:
    digest = hashlib.sha256()
    for video in _videos_of(videos, range(len(videos.paths))):
        digest.update(json.dumps(video).encode())
    return f"{len(videos.paths)}, {digest.hexdigest()[:16]}"


def _check_settings(
    argument: str, path: str, found: dict[str, Any], wanted: dict[str, Any]
) -> None:
    differing = [
        name
        for name in sorted({*found, *wanted})
        if found.get(name) != wanted.get(name)
    ]
    if differing:
        # The others may differ because these do.
        first = [name for name in ("pipeline", "videos", "model") if name in differing]
        raise ValueError(
            f"`{argument}` holds results for other videos or arguments; name a new "
            f"directory. Received: {argument}={path!r} with another "
            f"{', '.join(first[:1] or differing)}"
        )


def _numbers(names: Iterable[str]) -> set[int]:
    matches = map(_NUMBERED_FILE.fullmatch, names)
    return {int(match[1]) for match in matches if match}
