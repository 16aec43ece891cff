"""Errors in terms of a command's options instead of arguments."""

import argparse
import re
from collections.abc import Mapping

_OPTION = re.compile(r"(?<![\w-])--([a-z0-9][a-z0-9-]*)")
# Advice such as "; pass `labels=None` for videos without labels".
_ADVICE = re.compile(r"[;,] pass `(\w+)=[^`]*`[^.]*")
_VALUE = re.compile(r"`(\w+)=\"?([^`\"]*)\"?`")


def in_options(
    message: str,
    command: argparse.ArgumentParser,
    renamed: Mapping[str, str] | None = None,
) -> str:
    """Replaces the names of arguments with the options of a command.

    Errors name an argument in backticks and the received value as `name=value`.

    Args:
        message: The sentence.
        command: The parser of the command.
        renamed: Arguments whose option has a different name, such as
            `{"layer_name": "layer"}`, or which the user gives without an option, such
            as `{"directory": "VIDEO"}`.

    Returns:
        The sentence with `` `--frame-stride` `` for `` `frame_stride` ``, and
        `--frame-stride=0` for `frame_stride=0`, where the command has that option.
        Advice to pass an argument that is no option is left out.
    """
    options = set(_OPTION.findall(command.format_help()))
    known = renamed or {}

    def option(name: str) -> str | None:
        written = known.get(name, name)
        if written.isupper():
            return written
        dashed = written.replace("_", "-")
        found = (o for o in (dashed, f"no-{dashed}") if o in options)
        return next((f"--{o}" for o in found), None)

    def in_backticks(match: re.Match[str]) -> str:
        return f"`{option(match[1]) or match[1]}`"

    def with_value(match: re.Match[str]) -> str:
        written = option(match[1])
        if written is None:
            return match[0]
        if written.startswith("--no-") and match[2] == "False":
            return f"`{written}`"
        return f"`{written} {match[2]}`"

    def received(match: re.Match[str]) -> str:
        name, value = match.groups()
        written = option(name)
        if written is None:
            return match[0]
        if written.startswith("--no-"):
            return written if value == "False" else match[0]
        return f"{written}={value or ''}"

    message = _ADVICE.sub(lambda match: match[0] if option(match[1]) else "", message)
    message = _VALUE.sub(with_value, message)
    message = re.sub(r"`(\w+)`", in_backticks, message)
    sentence, separator, values = message.partition("Received: ")
    argument = r"(?<![\w.'\"-])(\w+)=(False)?"
    return sentence + separator + re.sub(argument, received, values)
