"""Docstrings of the package as Markdown: fenced examples and links to public names."""

import re
from typing import Any

import griffe
from names import public_paths

_EXAMPLE = re.compile(r"^Example:\n", re.MULTILINE)
_PROMPTS = re.compile(r"(?:^ *>>> .*\n?(?:^ *\S.*\n?)*)(?:\n(?=>>> ))?", re.MULTILINE)
_DIRECTIVE = re.compile(r" *# doctest: .*$", re.MULTILINE)
# Names that share a description: the parser takes one at a time.
_JOINT = re.compile(r"^( +)([*\w]+(?:, [*\w]+)+): (.*\n?(?:\1 +.*\n?)*)", re.MULTILINE)
_QUALIFIED = re.compile(r"`(keras_nonlocal(?:\.\w+)+)`")


def as_markdown(text: str) -> str:
    """Fences the examples of a docstring and links the public names in it."""
    text = _EXAMPLE.sub("**Example**\n", text)
    text = _PROMPTS.sub(_fenced, text)
    text = _JOINT.sub(_one_by_one, text)
    return _QUALIFIED.sub(_link, text)


def _fenced(prompts: re.Match[str]) -> str:
    lines = _DIRECTIVE.sub("", prompts[0]).rstrip()
    return f"```pycon\n{lines}\n```\n"


def _one_by_one(names: re.Match[str]) -> str:
    indent, joint, description = names.groups()
    description = description.rstrip()
    return "".join(f"{indent}{name}: {description}\n" for name in joint.split(", "))


def _link(name: re.Match[str]) -> str:
    path = public_paths().get(name[1])
    return f"[{name[0]}][{path}]" if path else name[0]


class Docstrings(griffe.Extension):
    """Rewrites each docstring before mkdocstrings parses it."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
