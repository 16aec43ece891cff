"""Looks at a built site in headless Chromium: `python docs/browse.py build/docs`.

Every page is opened from its file, at the widths of a desktop and a phone. These are
faults: a message on the console, a request that fails or leaves the machine, a picture
that does not load, a page wider than the screen. The search must find `NonLocalBlock`.
Without Chromium, the script says that it looked at nothing. With `--pictures DIR`, it
keeps the first screen of each page.
"""

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

_WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_BROKEN_PICTURES = "[...document.images].filter(i => !i.naturalWidth).map(i => i.src)"
_EXCESS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def look_at_pages(browser: Browser, site: Path, pictures: Path | None) -> list[str]:
    """Opens all pages and returns what is wrong, one sentence each."""
    found: list[str] = []
    page = browser.new_page()
    where = [""]
    _listen(page, where, found)
    for path in sorted(site.rglob("*.html")):
        name = str(path.relative_to(site))
        if name == "404.html":  # for servers: its addresses start at their root
            continue
        where[0] = name
        page.goto(path.resolve().as_uri())
        broken = page.evaluate(_BROKEN_PICTURES)
        found.extend(f"{name}: {source} does not load." for source in broken)
        for device, (columns, rows) in _WIDTHS.items():
            page.set_viewport_size({"width": columns, "height": rows})
            excess = _excess(page)
            if excess > 0:
                found.append(f"{name}: {excess} pixels too wide for a {device}.")
            if pictures:
                file = f"{name.removesuffix('.html').replace('/', '_')}_{device}.png"
                page.screenshot(path=pictures / file)
    page.close()
    return found


def search(browser: Browser, site: Path, words: str) -> list[str]:
    """Types words into the search of the first page and returns the titles found."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((site / "index.html").resolve().as_uri())
    page.locator(".md-search__input").click()
    page.keyboard.type(words)
    page.locator(".md-search-result__item").first.wait_for(timeout=20_000)
    titles = page.locator(".md-search-result__item h1, .md-search-result__item h2")
    texts = titles.all_inner_texts()
    page.close()
    return texts


def _excess(page: Page) -> int:
    """Returns the pixels beside the screen, once the sidebars have moved."""
    excess = 0
    for _ in range(20):
        page.wait_for_timeout(50)
        excess = page.evaluate(_EXCESS)
        if excess <= 0:
            break
    return excess


def _listen(page: Page, where: list[str], found: list[str]) -> None:
    page.on("console", lambda m: found.append(f"{where[0]}: {m.type}: {m.text}"))
    page.on("pageerror", lambda error: found.append(f"{where[0]}: {error}"))
    page.on("requestfailed", lambda r: found.append(f"{where[0]}: {r.url} failed."))

    def local(request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            found.append(f"{where[0]} asks for {request.url}.")

    page.on("request", local)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("--pictures", type=Path, help="folder for the first screens")
    options = parser.parse_args()
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        print(f"Not looked at in a browser: none of {', '.join(_PROGRAMS)} is here.")
        return 0
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        # Containers refuse the sandbox, and the site is the only thing opened.
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        found = look_at_pages(browser, options.site, options.pictures)
        titles = search(browser, options.site, "NonLocalBlock")
        if not any(title.endswith("layers.NonLocalBlock") for title in titles):
            found.append(f"The search for NonLocalBlock found only {titles}.")
        version = browser.version
        browser.close()
    print("\n".join(found))
    if not found:
        print(f"Chromium {version}: all pages are right at both widths, search works.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
