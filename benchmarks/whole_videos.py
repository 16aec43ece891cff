"""Measures the scoring of whole videos, decoding included, also by PySlowFast.

Every row is measured in a new process that scores the same H.264 files, 30 views each,
with the same random weights. The first batch, which compiles, is not counted. The rows
take turns, so changes in the machine's speed affect them equally. `predict_videos`
decodes a file once, and PySlowFast once per view; pyslowfast_videos.py says what of it
runs. With `--wait`, a stand-in for both networks waits for some time per view, as for
an accelerator, and leaves the processors to the decoders.

    python benchmarks/whole_videos.py
    python benchmarks/whole_videos.py --wait 4 --videos 10
    python benchmarks/whole_videos.py --peer ~/SlowFast --peer-python ~/peer/bin/python
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import fresh_process
from own_videos import BFLOAT16, FORMER, FRAMES, IN_TURN, SIDE
from rounds import name, places, pooled

from keras_nonlocal.processors import num_processors

CLIPS, CROPS = 10, 3
HEIGHT, WIDTH, RATE = 256, 340, 30
# Standard deviation of the classifier's weights, with which scores differ.
SPREAD = 0.05
OWN_SCRIPT = str(Path(__file__).with_name("own_videos.py"))
PEER_SCRIPT = str(Path(__file__).with_name("pyslowfast_videos.py"))
PEER_CONFIGURATIONS = ("default", "channels_last_3d")
PEER_BFLOAT16 = ("channels_last_3d, autocast to bfloat16",)
HEADER = """
| implementation | seconds | least – greatest | views per second |
|---|---:|---:|---:|"""


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory() as folder:
        shared = prepare(options, Path(folder))
        own, peers = configurations(options)
        cases = [{**shared, "configuration": c} for c in own]
        if options.peer:
            cases += [
                {**shared, "peer": options.peer, "configuration": c} for c in peers
            ]
        rounds = [[run(case, options) for case in cases] for _ in range(options.rounds)]
        results = [
            (case, pooled(found))
            for case, found in zip(cases, zip(*rounds, strict=True), strict=True)
        ]
        print(describe(options, results))
        print(HEADER)
        for case, result in results:
            print(row(case, result))
        print()
        print_ratios(results)
        if options.peer and options.wait is None:
            print(compare_views(shared, options))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--variant", choices=("c2d", "i3d"), default="i3d")
    parser.add_argument("--videos", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="length of a video")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--wait",
        type=float,
        metavar="MILLISECONDS",
        help="per view, in place of the networks",
    )
    parser.add_argument("--peer", metavar="PATH", help="a checkout of PySlowFast")
    parser.add_argument(
        "--peer-python", metavar="PATH", default=sys.executable, help="its Python"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=num_processors(),
        help="processes that decode for PySlowFast (default: %(default)s)",
    )
    return parser.parse_args()


def prepare(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Writes the videos and the weights, and returns what all cases have in common."""
    paths = [str(folder / f"{i}.mp4") for i in range(options.videos)]
    for i, path in enumerate(paths):
        write_video(path, i, options.seconds)
    lines = [f"{path} {i}" for i, path in enumerate(paths)]
    (folder / "test.csv").write_text("\n".join(lines))
    shared = {
        **{name: getattr(options, name) for name in ("depth", "variant", "batch")},
        "workers": options.workers,
        "wait": options.wait,
        "paths": paths,
        "folder": str(folder),
        "weights": None,
        "clips": CLIPS,
        "crops": CROPS,
        "spread": SPREAD,
        "step": "test",
        "peer": None,
    }
    if options.peer and options.wait is None:
        shared["weights"] = str(folder / "weights.pyth")
        checked(run_peer({**shared, "peer": options.peer, "step": "weights"}, options))
    return shared


def write_video(path: str, number: int, seconds: int) -> None:
    """Writes moving patterns with noise as H.264."""
    source = f"testsrc2=size={WIDTH}x{HEIGHT}:rate={RATE}:duration={seconds}"
    filters = f"hue=h={60 * number},noise=alls=12:allf=t:all_seed={number}"
    command = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", source]
    command += ["-vf", filters, "-c:v", "libx264", "-g", "250", "-pix_fmt", "yuv420p"]
    subprocess.run([*command, path], check=True)


def configurations(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The rows of ours, and those of PySlowFast."""
    own, peers = ["", FORMER, IN_TURN], [*PEER_CONFIGURATIONS]
    if options.wait is not None:
        return own, peers[:1]
    if has_bfloat16():
        own, peers = [*own, BFLOAT16], [*peers, *PEER_BFLOAT16]
    return own, peers


def has_bfloat16() -> bool:
    """Whether the processor has units for bfloat16."""
    info = Path("/proc/cpuinfo")
    return info.exists() and "bf16" in info.read_text()


def run(case: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    if case["peer"]:
        result = run_peer(case, options)
    else:
        result = fresh_process.run(OWN_SCRIPT, case, {})
    print(row(case, pooled([result])), file=sys.stderr, flush=True)
    return result


def run_peer(case: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = fresh_process.run(
        PEER_SCRIPT, case, {}, options.peer_python
    )
    return found


def checked(result: dict[str, Any]) -> dict[str, Any]:
    if "error" in result:
        raise SystemExit(result["error"])
    return result


def compare_views(shared: dict[str, Any], options: argparse.Namespace) -> str:
    """Says how far the scores and the pixels of both programs differ."""
    case = {**shared, "configuration": "", "step": "views"}
    case["views"] = str(Path(shared["folder"], "views.npz"))
    checked(run_peer({**case, "peer": options.peer}, options))
    found = checked(fresh_process.run(OWN_SCRIPT, case, {}))
    return (
        f"- The same {CROPS} views, decoded by PySlowFast: the scores differ by at "
        f"most {found['scores']:.1e}; the largest is {found['largest']:.2f}.\n"
        f"- The same frames and crops, decoded by both: the pixels differ by at most "
        f"{found['pixels']:.0f} of 255 levels, {found['mean']:.2f} on average, and the "
        f"scores by at most {found['decoded']:.1e}."
    )


def describe(options: argparse.Namespace, results: list[Any]) -> str:
    network = f"NL-{options.variant.upper()} R{options.depth}"
    if options.wait is not None:
        network = f"A wait of {options.wait:g} ms per view in place of networks"
    return (
        f"{network}, {CLIPS} clips × {CROPS} crops of {FRAMES}×{SIDE}×{SIDE} from each "
        f"of {options.videos} videos of {options.seconds} s, {WIDTH}×{HEIGHT}, H.264; "
        f"batch {options.batch}; {places(results)}; {options.workers} workers "
        f"decode for PySlowFast; medians of {options.rounds} turns"
    )


def row(case: dict[str, Any], result: dict[str, Any]) -> str:
    if "error" in result:
        return f"| {name(case)} | failed: {result['error']} | | |"
    views = len(case["paths"]) * CLIPS * CROPS
    return (
        f"| {name(case)} | {result['median']:.1f} | {result['least']:.1f} – "
        f"{result['greatest']:.1f} | {views / result['median']:.2f} |"
    )


def print_ratios(results: list[Any]) -> None:
    """The rows without overlap, and the best of PySlowFast in each type, over ours."""
    medians = {
        name(case): result["median"]
        for case, result in results
        if "error" not in result
    }
    own = medians.get("keras_nonlocal")
    for former in (FORMER, IN_TURN):
        other = medians.get(f"keras_nonlocal, {former}")
        if own and other:
            print(f"- {other / own:.2f}× as fast as {former}")
    for type_, key in (("float32", ""), (BFLOAT16, f", {BFLOAT16}")):
        own = medians.get(f"keras_nonlocal{key}")
        peers = [
            seconds
            for peer, seconds in medians.items()
            if peer.startswith("PySlowFast")
            and (BFLOAT16 in peer) == (type_ == BFLOAT16)
        ]
        if own and peers:
            ratio = min(peers) / own
            print(f"- {type_}: {ratio:.2f}× as fast as the best of PySlowFast")


if __name__ == "__main__":
    main()
