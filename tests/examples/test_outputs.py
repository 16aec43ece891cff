"""What examples write by default is no change of the repository."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = [*(ROOT / "examples").glob("*.py"), *(ROOT / "examples").rglob("*.ipynb")]


def folders():
    for path in EXAMPLES:
        text = path.read_text("utf-8")
        for name in re.findall(r"[\w/]*_output\b", text):
            if path.suffix == ".py":
                yield name
            else:
                yield f"{path.parent.relative_to(ROOT)}/{name}"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no repository")
def test_default_outputs_are_ignored():
    names = sorted({*folders()})
    assert len(names) >= 7
    for name in names:
        command = ["git", "check-ignore", "-q", f"{name}/file"]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0, name
