"""Memory that is granted, not that of the machine."""

import os
from pathlib import Path

import pytest

from keras_nonlocal import control_groups, memory
from tests.control_group_files import replace_control_groups, write

MACHINE = 2**34


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 16 GiB without any limit."""
    monkeypatch.setattr(memory, "_memory_of_machine", lambda: [MACHINE])
    replace_control_groups(tmp_path, monkeypatch)
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max", MACHINE),
        (str(2**30), 2**30),
        (str(2**40), MACHINE),
        ("", MACHINE),
        ("0", MACHINE),
    ],
)
@pytest.mark.parametrize("folder", ["pod/container", "pod", "."])
def test_limits_at_any_level(
    cgroups: Path, limit: str, expected: int, folder: str
) -> None:
    write(cgroups, f"{folder}/memory.max", f"{limit}\n")
    assert memory.memory_of_process() == expected


def test_the_least_limit_counts(cgroups: Path) -> None:
    write(cgroups, "pod/memory.max", str(2**31))
    write(cgroups, "pod/container/memory.max", str(2**32))
    assert memory.memory_of_process() == 2**31


def test_limits_of_the_first_version(cgroups: Path) -> None:
    (cgroups / "own").write_text("4:memory:/docker/7\n3:cpu,cpuacct:/x\n1:name=s:/\n")
    write(cgroups, "memory/docker/7/memory.limit_in_bytes", "9223372036854771712\n")
    write(cgroups, "memory/x/memory.limit_in_bytes", "1024\n")
    assert memory.memory_of_process() == MACHINE
    write(cgroups, "memory/docker/memory.limit_in_bytes", "1073741824\n")
    assert memory.memory_of_process() == 2**30


def test_without_control_groups(cgroups: Path) -> None:
    (cgroups / "own").unlink()
    assert memory.memory_of_process() == MACHINE


def test_a_system_that_tells_nothing(
    cgroups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(control_groups, "_OWN_CGROUPS", str(cgroups / "none"))
    monkeypatch.delattr(os, "sysconf")
    assert memory.memory_of_process() is None


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="of Unix")
def test_this_machine() -> None:
    found = memory.memory_of_process()
    assert found is not None
    assert 2**26 < found <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
