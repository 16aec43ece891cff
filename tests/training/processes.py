"""Python processes of their own, for what needs a TensorFlow that was not used yet."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def start_module(
    module: str, *arguments: str, **environment: str
) -> subprocess.Popen[str]:
    """Starts `python -m module` at the root of the repository."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "tensorflow", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result_of(process: subprocess.Popen[str]) -> Any:
    """The JSON object on the last line that a process prints."""
    return results_of(process)[0]


def results_of(*processes: subprocess.Popen[str]) -> list[Any]:
    """The same of processes that work together: where one fails, all have ended."""
    printed = [process.communicate() for process in processes]
    for process, (_, errors) in zip(processes, printed, strict=True):
        assert process.returncode == 0, errors[-4000:]
    return [json.loads(output.splitlines()[-1]) for output, _ in printed]
