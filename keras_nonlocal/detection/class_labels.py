"""The classes of a detector: their number, names and ids in COCO's files."""

from collections.abc import Sequence

from keras_nonlocal.arguments import check_positive_integer


def check_classes(
    classes: int, class_names: Sequence[str] | None, category_ids: Sequence[int] | None
) -> int:
    """Returns the number of classes.

    Raises:
        ValueError: If it is not positive, or names or ids are not as many and all
            different.
    """
    classes = check_positive_integer("classes", classes)
    for argument, values in (
        ("class_names", class_names),
        ("category_ids", category_ids),
    ):
        if values is not None and (
            isinstance(values, str)
            or len(values) != classes
            or len({*values}) < classes
        ):
            raise ValueError(
                f"`{argument}` must have one entry for each of the {classes} classes, "
                f"all different. Received: {argument}={values!r}"
            )
    return classes
