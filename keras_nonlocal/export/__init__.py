"""Trained models as files that a server loads."""

from keras_nonlocal.export.batch_norm_folding import fold_batch_norm
from keras_nonlocal.export.exporting import export_saved_model

__all__ = ["export_saved_model", "fold_batch_norm"]
