"""The sections of the page for the paper's tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from keras_nonlocal.experiments.page_cells import (
    claim_lines,
    difference_text,
    mean_text,
    p_text,
)
from keras_nonlocal.experiments.relation_clips import KINDS
from keras_nonlocal.experiments.results import TableResult
from keras_nonlocal.experiments.rows import Table
from keras_nonlocal.experiments.trainings import Training

if TYPE_CHECKING:
    from keras_nonlocal.models import Complexity

# Name of a row's network at full size → its complexity.
FullCounts = Mapping[tuple[str, str], "Complexity"]

_DATA = {"kinetics": "Kinetics-400", "charades": "Charades"}
_FIRST_PARAGRAPH = """ The networks for clips are those of the paper with {width}
channels in conv1 instead of 64, on clips of {sizes} pixels that show handwritten
digits. The accuracies in the columns "paper" are those of the paper on its own data.
Only the order of the rows can be compared."""
_ABOUT = """
A clip shows a 0, a 1 and a ring in one of their two colors. The class is the digit in
the ring's color, and chance is 50 %. The ring and the digits are in the same frames
(space), at the same place (time) or neither (both), in a third of the clips each. The
task shows the range of a network: whether it relates distant things. The average over
all positions is enough to solve it, if a nonlinear function follows, because it
contains the color of the ring and of each digit. The rows "global average only", which
have a global context block in place of each non-local block, show this.

As in the paper, an image network learns single images first and is inflated, and the
blocks start as the identity. These settings differ from the paper:

- The kernels of the blocks start from `{initializer}` instead of N(0, 0.01). In such
  narrow networks, the outputs of some modes would otherwise be below the ε of the batch
  normalization.
- The blocks do not pool their keys.
- The optimizer is AdamW, for {steps} steps of {batch} clips.

The clips follow Moving MNIST ([Srivastava et al.](https://arxiv.org/abs/1502.04681)) in
what they are made of, and CATER ([Girdhar and Ramanan](https://arxiv.org/abs/1910.04744),
whose baseline is a non-local I3D) and Pointer Value Retrieval ([Zhang et
al.](https://arxiv.org/abs/2107.12580)) in what they ask.
"""


def clip_introduction(results: Sequence[TableResult]) -> tuple[str, str]:
    """Returns what the page's first paragraph says about clips, and the following."""
    trainings = [
        row.training
        for result in results
        for row in result.rows
        if isinstance(row.training, Training)
    ]
    tasks = {training.task for training in trainings}
    sizes = sorted({f"{task.num_frames}×{task.size}×{task.size}" for task in tasks})
    lengths = sorted({training.recipe.steps for training in trainings})
    first = trainings[0]
    return (
        _FIRST_PARAGRAPH.format(width=first.network.width, sizes=", ".join(sizes)),
        _ABOUT.format(
            initializer=(first.network.nonlocal_options or {})["kernel_initializer"],
            steps=" or ".join(map(str, lengths)),
            batch=first.recipe.batch_size,
        ),
    )


def clip_section(result: TableResult, full_counts: FullCounts) -> Iterator[str]:
    """Yields the lines of a table of the paper."""
    yield from _accuracies(result)
    yield ""
    yield from claim_lines(result)
    yield from _attention(result)
    yield from _costs(result, full_counts)


def _accuracies(result: TableResult) -> Iterator[str]:
    kinds = " / ".join(KINDS)
    assert isinstance(result.table, Table)
    data = _DATA[result.table.data]
    yield (
        f"| network | mean ± sd, % | seeds | {kinds} | difference to "
        f"{result.table.baseline.name}, 95 % interval | p | paper ({data}) |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for row in result.rows:
        difference = result.to_baseline.get(row.row.name)
        yield (
            f"| {row.row.name} | {mean_text(row)} | {len(row.runs)} "
            f"| {' / '.join(f'{100 * v:.0f}' for v in row.by_kind.values())} "
            f"| {difference_text(difference)} | {p_text(difference)} "
            f"| {'' if row.row.paper is None else row.row.paper} |"
        )


def _attention(result: TableResult) -> Iterator[str]:
    if result.table.name != "attention":
        return
    yield (
        "From the ring, how often the strongest weight of a block falls on the digit "
        "in the ring's color, on the other digit and on the ring itself. In clips with "
        "one 0 and one 1, either digit answers; in the others, only the ring's own "
        "does."
    )
    yield ""
    yield ("| network | block | clips | own digit | other digit | ring | if uniform |")
    yield "|---|---|---|---:|---:|---:|---:|"
    clips = {"opposite": "one 0 and one 1", "independent": "only its own answers"}
    for row in result.rows:
        for share in row.attention():
            shares = (share[name] for name in ("own", "other", "ring", "uniform"))
            yield (
                f"| {row.row.name} | {share['block']} | {clips[share['clips']]} "
                f"| {' | '.join(f'{100 * x:.0f} %' for x in shares)} |"
            )
    yield ""


def _costs(result: TableResult, full_counts: FullCounts) -> Iterator[str]:
    baseline = full_counts.get((result.table.name, result.table.baseline.name))
    yield (
        "| network | parameters, multiply-adds here | at full size "
        "| relative to the first row | paper |"
    )
    yield "|---|---:|---:|---:|---:|"
    for row in result.rows:
        parameters, multiply_adds = row.counts
        full = full_counts.get((result.table.name, row.row.name))
        written = ratio = paper = ""
        if full is not None:
            written = f"{full.parameters / 1e6:.3f} M, {full.multiply_adds / 1e9:.2f} G"
        if full is not None and baseline is not None:
            ratio = (
                f"{full.parameters / baseline.parameters:.2f}×, "
                f"{full.multiply_adds / baseline.multiply_adds:.2f}×"
            )
        if row.row.paper_cost is not None:
            paper = "{}×, {}×".format(*row.row.paper_cost)
        yield (
            f"| {row.row.name} | {parameters:,}, {multiply_adds / 1e6:.2f} M "
            f"| {written} | {ratio} | {paper} |"
        )
