"""Checks a built site: `python docs/check.py build/docs`.

Every public name has an entry with a description, no page loads anything from another
host, and pictures are small.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "plugins")]

from names import PAGES, entries

_LOADING = {"script": "src", "img": "src", "iframe": "src", "link": "href"}
_MAX_PICTURE = 150_000


class _Page(HTMLParser):
    """The entries of the reference with the length of their text; loaded addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.entries: dict[str, int] = {}
        self.loaded: list[str] = []
        self._entry = ""
        self._is_described = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        classes = (values.get("class") or "").split()
        if "doc-heading" in classes:
            self._entry = values.get("id") or ""
            self.entries[self._entry] = 0
            self._is_described = False
        if tag == "p":
            self._is_described = True
        if tag in _LOADING and values.get("rel") != "canonical":
            self.loaded.append(values.get(_LOADING[tag]) or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self._is_described = False

    def handle_data(self, data: str) -> None:
        if self._entry and self._is_described:
            self.entries[self._entry] += len(data.strip())


def problems(site: Path) -> list[str]:
    """Returns what is wrong with a site, one sentence each."""
    found = []
    for room, page in PAGES.items():
        text = (site / "reference" / f"{page}.html").read_text("utf-8")
        described = _Page(text).entries
        for name, path in entries()[room].items():
            if path not in described:
                found.append(f"{page}.{name} has no entry in the API reference.")
            elif not described[path]:
                found.append(f"{page}.{name} has no docstring.")
            if f'id="{page}.{name}"' not in text:
                found.append(f"{page}.{name} has no address of its own.")
    for path in sorted(site.rglob("*.html")):
        if "][keras_nonlocal." in path.read_text("utf-8"):
            found.append(f"{path.name} shows the Markdown of a link.")
        for address in _Page(path.read_text("utf-8")).loaded:
            if re.match(r"(https?:)?//", address):
                found.append(f"{path.name} loads {address} from another host.")
    for path in sorted((site / "pictures").glob("*")):
        if path.stat().st_size >= _MAX_PICTURE:
            found.append(f"{path.name} has {path.stat().st_size} bytes.")
    return found


def main() -> int:
    site = Path(sys.argv[1])
    found = problems(site)
    print("\n".join(found))
    if not found:
        count = sum(map(len, entries().values()))
        print(f"{count} public names have an entry; no page needs another host.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
