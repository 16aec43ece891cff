"""Conversions of option values."""

import argparse
from typing import Any, Literal


class PoolSize(argparse.Action):
    """Stores one value as it is and three values as a tuple."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        value = values[0] if len(values) == 1 else tuple(values)
        setattr(namespace, self.dest, value)


def text_or_none(text: str) -> str | None:
    """Converts `none` to `None`."""
    return None if text == "none" else text


def integer_or_none(text: str) -> int | None:
    """Converts an integer, and `none` to `None`."""
    return None if text == "none" else int(text)


def crop_size(text: str) -> int | Literal["whole"]:
    """Converts an integer, and keeps `whole`."""
    return "whole" if text == "whole" else int(text)
