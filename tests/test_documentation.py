"""Every example in the docstrings and in the README runs."""

import doctest
import importlib
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_nonlocal
from tests.data.videos import moving_pictures, write_video

PACKAGE = Path(keras_nonlocal.__file__).parent
README = PACKAGE.parent / "README.md"
# Rooms whose examples are about what surrounds a network.
SURROUNDINGS = ("export", "inference", "runs")


def examples():
    finder = doctest.DocTestFinder(recurse=True)
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name.startswith("__main__"):
            continue
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        module = importlib.import_module(name)
        namespace = {"keras_nonlocal": keras_nonlocal, "keras": keras, "np": np}
        for test in finder.find(module, name, module, globs=namespace):
            if test.examples:
                yield test


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: example.name)
def test_docstring(example, tmp_path, monkeypatch, request):
    room = example.name.split(".")[1]
    if room in SURROUNDINGS:
        request.getfixturevalue("shallow_networks")
    monkeypatch.chdir(tmp_path)
    report = []
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=options)
    runner.run(example, out=report.append)
    assert not runner.failures, "".join(report)


@pytest.mark.slow
def test_readme(tmp_path, monkeypatch, shallow_networks):
    monkeypatch.chdir(tmp_path)
    # The first block asks for it, which is too late in this process.
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    for part in ("train", "test"):
        for name in ("clap", "wave"):
            folder = tmp_path / "videos" / part / name
            folder.mkdir(parents=True)
            for i in range(2):
                frames = moving_pictures(20, 48, 64, seed=i)
                write_video(folder / f"{i}.mp4", frames)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 4
    namespace = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), namespace)
    assert namespace["scores"].shape == (2,)


def test_readme_table_of_checkpoints_is_the_one_that_is_printed(capsys):
    from keras_nonlocal.cli import main

    assert main(["info", "--markdown"]) == 0
    assert capsys.readouterr().out.strip() in README.read_text("utf-8")


@pytest.mark.slow
def test_readme_table_of_networks_is_the_one_that_is_printed(capsys):
    from keras_nonlocal.cli import main

    assert main(["summary"]) == 0
    for table in capsys.readouterr().out.strip().split("\n\n"):
        assert table in README.read_text("utf-8")


def test_readme_shows_results_as_they_were_printed():
    page = (PACKAGE.parent / "benchmarks" / "experiments" / "RESULTS.md").read_text(
        "utf-8"
    )
    text = README.read_text("utf-8")
    section = text.split("## The paper's experiments")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) >= 6
    for row in rows:
        assert row in page.splitlines()
