"""Errors that need no network come before the import of TensorFlow."""

import os
import subprocess
import sys
import zipfile

import pytest

from keras_nonlocal.cli import main

PROGRAM = """
import sys
from keras_nonlocal.cli import main
code = main(sys.argv[1:])
print(sorted({"keras", "tensorflow"} & {*sys.modules}))
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("predict missing.keras a.mp4", "`.keras` file that exists"),
        ("evaluate missing.keras videos", "`.keras` file that exists"),
        ("export missing.keras out", "`.keras` file that exists"),
        ("visualize missing.keras a.mp4 a.png", "`.keras` file that exists"),
        ("detect missing.keras a.png", "`.keras` file that exists"),
        ("evaluate-coco missing.keras a.json", "`.keras` file that exists"),
        ("train videos --batch-size 0", "`--batch-size` must be at least 1"),
        ("train-coco a.json --epochs 0", "`--epochs` must be at least 1"),
        ("scan missing", "Every VIDEO must exist. Received: 'missing'"),
    ],
)
def test_errors_come_at_once(arguments, message, tmp_path):
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert message in finished.stderr
    assert finished.stdout == "[]\n"
    assert finished.returncode == 2


def test_a_missing_backend_is_one_sentence(tmp_path):
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'jax'\", name='jax')"
    )
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as file:
        file.writestr("config.json", "{}")
    places = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    finished = subprocess.run(
        [sys.executable, "-m", "keras_nonlocal", "predict", "model.keras", "a.mp4"],
        cwd=tmp_path,
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": places},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stderr == (
        "keras-nonlocal: Keras's backend must be installed: `pip install jax`, or set "
        "`KERAS_BACKEND` to one that is: tensorflow, jax or torch. "
        "Received: the backend 'jax'\n"
    )
    assert finished.returncode == 2


def test_a_missing_file_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train-coco", "missing.json"]) == 2
    printed = capsys.readouterr().err
    assert printed == (
        "keras-nonlocal: No such file or directory. Received: 'missing.json'\n"
    )
