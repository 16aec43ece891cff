"""Atomic writing: files appear completely or not at all."""

import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from keras_nonlocal.files.paths import is_remote, os_error
from keras_nonlocal.files.processes import is_running, machine
from keras_nonlocal.optional_packages import import_tensorflow

# A separate folder, so a search for leftovers lists nothing else.
_FOLDER = ".unfinished"
_NAME = re.compile(r"([0-9a-f]{8})-(\d+)-[0-9a-f]{8}-.*", re.DOTALL)

# Age of leftovers from other machines, whose processes cannot be checked.
_OLD_SECONDS = 24 * 3600

# File systems allow 255 bytes per name, and UTF-8 needs up to 4 per character.
_KEPT_CHARACTERS = 50


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields the path of a new file that replaces `path` when the block ends.

    Readers of `path` see the old file or the complete new one, even after a power
    failure. The new file has a unique name that ends like `path`, so several processes
    may write the same target; the last one wins. If the block raises, the new file is
    removed and `path` stays as it was. Files that killed processes left behind are
    removed by the next call in the same folder.

    A path with a scheme is written to a local temporary file first, which is then
    copied through `tf.io.gfile`. Pipes and character devices, such as `/dev/stdout`,
    get the bytes of a temporary file, too, and stay what they are.

    Args:
        path: The file to create or replace. Its folder must exist. If it is a symbolic
            link, the link stays and the file that it names is replaced.

    Raises:
        OSError: If the file cannot be written, or the path is a folder or another thing
            that is no file. The latter is raised before the block begins.
    """
    if is_remote(path):
        with _replacing_remotely(os.fspath(path)) as unfinished:
            yield unfinished
        return
    if _is_stream(path):
        with _writing_into(Path(path)) as unfinished:
            yield unfinished
        return
    target = _without_links(path)
    unfinished = _created(target)
    try:
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, target)
        _sync_folder(target.parent)
    finally:
        unfinished.unlink(missing_ok=True)
        with suppress(OSError):  # other processes still write here
            unfinished.parent.rmdir()


def local_path(argument: str, path: str | os.PathLike[str]) -> Path:
    """Returns a path to write to as a `pathlib.Path`.

    Args:
        argument: Name of the argument, for the error.
        path: Its value.

    Raises:
        ValueError: If the path has a scheme, as in `gs://bucket/run`. `pathlib` would
            turn it into a local folder named `gs:`.
    """
    if is_remote(path):
        raise ValueError(
            f"`{argument}` must be a local path; copy the result to remote storage "
            f"afterwards. Received: {argument}={os.fspath(path)!r}"
        )
    return Path(path)


def local_file(argument: str, path: str | os.PathLike[str]) -> Path:
    """Returns the path of a file to write, checked before the work that it is for.

    Args:
        argument: Name of the argument, for the error.
        path: Its value.

    Raises:
        ValueError: If the path has a scheme, if its folder does not exist or cannot be
            written to, or if it is a folder or another thing that is no file.
    """
    target = local_path(argument, path)
    received = f"Received: {argument}={str(target)!r}"
    try:
        is_stream = _is_stream(target)
    except OSError as error:
        raise ValueError(
            f"`{argument}` must be a file. {received}, {error.strerror}"
        ) from error
    if is_stream:
        return target
    folder = _without_links(target).parent
    if not folder.is_dir():
        raise ValueError(f"`{argument}` must lie in an existing folder. {received}")
    if not os.access(folder, os.W_OK):
        raise ValueError(
            f"`{argument}` must lie in a folder that can be written to. {received}"
        )
    return target


def same_file(path: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two local paths, written in whatever way, are of one file.

    The file need not exist. Hard links of a file are the same.
    """
    if is_remote(path) or is_remote(other):
        return False
    try:
        if os.path.realpath(path) == os.path.realpath(other):
            return True
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False


def _is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a pipe or a character device.

    Raises:
        OSError: If it is neither this nor a file, but a folder, for instance.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(
            errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path)
        )
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return True
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "Not a regular file", os.fspath(path))
    return False


def _without_links(path: str | os.PathLike[str]) -> Path:
    """Returns the path that a symbolic link leads to, also if nothing is there."""
    return Path(os.path.realpath(path) if os.path.islink(path) else path)


def _created(target: Path) -> Path:
    """Creates an empty file of a unique name beside the target."""
    folder = target.parent / _FOLDER
    while True:
        with suppress(FileExistsError):
            folder.mkdir()
        _remove_leftovers(folder)
        unfinished = folder / _unique_name(target.name)
        try:
            unfinished.touch(exist_ok=False)
            return unfinished
        except FileNotFoundError:
            # Another process has just removed the empty folder.
            if not target.parent.is_dir():
                raise


def _unique_name(name: str) -> str:
    token = secrets.token_hex(4)
    return f"{machine()}-{os.getpid()}-{token}-{name[-_KEPT_CHARACTERS:]}"


def _remove_leftovers(folder: Path) -> None:
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            with suppress(FileNotFoundError, PermissionError):
                if _is_leftover(path.name, path.stat().st_mtime):
                    path.unlink()


def _is_leftover(name: str, modified: float) -> bool:
    match = _NAME.fullmatch(name)
    if match is None:
        return False
    if match[1] == machine() and not is_running(int(match[2])):
        return True
    # Some storage systems have no modification times.
    return modified > 0 and time.time() - modified > _OLD_SECONDS


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _writing_into(stream: Path) -> Iterator[Path]:
    """Yields the path of a temporary file whose bytes are written to a pipe."""
    with tempfile.TemporaryDirectory(prefix="keras_nonlocal-") as scratch:
        local = Path(scratch, _unique_name(stream.name))
        local.touch()
        yield local
        try:
            with local.open("rb") as content, stream.open("wb") as target:
                shutil.copyfileobj(content, target, 2**22)
        except OSError as error:
            error.filename = os.fspath(stream)
            raise


@contextmanager
def _replacing_remotely(path: str) -> Iterator[Path]:
    tf = import_tensorflow()
    folder, _, name = path.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="keras_nonlocal-") as scratch:
        local = Path(scratch, _unique_name(name))
        yield local
        try:
            _upload(tf, local, f"{folder}/{_FOLDER}-{local.name}", path)
            if folder not in _swept:
                _swept.add(folder)
                _remove_remote_leftovers(tf, folder)
        except tf.errors.OpError as error:
            raise os_error(error) from None


# Remote folders whose leftovers this process has removed. Listing a large one is slow.
_swept: set[str] = set()


def _upload(tf: Any, source: Path, unfinished: str, target: str) -> None:
    # Object stores show complete files only, other file systems do not.
    gfile = tf.io.gfile
    try:
        with source.open("rb") as local, gfile.GFile(unfinished, "wb") as remote:
            shutil.copyfileobj(local, remote, 2**22)
        gfile.rename(unfinished, target, overwrite=True)
    except BaseException:
        with suppress(tf.errors.OpError):
            gfile.remove(unfinished)
        raise


def _remove_remote_leftovers(tf: Any, folder: str) -> None:
    for found in tf.io.gfile.listdir(folder):
        if not found.startswith(f"{_FOLDER}-"):
            continue
        with suppress(tf.errors.OpError):
            path = f"{folder}/{found}"
            modified = tf.io.gfile.stat(path).mtime_nsec / 1e9
            if _is_leftover(found.removeprefix(f"{_FOLDER}-"), modified):
                tf.io.gfile.remove(path)
