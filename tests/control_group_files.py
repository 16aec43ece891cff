"""Files of control groups in a folder, in place of those of the system."""

from pathlib import Path

import pytest

from keras_nonlocal import control_groups


def replace_control_groups(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts this process into the group `pod/container`, without any limit."""
    monkeypatch.setattr(control_groups, "_CGROUPS", str(folder / "fs"))
    monkeypatch.setattr(control_groups, "_OWN_CGROUPS", str(folder / "own"))
    (folder / "own").write_text("0::/pod/container\n")


def write(folder: Path, name: str, text: str) -> None:
    """Writes a file of a group."""
    path = folder / "fs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
