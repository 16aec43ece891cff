"""The code, the commands and the quotations of the documentation are right."""

import ast
import re
import shlex

import pytest

from keras_nonlocal.cli import parsed
from tests.data.videos import moving_pictures, write_video
from tests.docs.pages import (
    NOT_RUN,
    PAGES,
    ROOT,
    blocks,
    continued_page,
    page_names,
    text_of,
)

# Stands for the values of an f-string.
_HOLE = "…"
_QUOTATION = re.compile(r"^### (?:`` (.+) ``|`([^`]+)`)$", re.MULTILINE)


def write_collection(folder):
    """The videos that pages assume: `videos/{train,test}/{clap,wave}/*.mp4`."""
    for part in ("train", "test"):
        for name in ("clap", "wave"):
            (folder / "videos" / part / name).mkdir(parents=True)
            for i in range(2):
                frames = moving_pictures(20, 48, 64, seed=i)
                write_video(
                    folder / "videos" / part / name / f"{i}.mp4", frames, rate=10
                )


@pytest.fixture(scope="module")
def namespaces(tmp_path_factory):
    """The names that each page has defined, filled as pages are run."""
    folder = tmp_path_factory.mktemp("pages")
    write_collection(folder)
    return {"folder": folder}


def run(name, namespaces):
    """Runs a page once, after the page that it continues."""
    if name not in namespaces:
        before = continued_page(name)
        namespace = dict(run(before, namespaces)) if before else {}
        for block in blocks(name):
            if block.is_run:
                exec(compile(block.code, name, "exec"), namespace)
        namespaces[name] = namespace
    return namespaces[name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in page_names() if any(b.is_run for b in blocks(name))]
)
def test_code_runs(name, namespaces, monkeypatch, shallow_networks):
    monkeypatch.chdir(namespaces["folder"])
    # Pages ask for it where a new process would.
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    run(name, namespaces)


def test_most_code_is_run():
    written = [b for name in page_names() for b in blocks(name)]
    python = [block for block in written if block.language == "python"]
    left_out = [block for block in python if not block.is_run]
    assert len(python) > 40
    assert len(left_out) < len(python) / 4
    for block in left_out:
        assert re.search(rf'title="{NOT_RUN}: \w.{{8,}}"', block.options)


def commands():
    for name in page_names():
        for block in blocks(name):
            if block.language != "bash":
                continue
            for line in block.code.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                while words and re.fullmatch(r"\w+=\S*", words[0]):  # KERAS_BACKEND=
                    words.pop(0)
                if words and words[0].endswith("keras-nonlocal"):
                    yield pytest.param(words[1:], id=f"{name}: {line.strip()[:60]}")


@pytest.mark.parametrize("words", list(commands()))
def test_commands_parse(words):
    if words not in (["--help"], ["--version"]):
        parsed(words)


def literals():
    """Returns the strings of the package, with a hole for each formatted value."""
    found = set()
    for path in (ROOT / "keras_nonlocal").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (
                    part.value if isinstance(part, ast.Constant) else _HOLE
                    for part in node.values
                )
                found.add("".join(map(str, parts)))
    return found


def test_messages_of_troubleshooting_are_the_packages():
    found = _QUOTATION.findall(text_of("troubleshooting.md"))
    quotations = [double or single for double, single in found]
    assert len(quotations) == text_of("troubleshooting.md").count("\n### ")
    assert len(quotations) >= 15
    written = literals()
    unknown = [
        quotation
        for quotation in quotations
        if not any(quotation in literal for literal in written)
    ]
    assert unknown == []


def test_files_that_pages_name_exist():
    names = re.compile(r"`((?:tests|examples|benchmarks|keras_nonlocal|docs)/[\w./]+)`")
    tests = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
    for page in page_names():
        for path in names.findall(text_of(page)):
            assert (ROOT / path).exists(), f"{page}: {path}"
        for path, test in tests.findall(text_of(page)):
            assert f"def {test}(" in (ROOT / path).read_text("utf-8"), f"{page}: {test}"


def test_pictures_are_small_and_shown():
    pages = "".join(map(text_of, page_names()))
    for path in (PAGES / "pictures").iterdir():
        assert path.stat().st_size < 150_000
        assert f"pictures/{path.name}" in pages
