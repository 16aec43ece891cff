"""Pictures with boxes from TensorFlow Datasets."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_nonlocal import evaluate_coco
from keras_nonlocal.data import ImageError, coco_dataset_from_tfds
from tests.data.coco.annotated import Oracle

NAMES = ["person", "bicycle", "car"]
SIZES = {"short_side": 32, "long_side": 48, "max_boxes": 4, "seed": 3}
COUNT = 7


@pytest.fixture(scope="module")
def tfds():
    return pytest.importorskip("tensorflow_datasets")


def objects_of(number):
    """The box `(ymin, xmin, ymax, xmax)` of each object, by the picture's number."""
    boxes = [(0.1, 0.2, 0.6, 0.7), (0.5, 0.0, 1.0, 0.4), (0.3, 0.3, 0.3, 0.9)]
    return boxes[: number % 4]


def picture_of(number):
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (20 + 2 * number, 30, 3), np.uint8)


@pytest.fixture(scope="module")
def builder_class(tfds):
    class Pictures(tfds.core.GeneratorBasedBuilder):
        """The features of `coco/2017`."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "image": tfds.features.Image(encoding_format="png"),
                "image/filename": tfds.features.Text(),
                "image/id": np.int64,
                "objects": tfds.features.Sequence(
                    {
                        "area": np.int64,
                        "bbox": tfds.features.BBoxFeature(),
                        "id": np.int64,
                        "is_crowd": np.bool_,
                        "label": tfds.features.ClassLabel(names=NAMES),
                    }
                ),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for number in range(COUNT):
                objects = [
                    {
                        "area": 100,
                        "bbox": tfds.features.BBox(*box),
                        "id": place,
                        "is_crowd": place == 1 and number == 6,
                        "label": (number + place) % 3,
                    }
                    for place, box in enumerate(objects_of(number))
                ]
                yield (
                    number,
                    {
                        "image": picture_of(number),
                        "image/filename": f"{number}.png",
                        "image/id": 100 + number,
                        "objects": objects,
                    },
                )

    return Pictures


@pytest.fixture(scope="module")
def prepared(builder_class, tmp_path_factory):
    builder = builder_class(data_dir=tmp_path_factory.mktemp("tfds"))
    builder.download_and_prepare()
    return builder


def load(source, split="train", **options):
    return coco_dataset_from_tfds(source, split, **(SIZES | options))


def by_id(dataset):
    """The picture, its size and its objects by its id, of the next epoch."""
    found = {}
    for batch in dataset.source.batches(0):
        for place, picture in enumerate(batch.pictures):
            arrays = {n: v[place] for n, v in (batch.x | batch.y).items()}
            found[picture.id] = picture, arrays
    return found


def test_boxes_are_shares_of_the_picture(prepared):
    dataset = load(prepared, shuffle=False)
    found = by_id(dataset)
    assert sorted(found) == [100 + number for number in range(COUNT)]
    for image, (picture, arrays) in found.items():
        number = image - 100
        height, width = picture_of(number).shape[:2]
        assert picture.size == (height, width)
        rows, columns = arrays["image_sizes"]
        # The third box has no height, and the second one of picture 6 is a crowd.
        places = [0] if number == 6 else [*range(min(number % 4, 2))]
        labels = [(number + place) % 3 for place in places]
        assert arrays["labels"].tolist() == labels + [-1] * (4 - len(labels))
        for place, box in zip(places, arrays["boxes"], strict=False):
            y1, x1, y2, x2 = objects_of(number)[place]
            expected = [x1 * columns, y1 * rows, x2 * columns, y2 * rows]
            np.testing.assert_allclose(box, expected, rtol=1e-5)
    assert [w.reason for w in dataset.wrong_objects] == ["its box has no area"]
    assert dataset.wrong_objects[0].file_name.endswith("train/3.png")
    assert dataset.class_names == NAMES


def as_arrays(batch):
    x, y = batch
    return {name: np.asarray(value) for name, value in (x | y).items()}


def assert_equal(batches, others):
    assert len(batches) == len(others) > 0
    for batch, other in zip(batches, others, strict=True):
        for name, array in as_arrays(batch).items():
            np.testing.assert_array_equal(array, as_arrays(other)[name])


def test_epochs_are_shuffled_repeated_and_resumed(prepared):
    options = {"shuffle_buffer": 5, "horizontal_flip": True, "short_side": (24, 32)}
    dataset = load(prepared, **options)
    first, second = [*dataset], [*dataset]
    assert sum(len(x["images"]) for x, _ in first) == COUNT
    again = load(prepared, **options)
    assert_equal([*again], first)
    assert_equal([*again.resume(1, 1)], second[1:])
    sizes = [[x["image_sizes"].numpy().tolist() for x, _ in e] for e in (first, second)]
    assert sizes[0] != sizes[1]


def test_decoded_pictures_and_mocked_data(tfds, prepared, builder_class, tmp_path):
    decoded = prepared.as_dataset(split="train")
    options = {"shuffle": False, "class_names": NAMES}
    assert_equal([*load(decoded, None, **options)], [*load(prepared, **options)])
    # TFDS's own random data have boxes and labels of different lengths.
    with tfds.testing.mock_data(as_dataset_fn=lambda *_, **__: decoded):
        mocked = load(builder_class(data_dir=tmp_path), shuffle=False)
        assert_equal([*mocked], [*load(prepared, shuffle=False)])


def test_streams_are_evaluated(prepared):
    dataset = load(prepared, category_ids=[1, 2, 44], horizontal_flip=True)
    result = evaluate_coco(Oracle(dataset), dataset, verbose=0)
    assert result.num_pictures == COUNT
    assert result.box["AP"] == pytest.approx(1)
    assert {d["category_id"] for d in result.detections} == {1, 2, 44}
    assert sum(row["objects"] for row in result.per_class) == len(result.detections)


def test_one_bucket_has_a_known_length(prepared):
    whole = {"short_side": 32, "long_side": 32}
    assert int(load(prepared, **whole).cardinality()) == 4
    assert int(load(prepared, **whole, drop_remainder=True).cardinality()) == 3
    assert int(load(prepared).cardinality()) == -2


def test_unreadable_pictures(rng):
    tf = pytest.importorskip("tensorflow")
    file = io.BytesIO()
    Image.fromarray(picture_of(0)).save(file, "PNG")
    objects = {"bbox": [[[0.1, 0.1, 0.9, 0.9]]] * 3, "label": [[1]] * 3}
    images = [file.getvalue(), b"nothing", file.getvalue()[:-400]]
    source = tf.data.Dataset.from_tensor_slices({"image": images, "objects": objects})
    options = {"class_names": NAMES, "shuffle": False}
    dataset = load(source, None, on_error="skip", **options)
    assert [len(x["images"]) for x, _ in dataset] == [1]
    assert sorted(dataset.failures.reasons) == ["dataset/1", "dataset/2"]
    dataset = load(source, None, **options)
    with pytest.raises(Exception, match="Cannot read the picture 'dataset/1'"):
        list(dataset)
    assert isinstance(dataset.failures.raised, ImageError)


def test_sources_that_cannot_be(prepared):
    tf = pytest.importorskip("tensorflow")
    others = tf.data.Dataset.from_tensors({"image": b"", "label": 1})
    for source, options, message in (
        (others, {"split": None, "class_names": NAMES}, '`source` must have "image"'),
        (prepared, {"split": None}, "`split` must be given with a builder"),
        (prepared.as_dataset(split="train"), {}, "only be given with a builder"),
        (prepared.as_dataset(split="train"), {"split": None}, "`class_names` must be"),
        (prepared, {"category_ids": [1, 2]}, "`category_ids` must be ascending"),
        (prepared, {"category_ids": [3, 2, 1]}, "`category_ids` must be ascending"),
        (prepared, {"shuffle_buffer": 0}, "`shuffle_buffer` must be a positive"),
    ):
        with pytest.raises(ValueError, match=f"{message}.*Received: "):
            load(source, **options)
    with pytest.raises(TypeError, match="must be a builder of TensorFlow Datasets"):
        load([1, 2])
