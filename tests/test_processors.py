"""Cores that are granted, not those of the machine."""

import os
from pathlib import Path

import pytest

from keras_nonlocal import processors
from tests.control_group_files import replace_control_groups, write


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 16 cores without any limit."""
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(processors, "_usable_cores", lambda: 16)
    replace_control_groups(tmp_path, monkeypatch)
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000", 16),
        ("200000 100000", 2),
        ("250000 100000", 3),
        ("10000 100000", 1),
        ("9900000 100000", 16),
        ("", 16),
        ("0 0", 16),
    ],
)
@pytest.mark.parametrize("folder", ["pod/container", "pod", "."])
def test_quotas_at_any_level(
    cgroups: Path, limit: str, expected: int, folder: str
) -> None:
    write(cgroups, f"{folder}/cpu.max", limit)
    assert processors.num_processors() == expected


def test_names_of_groups_are_bytes(cgroups: Path) -> None:
    (cgroups / "own").write_bytes(b"0::/caf\xe9\n")
    write(cgroups, os.fsdecode(b"caf\xe9/cpu.max"), "200000 100000")
    assert processors.num_processors() == 2


def test_quotas_of_the_first_version(cgroups: Path) -> None:
    (cgroups / "own").write_text("4:memory:/x\n3:cpu,cpuacct:/docker/7\n1:name=s:/\n")
    write(cgroups, "cpu/docker/7/cpu.cfs_quota_us", "-1\n")
    write(cgroups, "cpu/docker/7/cpu.cfs_period_us", "100000\n")
    assert processors.num_processors() == 16
    write(cgroups, "cpu/docker/cpu.cfs_quota_us", "500000\n")
    write(cgroups, "cpu/docker/cpu.cfs_period_us", "100000\n")
    assert processors.num_processors() == 5


def test_without_control_groups(cgroups: Path) -> None:
    (cgroups / "own").unlink()
    assert processors.num_processors() == 16


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="of Linux")
def test_the_cores_that_a_process_is_bound_to() -> None:
    granted = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(granted)})
        assert processors.num_processors() == 1
    finally:
        os.sched_setaffinity(0, granted)
