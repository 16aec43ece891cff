"""What the site takes from the package and the repository when it is built.

- One page of the API reference for each public folder, from `_surface.py`.
- The pages of changes, benchmarks and experiments, which are files of the repository,
  and one page per example, with its code.
- `<!-- FILE: heading or first cells of a table -->` in a page is replaced with that
  section or table of the file, so no number is written twice.
- The sentence about the page that a page continues, from its front matter.
- Links from names in backticks to their entries in the reference.
"""

import ast
import re
import sys
from pathlib import Path
from typing import Any

_PLUGINS = Path(__file__).parent
_ROOT = _PLUGINS.parent.parent
sys.path[:0] = [str(_PLUGINS), str(_ROOT)]

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from names import PAGES, entries, public_paths

_INCLUSION = re.compile(r"^<!-- ([\w./]+\.md): (.+) -->$", re.MULTILINE)
# Code in which names are no links: fences, and spans that contain backticks.
_CODE = re.compile(r"(^ *```.*?^ *```$|``[^`\n].*?``)", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<![\[`])`([\w.]+)(\([^`]*\))?`(?![`\]])")
# The bases of these classes are not read, so their arguments are not known.
_INHERITED_ARGUMENTS = """\
      docstring_options:
        warn_unknown_params: false
        warn_missing_types: false
        returns_multiple_items: false
        returns_named_value: false
"""
_FILES = {
    "changes.md": "CHANGELOG.md",
    "benchmarks.md": "benchmarks/RESULTS.md",
    "experiments.md": "benchmarks/experiments/RESULTS.md",
}
_FIGURES = _ROOT / "benchmarks" / "experiments"
_LINK = re.compile(r"\]\(((?!https?://|#)[^)]+)\)")
_COMMANDS = {
    **dict.fromkeys(
        sorted(path.name for path in (_ROOT / "examples").glob("*.py")), "python"
    ),
    "clusters/kubernetes.yaml": "kubectl apply -f",
    "clusters/slurm.sbatch": "sbatch",
}
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".sbatch": "bash"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Lists the generated pages in the navigation."""
    for part in config.nav or ():
        if "API reference" in part:
            names = [{page: f"reference/{page}.md"} for page in PAGES.values()]
            part["API reference"] = ["reference/index.md", *names]
        if "Examples" in part:
            part["Examples"] = [{name: f"examples/{name}.md"} for name in _COMMANDS]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are generated."""
    pages = {f"reference/{page}.md": _reference(room) for room, page in PAGES.items()}
    pages["reference/index.md"] = _reference_index()
    for page, path in _FILES.items():
        pages[page] = (_ROOT / path).read_text("utf-8")
    for figure in _FIGURES.glob("*.png"):
        path = str(figure)
        files.append(File.generated(config, figure.name, abs_src_path=path))
    for name in _COMMANDS:
        pages[f"examples/{name}.md"] = _example(name)
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **kwargs: Any) -> str:
    """Completes a page."""
    before = page.meta.get("continues")
    if before:
        title, _, rest = markdown.partition("\n\n")
        sentence = (
            f"!!! note\n    The code below continues from [{before}]({before}): run"
            " that page's code first.\n"
        )
        markdown = f"{title}\n\n{sentence}\n{rest}"
    markdown = _INCLUSION.sub(_included, markdown)
    if page.file.src_uri in _FILES:
        markdown = _LINK.sub(_linked_file, markdown)
    if page.file.src_uri.startswith("reference/"):
        return markdown
    parts = _CODE.split(markdown)
    parts[::2] = [_INLINE.sub(_linked, part) for part in parts[::2]]
    return "".join(parts)


def _linked(code: re.Match[str]) -> str:
    name = code[1]
    paths = public_paths()
    path = paths.get(name) or _short_names().get(name)
    return f"[{code[0]}][{path}]" if path else code[0]


def _short_names() -> dict[str, str]:
    """`NonLocalBlock`, `layers.NonLocalBlock`: as pages and docstrings write them."""
    short = {}
    for public, path in public_paths().items():
        parts = public.split(".")
        short |= {".".join(parts[i:]): path for i in range(1, len(parts))}
    return short


def _reference(room: str) -> str:
    page = PAGES[room]
    parts = [f"# {page}\n\n{_module_docstring(room)}\n"]
    own = entries()[room]
    offered = {
        name: public_paths()[public]
        for public in public_paths()
        if public.rpartition(".")[0] == page
        for name in [public.rpartition(".")[2]]
    }
    elsewhere = {name: path for name, path in offered.items() if name not in own}
    if elsewhere:
        names = ", ".join(f"[`{name}`][{path}]" for name, path in elsewhere.items())
        parts.append(f"It also offers {names}.\n")
    for name, path in own.items():
        parts.append(
            f'<a id="{page}.{name}"></a>\n\n::: {path}\n    options:\n'
            f"      heading: {page}.{name}\n      toc_label: {name}\n"
            + ("" if _has_own_arguments(path) else _INHERITED_ARGUMENTS)
        )
    return "\n".join(parts)


def _has_own_arguments(path: str) -> bool:
    """Whether a name is no class, or a class that lists its arguments."""
    module, _, name = path.rpartition(".")
    file = _ROOT / module.replace(".", "/")
    file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    for statement in ast.parse(file.read_text("utf-8")).body:
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            return not statement.bases or any(
                isinstance(member, ast.FunctionDef)
                and member.name == "__init__"
                and member.args.vararg is None
                for member in statement.body
            )
        if isinstance(statement, ast.ImportFrom) and statement.module:
            for alias in statement.names:
                if (alias.asname or alias.name) == name:
                    return _has_own_arguments(f"{statement.module}.{alias.name}")
    return True


def _module_docstring(room: str) -> str:
    text = (_ROOT / "keras_nonlocal" / room / "__init__.py").read_text("utf-8")
    return ast.get_docstring(ast.parse(text)) or ""


def _reference_index() -> str:
    rows = "\n".join(
        f"| [`{page}`]({page}.md) | {_module_docstring(room).splitlines()[0]} |"
        for room, page in PAGES.items()
    )
    return (
        "# API reference\n\nEvery public name has one entry, in the part that defines"
        f" it.\n\n| import from | contents |\n|---|---|\n{rows}\n"
    )


def _example(name: str) -> str:
    file = _ROOT / "examples" / name
    code, language = file.read_text("utf-8").rstrip(), _LANGUAGES[file.suffix]
    # Whoever searches for a name wants its entry in the reference before its uses.
    front_matter = "---\nsearch: {boost: 0.5}\n---\n\n"
    command = f"`{_COMMANDS[name]} examples/{name}`"
    return f"{front_matter}# {name}\n\n{command}\n\n````{language}\n{code}\n````\n"


def _included(comment: re.Match[str]) -> str:
    """Returns a section, without its heading, or a table of a file."""
    file, start = comment.groups()
    text = (_ROOT / file).read_text("utf-8")
    if start.startswith("|"):
        found = re.search(rf"^{re.escape(start)}.*\n(?:\|.*\n?)+", text, re.MULTILINE)
    else:
        heading = re.escape(start)
        found = re.search(rf"^## {heading}\n((?s:.*?))(?=^## |\Z)", text, re.MULTILINE)
    if not found:
        raise PluginError(f"{file} has no part that starts with {start!r}.")
    return _LINK.sub(_linked_file, found[found.lastindex or 0].strip())


def _linked_file(link: re.Match[str]) -> str:
    """Turns a link to a file of the repository into one to its page."""
    target = link[1]
    pages = {path: page for page, path in _FILES.items()}
    if target.startswith("examples/"):
        return f"]({target}.md)"
    return f"]({pages.get(target, target.removeprefix('docs/pages/'))})"
