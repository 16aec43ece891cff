"""Files of the control groups of Linux, which limit what a process may use."""

from pathlib import Path

_CGROUPS = "/sys/fs/cgroup"
_OWN_CGROUPS = "/proc/self/cgroup"


def folders(controller: str) -> list[Path]:
    """Returns the folders of this process's control groups and of their parents.

    Args:
        controller: What the groups limit, `"cpu"` or `"memory"`. Only groups of the
            first version are separate for each.
    """
    found = []
    for line in lines(Path(_OWN_CGROUPS)):
        _, controllers, place = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = Path(_CGROUPS, controller if controllers else "")
        group = root / place.lstrip("/")
        # A container may see its own group as the root.
        found += [group, *(above for above in group.parents if root in above.parents)]
        found.append(root)
    return found


def words(path: Path) -> list[str]:
    """Returns the words of a file, or none if it does not exist."""
    return " ".join(lines(path)).split()


def lines(path: Path) -> list[str]:
    """Returns the lines of a file, or none if it does not exist."""
    try:
        return path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
