"""Apache Beam pipelines for collections that are too large for one machine.

Each function gives the results of the function of the same name for one machine. The
videos are spread over the workers of a runner: Dataflow, Flink, Spark, or processes of
this machine. Launcher and workers share a folder, in which a worker leaves the outcome
of each video as soon as it is known. This has three consequences.

- A repeated call continues where the last one ended, however it ended.
- Each video occurs once in the result, although Beam may execute a part of a pipeline
  several times: files are named by the video, and replaced atomically.
- The pipeline only moves numbers and paths, so the same one runs everywhere.
"""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.beam.evaluating import evaluate_videos as evaluate_videos
    from keras_nonlocal.beam.predicting import predict_videos as predict_videos
    from keras_nonlocal.beam.scanning import scan_videos as scan_videos
    from keras_nonlocal.beam.writing_records import (
        write_video_records as write_video_records,
    )
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
