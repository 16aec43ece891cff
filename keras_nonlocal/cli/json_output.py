"""The output of commands under `--json`."""

import json
import math
from collections.abc import Mapping
from typing import Any


def print_json(value: Any) -> None:
    """Prints values as JSON, with `null` for non-finite numbers."""
    print(json.dumps(_without_nan(value), indent=2, allow_nan=False))


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
