"""Results of networks that take turns: what they have in common, and their names."""

import statistics
from collections.abc import Sequence
from typing import Any


def pooled(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns the median over the steps of all rounds, and their extremes.

    Args:
        found: A result for each round, with a list of `seconds` and maybe the `peak`
            rate of the device; or with an `error`, and then that result is returned.
    """
    for result in found:
        if "error" in result:
            return result
    seconds = [value for result in found for value in result["seconds"]]
    return {
        **found[0],
        "median": statistics.median(seconds),
        "least": min(seconds),
        "greatest": max(seconds),
        "peak": max(result.get("peak") or 0 for result in found),
    }


def name(case: dict[str, Any]) -> str:
    """Returns the name of a network and its configuration."""
    network = "PySlowFast" if case["peer"] else "keras_nonlocal"
    return ", ".join(filter(None, (network, case["configuration"])))


def places(results: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """Returns the devices and the versions of all rows that have results."""
    found = [result for _, result in results if "error" not in result]
    parts = []
    for key in ("device", "versions"):
        values = (result[key] for result in found if key in result)
        parts.append(", ".join(dict.fromkeys(values)))
    return "; ".join(parts)
