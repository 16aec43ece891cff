"""Writes the named builders: `python scripts/write_builders.py [--check]`.

`NLResNet50C2D` and the other named builders differ from `NLResNet` and `image_network`
only in a depth, a variant and a default. They are written as ordinary functions, which
show all arguments, types and defaults to every tool: `inspect` and `help`, type
checkers, editors that only read the source, and documentation generators. A decorator
or a stub would work for some of these, but not all.

Signatures and docstrings are those of the two templates, without the fixed arguments.
With `--check`, nothing is written, and the exit code shows whether the files are up to
date.
"""

import argparse
import ast
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

MODELS = Path(__file__).parents[1] / "keras_nonlocal" / "models"
FOLDER = MODELS / "named"
DEPTHS = (50, 101, 152)
WIDTH = 88

_VARIANTS = {
    "c2d": "C2D convolves inside each frame. Only {} frames.",
    "i3d": "I3D inflates conv1 to 5×7×7, and every second bottleneck starts with a "
    "3×1×1 convolution.",
}
_HEADER = '''"""{title}.

`scripts/write_builders.py` writes this file; change the template instead.
"""

{imports}
'''
# For builders without non-local blocks, these parts of the template are left out.
_WITHOUT_BLOCKS = {
    ", of the non-local blocks and of the classifier": " and of the classifier",
    " and after W_z of each block": "",
}


@dataclass(frozen=True)
class Argument:
    """An argument of a template."""

    name: str
    annotation: str
    default: str | None
    keyword_only: bool


@dataclass(frozen=True)
class Builder:
    """A function to write.

    Attributes:
        name: Name of the function.
        depth: Depth of the network.
        variant: Variant of the network, or `None` for images.
        has_blocks: Whether the builder has arguments for non-local blocks.
    """

    name: str
    depth: int
    variant: str | None
    has_blocks: bool

    @property
    def fixed(self) -> dict[str, str]:
        """Arguments of the template that the builder sets itself."""
        fixed = {"depth": str(self.depth)}
        if self.variant is not None:
            fixed["variant"] = f'"{self.variant}"'
        if not self.has_blocks:
            fixed["nonlocal_blocks"] = "0"
        return fixed

    def takes(self, argument: str) -> bool:
        """Whether the builder has an argument of the template."""
        about_blocks = argument.startswith("nonlocal_")
        return argument not in self.fixed and (self.has_blocks or not about_blocks)


class Template:
    """`NLResNet` or `image_network`, parsed from its file."""

    def __init__(self, path: Path, function: str) -> None:
        self.module = f"keras_nonlocal.models.{path.stem}"
        self.function = function
        tree = ast.parse(path.read_text("utf-8"))
        self._imports = [
            node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        (node,) = (
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name == function
        )
        self.arguments = _arguments(node)
        self.docstring = ast.get_docstring(node) or ""

    def imports(self, builders: list[Builder]) -> str:
        """Returns the imports that the signatures need, in the order of isort."""
        wanted = {
            name
            for argument in self.arguments
            if any(builder.takes(argument.name) for builder in builders)
            for name in re.findall(r"\w+", argument.annotation)
        } | {"keras"}
        lines = {"third": ["import keras"], "standard": [], "own": []}
        own: dict[str, list[str]] = {self.module: [self.function]}
        for node in self._imports:
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            names = [alias.name for alias in node.names if alias.name in wanted]
            if not names:
                continue
            if node.module.startswith("keras_nonlocal"):
                own.setdefault(node.module, []).extend(names)
            else:
                lines["standard"].append(_import(node.module, names))
        lines["own"] = [_import(module, own[module]) for module in sorted(own)]
        groups = ("standard", "third", "own")
        return "\n\n".join("\n".join(lines[group]) for group in groups if lines[group])


def _arguments(node: ast.FunctionDef) -> list[Argument]:
    positional, keywords = node.args.args, node.args.kwonlyargs
    defaults = [None] * (len(positional) - len(node.args.defaults))
    defaults += node.args.defaults
    return [
        Argument(
            argument.arg,
            ast.unparse(argument.annotation) if argument.annotation else "",
            None if default is None else _source(default),
            argument in keywords,
        )
        for argument, default in zip(
            (*positional, *keywords), (*defaults, *node.args.kw_defaults), strict=True
        )
    ]


def _source(default: ast.expr) -> str:
    """Returns the source of a default, with double quotes as in the formatter."""
    return ast.unparse(default).replace("'", '"')


def _import(module: str, names: list[str]) -> str:
    line = f"from {module} import {', '.join(sorted(names))}"
    if len(line) <= WIDTH:
        return line
    return "\n".join(
        [f"from {module} import (", *(f"    {n}," for n in sorted(names)), ")"]
    )


def function_source(template: Template, builder: Builder) -> str:
    """Returns the source of a builder."""
    lines = [f"def {builder.name}("]
    call = [f"    return {template.function}("]
    starred = False
    for argument in template.arguments:
        name = argument.name
        if builder.takes(name):
            if argument.keyword_only and not starred:
                lines.append("    *,")
                starred = True
            default = "" if argument.default is None else f" = {argument.default}"
            lines.append(f"    {name}: {argument.annotation}{default},")
        elif name not in builder.fixed:
            continue
        value = builder.fixed.get(name, name)
        prefix = f"{name}=" if argument.keyword_only else ""
        call.append(f"        {prefix}{value},")
    body = textwrap.indent(f'"""{docstring(template, builder)}"""', "    ")
    body = "\n".join(line.rstrip() for line in body.split("\n"))
    return "\n".join([*lines, ") -> keras.Model:", body, *call, "    )"])


def docstring(template: Template, builder: Builder) -> str:
    """Returns the template's docstring without the arguments that the builder sets."""
    kind = "" if builder.variant is None else f"{builder.variant.upper()} "
    noun = "images" if builder.variant is None else "clips"
    blocks = " with non-local blocks" if builder.has_blocks else ""
    summary = f"Instantiates the {kind}ResNet-{builder.depth} for {noun}{blocks}."
    _, *parts = re.split(
        r"\n\n(?=Args:|Returns:|Raises:|Example:|References:)", template.docstring
    )
    introduction = template.docstring.partition("\n\n")[2].partition("\n\nArgs:")[0]
    sections = {part.partition(":")[0]: part for part in parts}
    sections["Args"] = _args(sections["Args"], builder)
    sections["Example"] = _example(template, builder)
    opening = [summary, _wrapped(_introduction(introduction, builder))]
    return "\n\n".join([*opening, *sections.values()]) + "\n"


def _introduction(text: str, builder: Builder) -> str:
    text = " ".join(text.split())
    if builder.variant is None:
        return text
    combines = "pooling combines"
    if builder.has_blocks:
        combines = "pooling and the non-local blocks combine"
    return f"{_VARIANTS[builder.variant].format(combines)} {text}"


def _args(section: str, builder: Builder) -> str:
    entries = re.split(r"\n    (?=\w+: )", section)[1:]
    kept = ["Args:"]
    for entry in entries:
        name, _, text = entry.partition(": ")
        if not builder.takes(name):
            continue
        text = " ".join(text.split())
        if not builder.has_blocks:
            for old, new in _WITHOUT_BLOCKS.items():
                text = text.replace(old, new)
        kept.append(_wrapped(f"{name}: {text}", "    ", "        "))
    return "\n".join(kept)


def _wrapped(text: str, first: str = "", rest: str = "") -> str:
    """Wraps a paragraph without a break inside backticks."""
    text = re.sub(r"`[^`]*`", lambda code: code[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(
        text,
        WIDTH - 4,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace("\0", " ")


def _example(template: Template, builder: Builder) -> str:
    name = f"keras_nonlocal.{builder.name}"
    # The deeper networks take seconds to build.
    skip = "" if builder.depth == DEPTHS[0] else "  # doctest: +SKIP"
    if builder.variant is None:
        return "\n".join(
            [
                "Example:\n",
                f">>> backbone = {name}({skip}",
                "...     include_top=False, width=8)",
                f">>> pyramid = keras.Model({skip}",
                "...     backbone.input, backbone.pyramid_outputs)",
                f">>> pyramid(np.zeros((1, 64, 64, 3)))['P4'].shape[1] == 4{skip}",
                "True",
            ]
        )
    return "\n".join(
        [
            "Example:\n",
            f">>> model = {name}({skip}",
            "...     input_shape=(8, 64, 64, 3), classes=5, width=8)",
            f">>> model.output_shape{skip}",
            "(None, 5)",
        ]
    )


def files() -> dict[Path, str]:
    """Returns the content of each file to write, by path."""
    video = Template(MODELS / "video.py", "NLResNet")
    image = Template(MODELS / "image.py", "image_network")
    written = {
        FOLDER / "__init__.py": '"""The networks by name, one function for each."""\n'
    }
    for variant in _VARIANTS:
        for has_blocks in (True, False):
            prefix = "NLResNet" if has_blocks else "ResNet"
            builders = [
                Builder(f"{prefix}{depth}{variant.upper()}", depth, variant, has_blocks)
                for depth in DEPTHS
            ]
            blocks = "with" if has_blocks else "without"
            title = f"{variant.upper()} networks for clips {blocks} non-local blocks"
            stem = f"{'nl_' if has_blocks else ''}resnet_{variant}"
            written[FOLDER / f"{stem}.py"] = _file(video, builders, title)
    builders = [Builder(f"NLResNet{depth}", depth, None, True) for depth in DEPTHS]
    title = "Networks for images with non-local blocks"
    written[FOLDER / "nl_resnet.py"] = _file(image, builders, title)
    return written


def _file(template: Template, builders: list[Builder], title: str) -> str:
    header = _HEADER.format(title=title, imports=template.imports(builders))
    functions = [function_source(template, builder) for builder in builders]
    return "\n\n\n".join([header.rstrip("\n"), *functions]) + "\n"


def outdated() -> list[Path]:
    """Returns the files that are not up to date."""
    return [
        path
        for path, content in files().items()
        if not path.is_file() or path.read_text("utf-8") != content
    ]


def main() -> int:
    """Writes the files, or checks them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    if parser.parse_args().check:
        return 1 if outdated() else 0
    FOLDER.mkdir(exist_ok=True)
    for path, content in files().items():
        path.write_text(content, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
