"""Which lines TensorFlow's start loses, and that nothing else is lost."""

import pytest

from keras_nonlocal.tensorflow_start.line_filter import LineFilter, is_startup_line

STARTUP = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to "
    "STDERR",
    "I0000 00:00:1795629923.231307   15852 port.cc:153] oneDNN custom operations are "
    "on. You may see slightly different numerical results",
    "2024-07-01 08:00:00.123456: I tensorflow/core/util/port.cc:113] oneDNN custom "
    "operations are on. You may see",
    "I0000 00:00:1795629923.330857   15852 cpu_feature_guard.cc:227] This TensorFlow "
    "binary is optimized to use available CPU instructions",
    "To enable the following instructions: AVX2 FMA, in other operations, rebuild",
    "E0000 00:00:1795630276.361015   23870 cuda_platform.cc:52] failed call to cuInit: "
    "INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)",
    "2024-07-01 08:00:00.123456: E external/local_xla/xla/stream_executor/cuda/"
    "cuda_fft.cc:479] Unable to register cuFFT factory: Attempting to register",
]
OTHERS = [
    "E0000 00:00:1795630276.361015   23870 cuda_platform.cc:52] failed call to cuInit: "
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: system has unsupported display driver",
    "F0000 00:00:1795630276.361015   23870 x.cc:5] oneDNN custom operations are on.",
    "W0000 00:00:1795630276.361015   23870 gpu_device.cc:2341] Cannot dlopen some GPU "
    "libraries.",
    "Traceback (most recent call last):",
    "see: oneDNN custom operations are on.",
    "",
]


@pytest.mark.parametrize("line", STARTUP)
def test_startup_lines_are_known(line):
    assert is_startup_line(line.encode() + b"\n")


@pytest.mark.parametrize("line", OTHERS)
def test_other_lines_are_not(line):
    assert not is_startup_line(line.encode() + b"\n")


def test_text_in_any_pieces_loses_only_the_known_lines(rng):
    mark = b"\0mark\0"
    lines = [*STARTUP, *OTHERS, "caf\u00e9 \u4e2d\r", "progress\rprogress"]
    for _ in range(20):
        chosen = [lines[i] for i in rng.integers(len(lines), size=30)]
        kept = [line for line in chosen if line not in STARTUP]
        text = "".join(f"{line}\n" for line in chosen).encode() + b"unfinished" + mark
        cuts = sorted(rng.integers(len(text), size=10).tolist())
        passed = []
        line_filter = LineFilter(passed.append, mark)
        marks = sum(
            line_filter.feed(text[begin:end])
            for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)
        )
        assert marks == 1
        expected = "".join(f"{line}\n" for line in kept).encode() + b"unfinished"
        assert b"".join(passed) == expected
        line_filter.feed(b"rest")
        line_filter.finish()
        assert b"".join(passed) == expected + b"rest"
