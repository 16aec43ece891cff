"""The pages of the documentation, as their tests read them."""

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import keras_nonlocal

ROOT = Path(keras_nonlocal.__file__).parent.parent
PAGES = ROOT / "docs" / "pages"
_BLOCK = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NOT_RUN = "Not run by the tests"


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block of code of a page."""

    language: str
    options: str
    code: str

    @property
    def is_run(self) -> bool:
        """Whether the tests run it: the title of the others says why not."""
        return self.language == "python" and NOT_RUN not in self.options


def page_names() -> list[str]:
    """Returns the names of all pages that are written by hand."""
    return sorted(path.name for path in PAGES.glob("*.md"))


def text_of(name: str) -> str:
    """Returns the Markdown of a page."""
    return (PAGES / name).read_text("utf-8")


def blocks(name: str) -> list[CodeBlock]:
    """Returns the code blocks of a page, from top to bottom."""
    return [
        CodeBlock(found[2], found[3], dedent(found[4]))
        for found in _BLOCK.finditer(text_of(name))
    ]


def continued_page(name: str) -> str | None:
    """Returns the page whose code a page continues, by its front matter."""
    found = re.match(r"---\n(?:.*\n)*?continues: (\S+)\n(?:.*\n)*?---\n", text_of(name))
    return found[1] if found else None
