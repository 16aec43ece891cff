"""Runs each row of a table in a separate process, without traces of other rows."""

import json
import os
import subprocess
import sys
from typing import Any


def run(
    script: str,
    case: dict[str, Any],
    environment: dict[str, str],
    python: str = sys.executable,
) -> Any:
    """Returns the last line of `script --case CASE`, or of its error.

    Args:
        script: Path of a script that prints JSON.
        case: Value to pass as JSON.
        environment: Environment variables that override those of this process.
        python: Interpreter that runs the script.
    """
    command = [python, script, "--case", json.dumps(case)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        return {"error": lines[-1]}
    return json.loads(done.stdout.splitlines()[-1])
