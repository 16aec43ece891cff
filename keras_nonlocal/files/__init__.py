"""Files: local and remote paths, atomic writing, and locks.

Three rules apply wherever the package uses files.

- A path may be local or have a scheme, such as `gs://bucket/run`. `paths` reads both.
  Functions that can only write local files check this with `local_path`.
- A reader sees the old file or the complete new one, never a partial file. `replacing`
  writes beside the target under a unique name and renames the file at the end.
  `local_file` checks a target before the work that fills it.
- `lock` guards files and directories that two processes must not write at once.
"""

from keras_nonlocal.files.locks import InUseError, lock
from keras_nonlocal.files.paths import (
    check_readable,
    exists,
    is_directory,
    is_remote,
    list_names,
    make_directory,
    open_bytes,
    open_text,
    printable,
    remove,
    rename,
    state,
    walk,
)
from keras_nonlocal.files.writing import local_file, local_path, replacing, same_file

__all__ = [
    "InUseError",
    "check_readable",
    "exists",
    "is_directory",
    "is_remote",
    "list_names",
    "local_file",
    "local_path",
    "lock",
    "make_directory",
    "open_bytes",
    "open_text",
    "printable",
    "remove",
    "rename",
    "replacing",
    "same_file",
    "state",
    "walk",
]
