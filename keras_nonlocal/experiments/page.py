"""The page of results, in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keras_nonlocal.experiments.relation_clips import KINDS
from keras_nonlocal.experiments.results import RowResult, TableResult
from keras_nonlocal.experiments.statistics import Difference

if TYPE_CHECKING:
    from keras_nonlocal.models import Complexity

# Name of a row's network at full size → its complexity.
FullCounts = Mapping[tuple[str, str], "Complexity"]

_DATA = {"kinetics": "Kinetics-400", "charades": "Charades"}
_INTRODUCTION = """\
# The paper's experiments at small scale

**These tables do not reproduce the paper's numbers.** Nothing here was trained on
Kinetics, Charades or ImageNet. The networks are those of the paper with {width}
channels in conv1 instead of 64, on clips of {sizes} pixels that show handwritten
digits. The accuracies in the columns "paper" are those of the paper on its own data.
Only the order of the rows can be compared.{missing}

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

All {runs} runs were tested once, after the last step, on the digits of other writers. A
seed fixes the clips, their order and the initial values for all rows, so differences
are paired. Intervals are 95 % t intervals. P-values are corrected with Holm's method
over all differences of a table. A claim is "seen" if its corrected p-value is below
0.05, "opposite" if the difference then has the other sign, and "not distinguishable"
otherwise.
"""


@dataclass(frozen=True)
class Facts:
    """Facts about how the results were computed.

    Args:
        command: The command.
        machine: The machine and the versions, in words.
        compute: The computing time of all runs, in words.
        missing: Names of tables of the paper that were not run.
    """

    command: str
    machine: str
    compute: str
    missing: Sequence[str]


def markdown_page(
    results: Sequence[TableResult], full_counts: FullCounts, facts: Facts
) -> str:
    """Returns the page.

    Args:
        results: The tables.
        full_counts: Complexities of the paper's networks by table and row.
        facts: How the results were computed.
    """
    lines = [_introduction(results, facts)]
    lines += [f"`{facts.command}`, {facts.machine}, {facts.compute}.", ""]
    for result in results:
        title = result.table.heading
        lines += [f"## {title}. {result.table.title}", ""]
        lines += [*_accuracies(result), ""]
        lines += [*_claims(result), *_attention(result)]
        lines += [*_costs(result, full_counts), ""]
        lines += [f"![{title}]({figure_name(result)})", ""]
    return "\n".join(lines)


def figure_name(result: TableResult) -> str:
    """Returns the name of the figure of a table."""
    return f"{result.table.name}.png"


def _introduction(results: Sequence[TableResult], facts: Facts) -> str:
    trainings = {row.training: row for result in results for row in result.rows}
    recipe = next(iter(trainings)).recipe
    tasks = {training.task for training in trainings}
    sizes = sorted({f"{task.num_frames}×{task.size}×{task.size}" for task in tasks})
    missing = ""
    if facts.missing:
        missing = f" Not run: {', '.join(facts.missing)}."
    lengths = sorted({training.recipe.steps for training in trainings})
    return _INTRODUCTION.format(
        width=next(iter(trainings)).network.width,
        sizes=", ".join(sizes),
        missing=missing,
        initializer=(next(iter(trainings)).network.nonlocal_options or {})[
            "kernel_initializer"
        ],
        steps=" or ".join(map(str, lengths)),
        batch=recipe.batch_size,
        runs=sum(len(row.runs) for row in trainings.values()),
    )


def _accuracies(result: TableResult) -> Iterator[str]:
    kinds = " / ".join(KINDS)
    data = _DATA[result.table.data]
    yield (
        f"| network | mean ± sd, % | seeds | {kinds} | difference to "
        f"{result.table.baseline.name}, 95 % interval | p | paper ({data}) |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for row in result.rows:
        difference = result.to_baseline.get(row.row.name)
        yield (
            f"| {row.row.name} | {_mean(row)} | {len(row.runs)} "
            f"| {' / '.join(f'{100 * v:.0f}' for v in row.by_kind.values())} "
            f"| {_difference(difference)} | {_p(difference)} "
            f"| {'' if row.row.paper is None else row.row.paper} |"
        )


def _claims(result: TableResult) -> Iterator[str]:
    if not result.differences:
        return
    yield "| claim | paper | here, 95 % interval | p | verdict |"
    yield "|---|---:|---:|---:|---|"
    papers = {row.name: row.paper for row in result.table.rows}
    for claim, difference in result.differences:
        better, worse = papers[claim.better], papers[claim.worse]
        paper = "not in the paper" if not claim.is_in_paper else ""
        if better is not None and worse is not None:
            paper = f"{better - worse:+.1f}"
        yield (
            f"| {claim.better} > {claim.worse} | {paper} | {_difference(difference)} "
            f"| {_p(difference)} | **{difference.verdict}** |"
        )
    yield ""


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


def _mean(row: RowResult) -> str:
    cell = row.cell
    spread = "" if cell.deviation is None else f" ± {100 * cell.deviation:.1f}"
    return f"{100 * cell.mean:.1f}{spread}"


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return ""
    text = f"{100 * difference.mean:+.1f}"
    if difference.interval is not None:
        low, high = (100 * bound for bound in difference.interval)
        text += f" [{low:+.1f}, {high:+.1f}]"
    return text


def _p(difference: Difference | None) -> str:
    p = None if difference is None else difference.corrected_p
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
