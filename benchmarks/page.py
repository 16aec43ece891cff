"""Writes RESULTS.md beside this file: every benchmark's output, when and where.

python benchmarks/page.py --peer ~/SlowFast          # all sections
python benchmarks/page.py --only clips feeding       # these, the others stay
python benchmarks/page.py --only block --compare     # and what became slower
python benchmarks/page.py --only gpu                 # on a machine with a GPU
python benchmarks/page.py --only detection --peer-python ~/torchvision/bin/python
python benchmarks/page.py --only whole_videos --peer ~/SlowFast \\
    --peer-python ~/torchvision/bin/python
"""

import argparse
import datetime
import os
import re
import subprocess
import sys
from pathlib import Path

import chart
from comparison import regressions

FOLDER = Path(__file__).parent
PAGE = FOLDER / "RESULTS.md"
ON_GPU_OPTIONS = ["--dtype", "mixed_bfloat16", "--batch", "32", "--rounds", "1"]
ON_GPU_OPTIONS += ["--repeats", "20", "--former"]
# Section -> its title and, for each table, the arguments of a script.
SECTIONS = {
    "networks": (
        "Networks",
        [
            [
                *("networks.py", "--former", "--runtimes", "--rounds", "1"),
                *("--dtype", "float32", "mixed_bfloat16"),
            ]
        ],
    ),
    "learning": ("Learning in bfloat16", [["precision_curve.py"]]),
    "block": (
        "The non-local block, forward and backward",
        [
            ["nonlocal_block.py"],
            ["nonlocal_block.py", "--all-routes", "--frames", "16"],
            ["nonlocal_block.py", "--operation", "--frames", "16"],
        ],
    ),
    "long_clips": ("A training step on 128 frames", [["long_clips.py"]]),
    "startup": (
        "From import to the first step and the first answer",
        [["startup.py", "--repeats", "3"], ["first_answer.py", "--repeats", "3"]],
    ),
    "clips": ("Reading clips", [["clips.py", "--memory-clips", "10000"]]),
    "workers": ("Threads and processes", [["workers.py"]]),
    "lists": ("Lists of millions of videos", [["many_videos.py", "--repeats", "1"]]),
    "feeding": ("Feeding an accelerator", [["feeding.py"]]),
    "whole_videos": (
        "Whole videos, decoding included",
        [["whole_videos.py", "--videos", "2"]],
    ),
    "export": ("Exported models", [["export.py"]]),
    "detection": (
        "Mask R-CNN",
        [
            ["detection.py", "--repeats", "2", "--objects", "1", "100"],
            ["detection.py", "--pieces"],
        ],
    ),
    "gpu": ("Networks on a GPU", [["networks.py", *ON_GPU_OPTIONS]]),
}
UNITS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_bf16": "AVX-512 BF16",
    "avx512_vnni": "AVX-512 VNNI",
    "amx_bf16": "AMX BF16",
    "amx_int8": "AMX INT8",
}
# Left as they are unless named: they need a GPU.
ON_GPU = frozenset({"gpu"})
WITH_PEER = frozenset({"networks.py", "nonlocal_block.py", "whole_videos.py"})
WITH_PEER_PYTHON = frozenset({"detection.py", "whole_videos.py"})
INTRODUCTION = """# Results of the benchmarks

Written by `python benchmarks/page.py`; every section is the output of the command above
it. A time alone means little, since machines differ and change; the ratios in a section
are of one run. Sections on a GPU are as old as their dates: they need another machine.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=tuple(SECTIONS))
    parser.add_argument("--peer", metavar="PATH", help="a checkout of PySlowFast")
    parser.add_argument(
        "--peer-python",
        metavar="PATH",
        help="Python of the peers of detection.py and whole_videos.py",
    )
    parser.add_argument(
        "--compare",
        action="store_true",
        help="also print what became more than 5 % worse since the page was written",
    )
    options = parser.parse_args()
    sections = written_sections()
    for key in options.only or (key for key in SECTIONS if key not in ON_GPU):
        before = sections.get(key, "")
        sections[key] = section(key, options.peer, options.peer_python)
        texts = [sections[key] for key in SECTIONS if key in sections]
        log = (FOLDER / "LOG.md").read_text("utf-8")
        PAGE.write_text("\n".join([INTRODUCTION, *texts, log]), "utf-8")
        if key == "networks":
            chart.main()
        print(f"{key}: done")
        if options.compare:
            worse = regressions(before, sections[key])
            print("\n".join(worse or ["nothing is more than 5 % worse"]))


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


def section(key: str, peer: str | None, peer_python: str | None) -> str:
    title, tables = SECTIONS[key]
    backend = {"KERAS_BACKEND": "jax"} if key in ON_GPU else {}
    lines = [f"## {title}", ""]
    for arguments in tables:
        settings = "".join(f"{name}={value} " for name, value in backend.items())
        shown = f"{settings}python benchmarks/{' '.join(arguments)}"
        command = [sys.executable, str(FOLDER / arguments[0]), *arguments[1:]]
        if peer and arguments[0] in WITH_PEER:
            command += ["--peer", peer]
            shown += " --peer SlowFast"
        if peer_python and arguments[0] in WITH_PEER_PYTHON:
            command += ["--peer-python", peer_python]
            shown += " --peer-python PEERS/bin/python"
        done = subprocess.run(
            command,
            env={"TF_ENABLE_ONEDNN_OPTS": "1", **os.environ, **backend},
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
    """Name of the processor, its units for wide and short numbers, and its cores."""
    info = Path("/proc/cpuinfo").read_text()
    names = re.findall(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    flags = re.findall(r"^flags\s*:\s*(.+)$", info, re.MULTILINE)
    has = set(flags[0].split()) if flags else set()
    units = [title for flag, title in UNITS.items() if flag in has]
    parts = [names[0] if names else "a processor", *units, f"{os.cpu_count()} cores"]
    return ", ".join(parts)


if __name__ == "__main__":
    main()
