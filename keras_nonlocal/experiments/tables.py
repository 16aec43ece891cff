"""The paper's tables a to g, Charades and Figure 4, as lists of changed settings.

Accuracies are those of the paper: Tables 2 and 3 and section 5.2.
"""

from keras_nonlocal.experiments.rank_rows import RankTable
from keras_nonlocal.experiments.rank_tables import APPLIANCES, IMAGES, SEQUENCES
from keras_nonlocal.experiments.relation_clips import ClipTask
from keras_nonlocal.experiments.rows import Claim, Layout, Row, Table

BINARY = Layout(ClipTask(8, 32))
# Frames of 32 pixels are a single position in res5, and those of 48 pixels are 2 × 2.
LARGER_FRAMES = Layout(ClipTask(8, 48))
# Things that stay for four frames are visible to the kernels of I3D.
LASTING = Layout(ClipTask(16, 32), stem_temporal_strides=(2, 1))
LONG = Layout(
    ClipTask(32, 32),
    length=1 / 3,
    stem_temporal_strides=(2, 1),
    paper_clips={"num_frames": 128, "frame_stride": 1},
    continues=LASTING,
)
SEVERAL_LABELS = Layout(
    ClipTask(16, 32, labels="several"),
    stem_temporal_strides=(2, 1),
    paper_clips={"num_frames": 128, "frame_stride": 1},
)

_C2D = Row("C2D", paper=71.8)
_ONE = {"nonlocal_blocks": 1}
_FIVE = {"nonlocal_blocks": 5}
_R101 = {"depth": 101}
_I3D = {"variant": "i3d"}


def _stage(stage: str, block: int, paper: float) -> Row:
    return Row(f"1 block in {stage}", {"nonlocal_blocks": {stage: (block,)}}, paper)


def _better_than(
    worse: str, *names: str, is_in_paper: bool = True
) -> tuple[Claim, ...]:
    return tuple(Claim(name, worse, is_in_paper) for name in names)


PAIRWISE = Table(
    "a",
    "Pairwise functions, 1 block in res4",
    (
        _C2D,
        Row("Gaussian", {**_ONE, "nonlocal_mode": "gaussian"}, 72.5),
        Row("embedded Gaussian", _ONE, 72.7),
        Row("dot product", {**_ONE, "nonlocal_mode": "dot_product"}, 72.9),
        Row("concatenation", {**_ONE, "nonlocal_mode": "concatenation"}, 72.8),
        Row("global average only", _ONE, block="global_context"),
    ),
    (
        *_better_than(
            "C2D", "Gaussian", "embedded Gaussian", "dot product", "concatenation"
        ),
        Claim("embedded Gaussian", "global average only", is_in_paper=False),
    ),
    BINARY,
    seeds=5,
)
STAGES = Table(
    "b",
    "Stage of 1 block",
    (
        _C2D,
        _stage("res2", 1, 72.7),
        _stage("res3", 2, 72.9),
        _stage("res4", 4, 72.7),
        _stage("res5", 1, 72.3),
    ),
    (
        *_better_than("C2D", *(f"1 block in res{stage}" for stage in (2, 3, 4, 5))),
        Claim("1 block in res4", "1 block in res5"),
    ),
    LARGER_FRAMES,
)
DEEPER = Table(
    "c",
    "Number of blocks",
    (
        _C2D,
        Row("1 block", _ONE, 72.7),
        Row("5 blocks", _FIVE, 73.8),
        Row("10 blocks", {"nonlocal_blocks": 10}, 74.3),
        Row("R101 C2D", _R101, 73.1, is_large=True),
        Row("R101, 1 block", {**_R101, **_ONE}, 74.3, is_large=True),
        Row("R101, 5 blocks", {**_R101, **_FIVE}, 75.1, is_large=True),
        Row("R101, 10 blocks", {**_R101, "nonlocal_blocks": 10}, 75.1, is_large=True),
    ),
    (
        *_better_than("C2D", "1 block", "5 blocks", "10 blocks"),
        Claim("5 blocks", "1 block"),
        Claim("10 blocks", "5 blocks"),
        *_better_than("R101 C2D", "R101, 1 block", "R101, 5 blocks", "R101, 10 blocks"),
    ),
    BINARY,
    seeds=5,
)
SCOPES = Table(
    "d",
    "Space, time and space-time, 5 blocks",
    (
        _C2D,
        Row("space only", {**_FIVE, "nonlocal_scope": "space"}, 72.9),
        Row("time only", {**_FIVE, "nonlocal_scope": "time"}, 73.1),
        Row("space-time", _FIVE, 73.8),
        Row("global average only", _FIVE, block="global_context"),
    ),
    (
        *_better_than("C2D", "space only", "time only", "space-time"),
        *(Claim("space-time", name) for name in ("space only", "time only")),
        Claim("space-time", "global average only", is_in_paper=False),
    ),
    BINARY,
    seeds=5,
)
I3D = Table(
    "e",
    "Non-local blocks and temporal convolutions",
    (
        _C2D,
        Row("I3D 3×3×3", {"variant": "i3d_3x3x3"}),
        Row("I3D 3×1×1", _I3D, 73.3),
        Row("NL C2D, 5 blocks", _FIVE, 73.8),
        Row("R101 C2D", _R101, 73.1, (1, 1), is_large=True),
        Row(
            "R101 I3D 3×3×3",
            {**_R101, "variant": "i3d_3x3x3"},
            74.1,
            (1.5, 1.8),
            is_large=True,
        ),
        Row("R101 I3D 3×1×1", {**_R101, **_I3D}, 74.4, (1.2, 1.5), is_large=True),
        Row(
            "R101 NL C2D, 5 blocks",
            {**_R101, **_FIVE},
            75.1,
            (1.2, 1.2),
            is_large=True,
        ),
    ),
    (
        *(
            Claim("NL C2D, 5 blocks", name)
            for name in ("C2D", "I3D 3×3×3", "I3D 3×1×1")
        ),
        *(
            Claim("R101 NL C2D, 5 blocks", f"R101 {name}")
            for name in ("C2D", "I3D 3×3×3", "I3D 3×1×1")
        ),
    ),
    LASTING,
)
NL_I3D = Table(
    "f",
    "Non-local blocks on top of I3D",
    (
        _C2D,
        Row("I3D", _I3D, 73.3),
        Row("NL I3D, 5 blocks", {**_I3D, **_FIVE}, 74.9),
        Row("R101 C2D", _R101, 73.1, is_large=True),
        Row("R101 I3D", {**_R101, **_I3D}, 74.4, is_large=True),
        Row("R101 NL I3D", {**_R101, **_I3D, **_FIVE}, 76.0, is_large=True),
    ),
    (
        *_better_than("C2D", "I3D", "NL I3D, 5 blocks"),
        Claim("NL I3D, 5 blocks", "I3D"),
        Claim("R101 NL I3D", "R101 I3D"),
    ),
    LASTING,
    seeds=5,
)
LONG_CLIPS = Table(
    "g",
    "Long clips, initialized from the networks of table f",
    (
        Row("I3D", _I3D, 74.9),
        Row("NL I3D, 5 blocks", {**_I3D, **_FIVE}, 76.5),
        Row("R101 NL I3D", {**_R101, **_I3D, **_FIVE}, 77.7, is_large=True),
    ),
    (Claim("NL I3D, 5 blocks", "I3D"),),
    LONG,
)
CHARADES = Table(
    "charades",
    "Several labels per clip, as in Charades (mean average precision)",
    (
        Row("I3D", _I3D, 35.5),
        Row("NL I3D, 5 blocks", {**_I3D, **_FIVE}, 37.5),
    ),
    (Claim("NL I3D, 5 blocks", "I3D"),),
    SEVERAL_LABELS,
    data="charades",
)
ATTENTION = Table(
    "attention",
    "What the blocks look at",
    (
        Row("NL C2D, 5 blocks", _FIVE),
        Row(
            "NL C2D, 5 blocks, trained where only the ring's digit answers",
            _FIVE,
            other_digit="independent",
        ),
    ),
    (),
    BINARY,
)
CURVES = Table(
    "figure4",
    "Training and validation curves",
    (_C2D, Row("NL C2D, 5 blocks", _FIVE, 73.8)),
    (Claim("NL C2D, 5 blocks", "C2D"),),
    BINARY,
    seeds=5,
)

PAPER_TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        PAIRWISE,
        STAGES,
        DEEPER,
        SCOPES,
        I3D,
        NL_I3D,
        LONG_CLIPS,
        CHARADES,
        ATTENTION,
        CURVES,
    )
}
"""The tables of the paper at small scale, by name."""

TABLES: dict[str, Table | RankTable] = {
    **PAPER_TABLES,
    **{table.name: table for table in (SEQUENCES, IMAGES, APPLIANCES)},
}
"""These and the tables of signals and images, which are not in the paper, by the names
that `run_experiments` takes."""
