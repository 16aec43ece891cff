"""Prints COCO's figures."""

from typing import TYPE_CHECKING

from keras_nonlocal.files import printable

if TYPE_CHECKING:
    from keras_nonlocal.inference import CocoResult


def print_coco_result(result: "CocoResult") -> None:
    """Prints a line per class, and then the figures of all classes."""
    if not result.num_pictures:
        print(result)  # figures of nothing are no numbers
        return
    parts = [*result.parts]
    print(f"| class | objects | {' | '.join(f'{part} AP' for part in parts)} |")
    print(f"|---|---:|{'---:|' * len(parts)}")
    for row in result.per_class:
        numbers = " | ".join(_number(row[part]) for part in parts)
        name = row["class"].replace("|", r"\|")  # or it would end the cell
        print(printable(f"| {name} | {row['objects']} | {numbers} |"))
    print(f"\n{result}")


def _number(value: float) -> str:
    return "" if value != value else f"{value:.3f}"
