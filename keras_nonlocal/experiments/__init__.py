"""The paper's experiments at small scale, with statistics.

`run_experiments` trains the networks of the paper's tables on small clips whose class
is a relation between distant things, and writes a page of results. Tables that the
paper does not have show the block in small networks for signals and images.

- `relation_clips` draws the clips; `rows` and `tables` list the networks.
- `trainings` turns rows into training runs; `clip_training` trains one.
- `speakers`, `digit_pairs` and `appliances` draw signals and images; `rank_rows` and
  `rank_tables` list the networks; `rank_trainings` and `rank_trainer` are as above.
- `plans` knows both kinds of tables and of runs; `fitting` is what trainers share.
- `run_folder`, `worker` and `processes` distribute the runs over processes.
- `statistics`, `results`, `page` and `figures` evaluate them; `clip_sections` and
  `rank_sections` write the parts of the page.
"""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.experiments.attention_shares import (
        AttentionShare as AttentionShare,
    )
    from keras_nonlocal.experiments.full_runs import FullTable as FullTable
    from keras_nonlocal.experiments.full_runs import (
        run_full_experiments as run_full_experiments,
    )
    from keras_nonlocal.experiments.rank_rows import RankRow as RankRow
    from keras_nonlocal.experiments.rank_rows import RankTable as RankTable
    from keras_nonlocal.experiments.rank_trainings import RankTraining as RankTraining
    from keras_nonlocal.experiments.relation_clips import ClipTask as ClipTask
    from keras_nonlocal.experiments.relation_clips import Scenes as Scenes
    from keras_nonlocal.experiments.relation_clips import draw_clips as draw_clips
    from keras_nonlocal.experiments.relation_clips import draw_stills as draw_stills
    from keras_nonlocal.experiments.results import RowResult as RowResult
    from keras_nonlocal.experiments.results import TableResult as TableResult
    from keras_nonlocal.experiments.rows import Claim as Claim
    from keras_nonlocal.experiments.rows import Layout as Layout
    from keras_nonlocal.experiments.rows import Row as Row
    from keras_nonlocal.experiments.rows import Table as Table
    from keras_nonlocal.experiments.running import (
        ExperimentResults as ExperimentResults,
    )
    from keras_nonlocal.experiments.running import run_experiments as run_experiments
    from keras_nonlocal.experiments.statistics import Cell as Cell
    from keras_nonlocal.experiments.statistics import Difference as Difference
    from keras_nonlocal.experiments.tables import TABLES as TABLES
    from keras_nonlocal.experiments.trainings import SmallRecipe as SmallRecipe
    from keras_nonlocal.experiments.trainings import Training as Training
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
