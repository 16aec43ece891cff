"""A program that copies its input to standard error, except some known lines.

`quiet_import` starts it as a separate process, so TensorFlow's lines still appear if
the importing process is killed. It uses only Python's standard library.
"""

import os
import re
import signal
import sys
from collections.abc import Callable

# The beginnings of lines from TensorFlow and absl: "I0000 00:00:1795629923.231307
# 15852 port.cc:153] " or, up to 2.16, "2024-05-01 10:11:12.131415: I
# tensorflow/core/util/port.cc:113] ".
_PREFIX = (
    rb"(?:[IWE]\d{4} [\d:.]+ +\d+ |\d{4}-\d\d-\d\d [\d:.]+: [IWE] )[\w./-]+:\d+\] "
)
_MESSAGES = (
    rb"oneDNN custom operations are on\.",
    rb"This TensorFlow binary is optimized ",
    rb"Could not find cuda drivers on your machine",
    rb"TF-TRT Warning: Could not find TensorRT",
    rb"Unable to register cu\w+ (?:plugin )?factory: ",
    rb"computation placer already registered\.",
    # Without a driver or without a device; other reasons are errors.
    rb"failed call to cuInit: .*(?:UNKNOWN ERROR \(303\)|CUDA_ERROR_NO_DEVICE)",
    rb"successful NUMA node read from SysFS had negative value",
)
_WITHOUT_PREFIX = (
    rb"WARNING: All log messages before absl::InitializeLog\(\) is called are written ",
    rb"To enable the following instructions: ",
)
_STARTUP_LINE = re.compile(
    _PREFIX + b"(?:" + b"|".join(_MESSAGES) + b")|" + b"|".join(_WITHOUT_PREFIX)
)


def is_startup_line(line: bytes) -> bool:
    """Whether TensorFlow writes this line at each normal start."""
    return _STARTUP_LINE.match(line) is not None


class LineFilter:
    """Passes on text line by line, except known lines.

    Args:
        write: Receives the text that is passed on.
        mark: Bytes that end a passage. They are not passed on, but all text before them
            is, even if its last line is incomplete.
    """

    def __init__(self, write: Callable[[bytes], object], mark: bytes) -> None:
        self._write = write
        self._mark = mark
        self._pending = b""

    def feed(self, text: bytes) -> int:
        """Takes some text and returns the number of marks in it."""
        *passages, rest = (self._pending + text).split(self._mark)
        for passage in passages:
            self._pass_on(passage)
        lines, newline, self._pending = rest.rpartition(b"\n")
        self._pass_on(lines + newline)
        return len(passages)

    def finish(self) -> None:
        """Passes on the remaining text."""
        self._pass_on(self._pending)
        self._pending = b""

    def _pass_on(self, text: bytes) -> None:
        lines = text.splitlines(keepends=True)
        if kept := b"".join(line for line in lines if not is_startup_line(line)):
            self._write(kept)


def main() -> None:
    """Filters file descriptor 0 to 2 and acknowledges each mark with a line on 1."""
    # Ctrl-C reaches all processes of a terminal. This one ends with its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line_filter = LineFilter(_write_all, bytes.fromhex(sys.argv[1]))
    os.write(1, b"\n")
    while text := os.read(0, 1 << 16):
        os.write(1, b"\n" * line_filter.feed(text))
    line_filter.finish()


def _write_all(text: bytes) -> None:
    while text:
        text = text[os.write(2, text) :]


if __name__ == "__main__":
    main()
