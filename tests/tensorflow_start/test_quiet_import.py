"""What reaches the terminal while a package that writes much is imported."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import keras_nonlocal

STARTUP_LINE = (
    "I0000 00:00:1795629923.231307 15852 port.cc:153] oneDNN custom operations are on."
)
IMPORT = f"""
import sys
sys.path.insert(0, {str(Path(keras_nonlocal.__file__).parents[1])!r})
from keras_nonlocal.tensorflow_start import start_quietly
start_quietly()
import tensorflow
print("afterwards", file=sys.stderr)
"""


def import_module(tmp_path, content, **environment):
    """Imports a package named tensorflow with this content, in a new process."""
    config = "class config:\n    list_physical_devices = staticmethod(lambda: [])\n"
    (tmp_path / "tensorflow.py").write_text(config + content)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT],
        env=kept | {"PYTHONPATH": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_only_startup_lines_are_hidden(tmp_path):
    content = f"""
import os, subprocess, sys, threading
os.write(2, {STARTUP_LINE + chr(10)!r}.encode())
os.write(2, b"an error\\n")
thread = threading.Thread(target=os.write, args=(2, b"of a thread\\n"))
thread.start()
thread.join()
subprocess.run(["sh", "-c", "echo of a program >&2"], check=True)
print("of python", file=sys.stderr)
os.write(2, b"unfinished ")
"""
    finished = import_module(tmp_path, content)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == ""
    assert finished.stderr == (
        "an error\nof a thread\nof a program\nof python\nunfinished afterwards\n"
    )


def test_who_asks_for_every_line_sees_every_line(tmp_path):
    content = f"import os; os.write(2, {STARTUP_LINE + chr(10)!r}.encode())"
    finished = import_module(tmp_path, content, TF_CPP_MIN_LOG_LEVEL="0")
    assert finished.stderr == f"{STARTUP_LINE}\nafterwards\n"


def test_lines_appear_when_the_import_kills_the_process(tmp_path):
    content = """
import os, signal
os.write(2, b"the last words\\nand more")
os.kill(os.getpid(), signal.SIGKILL)
"""
    finished = import_module(tmp_path, content)
    assert finished.returncode == -signal.SIGKILL
    assert finished.stderr == "the last words\nand more"


def test_a_failing_import_shows_its_traceback(tmp_path):
    finished = import_module(tmp_path, 'raise RuntimeError("no such library")')
    assert finished.returncode == 1
    assert finished.stderr.endswith("RuntimeError: no such library\n")
    assert "afterwards" not in finished.stderr


def test_a_program_that_outlives_the_import_keeps_its_stderr(tmp_path):
    content = """
import os
os.spawnlp(os.P_NOWAIT, "sh", "sh", "-c", "sleep 0.5; echo later >&2")
"""
    finished = import_module(tmp_path, content)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == "afterwards\nlater\n"


def test_without_a_terminal_it_starts_all_the_same(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "class config:\n    list_physical_devices = staticmethod(lambda: [])\n"
    )
    code = f"import os\nos.close(2)\n{IMPORT.replace('print', 'str')}"
    code = code.replace(", file=sys.stderr)", ")") + "\nprint('done')"
    finished = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert (finished.returncode, finished.stdout) == (0, "done\n")


@pytest.mark.slow
def test_tensorflow_itself_starts_in_silence(tmp_path):
    pytest.importorskip("tensorflow")
    code = IMPORT + "tensorflow.constant(1.0) + 1\n"
    finished = subprocess.run(
        [sys.executable, "-c", code],
        env={k: v for k, v in os.environ.items() if not k.startswith("TF_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stderr == "afterwards\n"
