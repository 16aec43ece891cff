"""Export of trained models as files for servers and other runtimes."""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.export.batch_norm_folding import (
        fold_batch_norm as fold_batch_norm,
    )
    from keras_nonlocal.export.exporting import export_saved_model as export_saved_model
    from keras_nonlocal.export.formats import export_model as export_model
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
