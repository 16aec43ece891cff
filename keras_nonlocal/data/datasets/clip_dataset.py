"""`ClipDataset`: the type of the datasets that this package returns."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from keras_nonlocal.data.datasets.failures import FailurePolicy

if TYPE_CHECKING:
    from keras_nonlocal.models import ClipInfo


class ClipDataset(Protocol):
    """A dataset of clips that can be resumed at any batch.

    It is a `tf.data.Dataset` or a `keras.utils.PyDataset`, with the attributes below.
    Transformations of the former such as `map` return a dataset without them;
    `keras_nonlocal.training.transform_clips` keeps them.

    Attributes:
        class_names: Names of the classes, in the order of the class indices, or `None`
            if there are no labels or no names.
        clip_info: A `keras_nonlocal.models.ClipInfo` with the class names, the length
            and the frame stride of the clips. `fit` stores it in the model.
        file_paths: The videos, in the order of the list, or `None` for videos that are
            streamed from TensorFlow Datasets.
        failures: Handles videos that cannot be read. `failures.reasons` maps each video
            left out so far to the reason.
    """

    class_names: list[str] | None
    clip_info: "ClipInfo"
    file_paths: list[str] | None
    failures: FailurePolicy

    def resume(self, epoch: int, batch: int = 0) -> "ClipDataset":
        """Returns the rest of an epoch; the dataset itself continues with the next.

        Args:
            epoch: The epoch, starting at 0.
            batch: The first batch to return, starting at 0. With `0`, the epoch has not
                begun, and the next iteration over the dataset itself is this epoch.
                Defaults to `0`.

        Returns:
            A dataset of the remaining batches.
        """
        ...

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...

    def __getattr__(self, name: str) -> Any: ...
