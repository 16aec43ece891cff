"""Access to files by path: local ones, and remote ones through `tf.io.gfile`."""

import codecs
import errno
import io
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from keras_nonlocal.optional_packages import import_tensorflow

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether a path starts with a scheme, as in `gs://bucket/video.mp4`."""
    return _SCHEME.match(os.fspath(path)) is not None


def open_bytes(path: str | os.PathLike[str]) -> IO[bytes]:
    """Opens a file to read its bytes in any order.

    Raises:
        OSError: If the file cannot be opened.
    """
    name = os.fspath(path)
    if not is_remote(name):
        check_readable(name)
        return open(name, "rb")
    return io.BufferedReader(_RemoteBytes(name), 2**20)


def check_readable(path: str) -> None:
    """Rejects a local path that could block a reader forever, such as a pipe.

    Raises:
        OSError: If the path is neither a regular file nor a directory.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "Not a regular file", path)


def open_text(path: str | os.PathLike[str]) -> IO[str]:
    """Opens a text file in UTF-8, or in UTF-16 with a byte order mark.

    Bytes that are not UTF-8 are decoded as in file names (`surrogateescape`).

    Raises:
        OSError: If the file cannot be opened.
    """
    content = open_bytes(path)
    start = content.read(2)
    content.seek(0)
    # Windows PowerShell redirects the output of commands to files in UTF-16.
    is_wide = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return io.TextIOWrapper(
        content,
        encoding="utf-16" if is_wide else "utf-8-sig",
        errors="replace" if is_wide else "surrogateescape",
        newline="",
    )


def exists(path: str) -> bool:
    """Whether a file or a directory exists."""
    if is_remote(path):
        return bool(import_tensorflow().io.gfile.exists(path))
    return os.path.exists(path)


def is_directory(path: str) -> bool:
    """Whether a directory exists."""
    if is_remote(path):
        return bool(import_tensorflow().io.gfile.isdir(path))
    return os.path.isdir(path)


def state(path: str) -> tuple[int, int] | None:
    """Returns the size of a file in bytes and its modification time in ns.

    Returns `None` if the path does not exist or is a directory.
    """
    if is_remote(path):
        tf = import_tensorflow()
        try:
            facts = tf.io.gfile.stat(path)
        except tf.errors.OpError:
            return None
        return None if facts.is_directory else (facts.length, facts.mtime_nsec)
    try:
        local = os.stat(path)
    except (OSError, ValueError):  # of a name with a null byte
        return None
    is_file = stat.S_ISREG(local.st_mode)
    return (local.st_size, local.st_mtime_ns) if is_file else None


def make_directory(path: str) -> None:
    """Creates a directory and its missing parents."""
    if is_remote(path):
        import_tensorflow().io.gfile.makedirs(path)
    else:
        os.makedirs(path, exist_ok=True)


def rename(path: str, target: str) -> None:
    """Renames a file and replaces any file that has the new name."""
    if is_remote(path):
        import_tensorflow().io.gfile.rename(path, target, overwrite=True)
    else:
        os.replace(path, target)


def remove(path: str) -> None:
    """Removes a file, if it exists.

    Raises:
        OSError: If it cannot be removed.
    """
    if not is_remote(path):
        Path(path).unlink(missing_ok=True)
        return
    tf = import_tensorflow()
    try:
        tf.io.gfile.remove(path)
    except tf.errors.NotFoundError:
        pass
    except tf.errors.OpError as error:
        raise os_error(error) from None


def printable(path: str) -> str:
    """Returns a path with a replacement character for each byte that is not UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def list_names(directory: str) -> list[str]:
    """Returns the names in a directory, in alphanumeric order.

    Raises:
        OSError: If the directory does not exist.
    """
    if not is_remote(directory):
        return sorted(os.listdir(directory))
    tf = import_tensorflow()
    try:
        names = tf.io.gfile.listdir(directory)
    except tf.errors.OpError as error:
        raise os_error(error) from None
    # Object stores end the names of directories with a slash.
    return sorted(name.rstrip("/") for name in names)


def walk(
    directory: str, follow_links: bool = False
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yields each directory, its subdirectories and its files, as `os.walk` does.

    A directory that several links lead to is visited once. Links to a directory that
    contains `directory` are loops, and are not followed.
    """
    if not is_remote(directory):
        visited = {*map(str, Path(os.path.realpath(directory)).parents)}
        for folder, subfolders, files in os.walk(directory, followlinks=follow_links):
            place = os.path.realpath(folder)
            if place in visited:
                subfolders.clear()
                continue
            visited.add(place)
            subfolders.sort()
            yield folder, subfolders, sorted(files)
        return
    subfolders, files = [], []
    for name in list_names(directory):
        is_folder = is_directory(os.path.join(directory, name))
        (subfolders if is_folder else files).append(name)
    yield directory, subfolders, files
    for name in subfolders:
        yield from walk(os.path.join(directory, name))


class _RemoteBytes(io.RawIOBase):
    """A `tf.io.gfile.GFile` with the interface and the errors of Python's files."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._errors = import_tensorflow().errors
        self._file = import_tensorflow().io.gfile.GFile(path, "rb")
        self.name = path
        self._size = int(self._call(self._file.size))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._call(self._file.read, len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_END: self._size}.get(whence)
        place = offset + (self.tell() if start is None else start)
        self._call(self._file.seek, place)
        return place

    def tell(self) -> int:
        return int(self._call(self._file.tell))

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def _call(self, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except self._errors.OpError as error:
            raise os_error(error) from None


def os_error(error: Any) -> OSError:
    """Converts an error of TensorFlow's file systems to Python's counterpart."""
    if error.error_code == 5:  # NOT_FOUND
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return OSError(errno.EIO, error.message)
