"""Writes RESULTS.md beside this file: every benchmark's output, when and where.

python benchmarks/page.py --peer ~/SlowFast          # all sections
python benchmarks/page.py --only clips feeding       # these, the others stay
"""

import argparse
import datetime
import os
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER / "RESULTS.md"
# Section -> its title and, for each table, the arguments of a script.
SECTIONS = {
    "networks": ("Networks", [["networks.py", "--former", "--rounds", "2"]]),
    "block": (
        "The non-local block, forward and backward",
        [
            ["nonlocal_block.py"],
            ["nonlocal_block.py", "--all-routes", "--frames", "16"],
            ["nonlocal_block.py", "--operation", "--frames", "16"],
        ],
    ),
    "long_clips": ("A training step on 128 frames", [["long_clips.py"]]),
    "startup": ("From import to the first step", [["startup.py", "--repeats", "3"]]),
    "clips": ("Reading clips", [["clips.py", "--memory-clips", "10000"]]),
    "feeding": ("Feeding an accelerator", [["feeding.py"]]),
    "export": ("Exported models", [["export.py"]]),
}
WITH_PEER = frozenset({"networks.py", "nonlocal_block.py"})
INTRODUCTION = """# Results of the benchmarks

Written by `python benchmarks/page.py`; every section is the output of the command above
it. A time alone means little, since machines differ and change; the ratios in a section
are of one run. On a GPU: not measured.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=tuple(SECTIONS), default=SECTIONS)
    parser.add_argument("--peer", metavar="PATH", help="a checkout of PySlowFast")
    options = parser.parse_args()
    sections = written_sections()
    for key in options.only:
        sections[key] = section(key, options.peer)
        texts = [sections[key] for key in SECTIONS if key in sections]
        log = (FOLDER / "LOG.md").read_text("utf-8")
        PAGE.write_text("\n".join([INTRODUCTION, *texts, log]), "utf-8")
        print(f"{key}: done")


def written_sections() -> dict[str, str]:
    """The sections of the page as it is."""
    if not PAGE.exists():
        return {}
    parts = re.split(r"^(?=## )", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    by_title = {part.splitlines()[0][3:]: part.rstrip() + "\n" for part in parts[1:]}
    return {
        key: by_title[title]
        for key, (title, _) in SECTIONS.items()
        if title in by_title
    }


def section(key: str, peer: str | None) -> str:
    title, tables = SECTIONS[key]
    lines = [f"## {title}", ""]
    for arguments in tables:
        shown = f"python benchmarks/{' '.join(arguments)}"
        command = [sys.executable, str(FOLDER / arguments[0]), *arguments[1:]]
        if peer and arguments[0] in WITH_PEER:
            command += ["--peer", peer]
            shown += " --peer SlowFast"
        done = subprocess.run(
            command,
            env={"TF_ENABLE_ONEDNN_OPTS": "1", **os.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if done.returncode != 0:
            raise SystemExit(f"{shown} failed with exit code {done.returncode}")
        lines += [f"`{shown}`, {today()}, {processor()}:", "", done.stdout.strip(), ""]
    return "\n".join(lines)


def today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def processor() -> str:
    """Name of the processor and number of its cores."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
    return f"{names[0] if names else 'a processor'}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
