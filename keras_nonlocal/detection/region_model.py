"""`RegionModel`: Faster, Mask and Keypoint R-CNN as one trainable Keras model."""

from collections.abc import Mapping
from itertools import compress
from typing import Any, Self

import keras
from keras import ops

from keras_nonlocal.arguments import pair_of_sizes
from keras_nonlocal.detection.batches import (
    check_objects,
    images_and_sizes,
    is_picture,
    with_places,
)
from keras_nonlocal.detection.heads import new_heads
from keras_nonlocal.detection.keypoint_set import KeypointSet
from keras_nonlocal.detection.settings import Recipe
from keras_nonlocal.detection.stages import Stages
from keras_nonlocal.layers import PixelPreprocessing
from keras_nonlocal.replicas.model import ReplicatedModel

# Of Detectron's recipes and most others.
PICTURE_SIDES = (800, 1333)


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class RegionModel(ReplicatedModel):
    """A detector: a feature pyramid, a region proposal network, and heads on regions.

    It takes pictures and returns detections. For training, `compile` needs no loss: the
    model sums its own losses and reports each as a metric.

    Args:
        pyramid: From normalized pictures to the features of P2 … P6, as
            `keras_nonlocal.detection.feature_pyramid` makes it.
        classes: Number of classes without the background.
        recipe: All values of the detector.
        has_masks: Whether there is a mask head.
        keypoints: The keypoints of objects, a `keras_nonlocal.detection.KeypointSet`.
            Defaults to `None`: there is no keypoint head.
        class_names: Names of the classes.
        category_ids: The `id` of each class in COCO's files.
        picture_sides: Length in pixels to which the shorter side of pictures is scaled,
            and the greatest length of the longer side: those of the training, for
            `keras_nonlocal.predict_picture`, `keras_nonlocal.export_saved_model` and
            the commands.
        seed: Seed of the sampling of anchors and regions.
        heads: `"rpn_head"`, `"box_head"`, `"mask_head"` and `"keypoint_head"`, as far
            as the model has them. Defaults to `None`, new ones.
        name: Name of the model.

    Call arguments:
        inputs: RGB pictures from 0 to 255, shape `(batch, height, width, 3)`, sides
            divisible by 32; or a dictionary of `"images"` and `"image_sizes"`, the
            height and width of each picture without its padding, shape `(batch, 2)`.
        training: In training the outputs are those of the convolutional part.

    Output shape:
        A dictionary of `"boxes"` `(batch, max_detections, 4)` as `(x1, y1, x2, y2)` in
        pixels, `"scores"` and `"labels"` `(batch, max_detections)`, padded with −1,
        `"num_detections"` `(batch,)` and, with masks, `"masks"`
        `(batch, max_detections, 28, 28)` from 0 to 1 on a grid over each box. With
        keypoints, `"keypoints"` is `(batch, max_detections, points, 3)`: x and y in
        pixels, and a score from 0 to 1.

    References:
        [Mask R-CNN](https://arxiv.org/abs/1703.06870);
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 6.
    """

    def __init__(
        self,
        pyramid: keras.Model,
        classes: int,
        recipe: Recipe,
        *,
        has_masks: bool = True,
        keypoints: KeypointSet | None = None,
        class_names: tuple[str, ...] | None = None,
        category_ids: tuple[int, ...] | None = None,
        picture_sides: tuple[int, int] = PICTURE_SIDES,
        seed: int | None = None,
        heads: Mapping[str, keras.Model] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        # Sizes of pictures have more digits than bfloat16.
        super().__init__(name=name, autocast=False, **kwargs)
        self.classes = classes
        self.recipe = recipe
        self.has_masks = has_masks
        self.keypoints = keypoints
        self.class_names = None if class_names is None else tuple(class_names)
        self.category_ids = None if category_ids is None else tuple(category_ids)
        self.picture_sides = pair_of_sizes(
            "picture_sides", picture_sides, "(shorter, greatest longer)"
        )
        self.seed = seed
        pixels = recipe.pixels
        self.preprocessing = PixelPreprocessing(
            pixels.mean,
            pixels.std,
            channel_order=pixels.channel_order,
            dtype=self.dtype_policy,
        )
        self.pyramid = pyramid
        if heads is None:
            heads = new_heads(
                recipe,
                classes,
                has_masks=has_masks,
                num_keypoints=0 if keypoints is None else keypoints.count,
            )
        self.rpn_head = heads["rpn_head"]
        self.box_head = heads["box_head"]
        self.mask_head = heads.get("mask_head")
        self.keypoint_head = heads.get("keypoint_head")
        self._sampling = keras.random.SeedGenerator(seed)
        self._loss_metrics = {
            loss: keras.metrics.Mean(name=loss) for loss in self._loss_names()
        }
        # All parts are functional models, so their variables exist.
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """Returns detections or, in training, what `compute_loss` needs."""
        images, image_sizes = images_and_sizes(inputs)
        dense = self._dense(images, image_sizes, training=bool(training))
        if training:
            return dense
        return self._stages.detect(dense, image_sizes)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the sum of the losses, and updates the metrics of each.

        On several replicas, it is divided by their number, as Keras expects.

        Args:
            x: The inputs of the model.
            y: A dictionary of the objects of each picture, padded: `"boxes"`
                `(batch, objects, 4)`, `"labels"` `(batch, objects)`, −1 where there is
                none, for masks `"masks"` `(batch, objects, grid, grid)`, each on a grid
                over its own box, and for keypoints `"keypoints"`
                `(batch, objects, points, 3)` as `(x, y, visibility)` in pixels.
            y_pred: The outputs of the model.
            sample_weight: Must be `None`.
            training: Whether sampling and proposals are those of training.
        """
        if sample_weight is not None:
            raise ValueError(
                "A detector takes no `sample_weight`. "
                f"Received: sample_weight of type {type(sample_weight).__name__}"
            )
        drawn = ("masks", "keypoints")
        has_drawn = (self.has_masks, self.has_keypoints)
        check_objects(y, ["boxes", "labels", *compress(drawn, has_drawn)])
        images, image_sizes = images_and_sizes(x)
        dense = y_pred
        if "features" not in y_pred:
            dense = self._dense(images, image_sizes, training=False)
        parts = self._stages.losses(dense, image_sizes, with_places(y))
        for name, value in parts.items():
            self._loss_metrics[name].update_state(
                value, sample_weight=ops.cast(ops.shape(images)[0], "float32")
            )
        total = sum(parts.values())
        for penalty in self.losses:
            total = total + ops.cast(penalty, total.dtype)
        return total / self.num_replicas

    def functional_part(self, inputs: Any) -> tuple[keras.Model, Any]:
        """Returns the functional model that comes first, and its own inputs.

        Args:
            inputs: The inputs of this model.
        """
        return self.pyramid, self._normalized(*images_and_sizes(inputs))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the model, for saving."""
        return {
            "pyramid": keras.saving.serialize_keras_object(self.pyramid),
            "classes": self.classes,
            "recipe": self.recipe.to_dict(),
            "has_masks": self.has_masks,
            "keypoints": None if self.keypoints is None else self.keypoints.to_dict(),
            "class_names": self.class_names,
            "category_ids": self.category_ids,
            "picture_sides": self.picture_sides,
            "seed": self.seed,
            # With their regularizers, dtypes and frozen layers.
            "heads": {
                name: keras.saving.serialize_keras_object(head)
                for name, head in self.heads().items()
            },
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Makes the model of which `get_config` gave the arguments."""
        config = dict(config)
        pyramid = keras.saving.deserialize_keras_object(
            config.pop("pyramid"), custom_objects=custom_objects
        )
        recipe = Recipe.from_dict(config.pop("recipe"))
        keypoints = config.pop("keypoints", None)
        # Files of earlier versions have none.
        heads = config.pop("heads", None)
        if heads is not None:
            heads = {
                name: keras.saving.deserialize_keras_object(
                    head, custom_objects=custom_objects
                )
                for name, head in heads.items()
            }
        if keypoints is not None:
            keypoints = KeypointSet.from_dict(keypoints)
        return cls(pyramid, recipe=recipe, keypoints=keypoints, heads=heads, **config)

    @property
    def has_keypoints(self) -> bool:
        """Whether there is a keypoint head."""
        return self.keypoint_head is not None

    def heads(self) -> dict[str, keras.Model]:
        """Returns the heads by name."""
        heads = {
            "rpn_head": self.rpn_head,
            "box_head": self.box_head,
            "mask_head": self.mask_head,
            "keypoint_head": self.keypoint_head,
        }
        return {name: head for name, head in heads.items() if head is not None}

    def _loss_names(self) -> tuple[str, ...]:
        names = ["rpn_class_loss", "rpn_box_loss", "class_loss", "box_loss"]
        names += ["mask_loss"] if self.has_masks else []
        names += ["keypoint_loss"] if self.has_keypoints else []
        return tuple(names)

    def _dense(
        self, images: Any, image_sizes: Any, *, training: bool
    ) -> dict[str, Any]:
        """The convolutional part: features, logits and offsets of each level."""
        x = self._normalized(images, image_sizes)
        features = self.pyramid(x, training=training)
        outputs = [self.rpn_head(level, training=training) for level in features]
        return {
            "features": features,
            "logits": [logits for logits, _ in outputs],
            "deltas": [deltas for _, deltas in outputs],
        }

    def _normalized(self, images: Any, image_sizes: Any) -> Any:
        x = self.preprocessing(images)
        # Padding is the mean color, whatever the pixels there are.
        return ops.where(is_picture(x, image_sizes), x, ops.zeros((), x.dtype))

    @property
    def _stages(self) -> Stages:
        return Stages(
            self.recipe,
            self.classes,
            self.heads(),
            self._noise,
            skips_empty_regions=self._skips_empty_regions,
        )

    @property
    def _skips_empty_regions(self) -> bool:
        if keras.backend.backend() == "jax" or self.jit_compile:
            return False
        # The penalties of a branch cannot be added outside of it.
        layers = [layer for head in self.heads().values() for layer in head.layers]
        return all(layer.activity_regularizer is None for layer in layers)

    def _noise(self, shape: Any) -> Any:
        return keras.random.uniform(shape, seed=self._sampling)
