"""Batches of pictures as a `tf.data.Dataset`."""

import weakref
from collections.abc import Callable, Iterator
from typing import Any

from keras_nonlocal.arguments import check_count
from keras_nonlocal.data.coco.dataset import CocoDataset, add_attributes
from keras_nonlocal.data.coco.examples import Arrays, specifications
from keras_nonlocal.data.coco.list_source import ListSource
from keras_nonlocal.data.coco.source import CocoSource
from keras_nonlocal.data.datasets.epochs import EpochCounter
from keras_nonlocal.optional_packages import import_tensorflow
from keras_nonlocal.python_calls import until_the_end


def tf_dataset(source: CocoSource) -> CocoDataset:
    """Returns the dataset, whose iterations are one epoch after another.

    Args:
        source: Loads the batches.
    """
    counter = EpochCounter()

    def resume(epoch: int, batch: int = 0) -> CocoDataset:
        check_count("epoch", epoch)
        check_count("batch", batch)
        counter.set_next(epoch + (batch > 0))
        return _dataset(source, lambda: epoch, batch, resume)

    return _dataset(source, lambda: int(counter.begin()), 0, resume)


def _dataset(
    source: CocoSource,
    begin: Callable[[], int],
    first: int,
    resume: Callable[..., CocoDataset],
) -> Any:
    """The batches from `first` on, of the epoch that `begin` returns."""
    tf = import_tensorflow()

    def batches() -> Iterator[tuple[Arrays, Arrays]]:
        for batch in until_the_end(source.batches(begin(), first)):
            yield batch.x, batch.y
        source.failures.report()

    dataset = tf.data.Dataset.from_generator(
        batches, output_signature=_signature(source)
    )
    length = source.num_batches
    if length is not None and not source.failures.leaves_out:
        remaining = max(length - first, 0)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(remaining))
    options = tf.data.Options()
    # There are no files in the graph that `tf.data` could distribute to workers.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    dataset = dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
    add_attributes(dataset, source)
    if isinstance(source, ListSource):
        # TensorFlow keeps the function of a dataset, and so the processes.
        weakref.finalize(dataset, source.close)
    dataset.resume = resume
    return dataset


def _signature(source: CocoSource) -> Any:
    tf = import_tensorflow()
    plan, shapes = source.plan, source.plan.sizing.shapes
    is_full = plan.drop_remainder and not source.failures.leaves_out
    bucket = [
        sides.pop() if len(sides) == 1 else None
        for sides in ({height for height, _ in shapes}, {width for _, width in shapes})
    ]
    specs = specifications(plan.batch_size if is_full else None, bucket, plan.targets)
    return tuple(
        {name: tf.TensorSpec(shape, dtype) for name, (shape, dtype) in part.items()}
        for part in specs
    )
