"""The tables at full size: the paper's settings, and the complexity of its networks."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable

from keras_nonlocal.experiments.networks import full_network_of
from keras_nonlocal.experiments.results import TableResult
from keras_nonlocal.experiments.rows import Row, Table
from keras_nonlocal.experiments.run_folder import RunFolder, write_json
from keras_nonlocal.models import Complexity, count_complexity
from keras_nonlocal.runs import TrainingSettings
from keras_nonlocal.runs.setting_groups import PathName

# The layout for 32 frames and more.
_STEM_TEMPORAL_STRIDES = (2, 2)


def full_settings(
    table: Table,
    row: Row,
    settings: TrainingSettings,
    *,
    weights: PathName | None = None,
) -> TrainingSettings:
    """Returns the settings of a row at full size.

    Args:
        table: The table.
        row: One of its rows that is in the paper.
        settings: The videos, the recipe and the devices. They are kept.
        weights: The file of the trained network that a table of long clips continues.
            Defaults to `None`, the weights of `settings`.

    Raises:
        ValueError: If the paper has no such row.
    """
    if not row.is_in_paper:
        raise ValueError(
            f"`row` must be in the paper. Received: row={row.name!r} of table "
            f"{table.name!r}"
        )
    network = {
        "variant": "c2d",
        "nonlocal_blocks": 0,
        "nonlocal_mode": "embedded_gaussian",
        "stem_temporal_strides": _STEM_TEMPORAL_STRIDES,
        "normalization": "frozen_batch" if table.layout.continues else "batch",
        **row.network,
    }
    if row.network.get("nonlocal_scope") == "time":
        network["nonlocal_pool_size"] = None  # the paper's pooling is one of places
    if weights is not None:
        network["weights"] = weights
    if table.data == "charades":
        network["label_mode"] = "multi_hot"
    return settings.replace(**network, **table.layout.paper_clips)


def full_counts(
    folder: RunFolder, results: Iterable[TableResult]
) -> dict[tuple[str, str], Complexity]:
    """Counts parameters and multiply-adds of the paper's networks.

    Building the networks takes seconds each, so the counts are kept in the folder.

    Args:
        folder: The folder of runs.
        results: The tables whose rows are counted.

    Returns:
        Complexities by names of table and row. Rows that are not in the paper are left
        out.
    """
    path = folder.path / "full_size.json"
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    counts = {}
    for result in results:
        for row in (each.row for each in result.rows):
            if not (isinstance(row, Row) and row.is_in_paper):
                continue
            assert isinstance(result.table, Table)
            settings = full_settings(result.table, row, TrainingSettings())
            key = _key(settings)
            if key not in known:
                known[key] = dataclasses.asdict(_counted(settings))
                write_json(path, known)
            counts[result.table.name, row.name] = Complexity(**known[key])
    return counts


def _counted(settings: TrainingSettings) -> Complexity:
    return count_complexity(
        full_network_of(settings.network, settings.clips.num_frames)
    )


def _key(settings: TrainingSettings) -> str:
    network = settings.to_dict()["network"]
    text = json.dumps([network, settings.clips.num_frames], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
