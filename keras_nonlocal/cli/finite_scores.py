"""Tells a user that the scores of a model say nothing."""

import math
import sys
from collections.abc import Iterable, Sequence


def warn_unless_finite(scores: Iterable[Sequence[float]]) -> None:
    """Prints a line on standard error if scores are infinite or NaN.

    Args:
        scores: Those of each video.
    """
    are_finite = [all(map(math.isfinite, row)) for row in scores]
    count = are_finite.count(False)
    if count:
        print(
            f"keras-nonlocal: the scores of {count} of {len(are_finite)} videos are "
            "not finite, as those of a model whose loss was not",
            file=sys.stderr,
        )
