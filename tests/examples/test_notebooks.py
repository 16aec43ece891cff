"""Every notebook runs from its first to its last cell, on less data than by default."""

import re
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")
nbformat = pytest.importorskip("nbformat")

NOTEBOOKS = Path(__file__).parents[2] / "examples" / "notebooks"
SMALL = {
    "quickstart": {
        "num_videos": 32,
        "num_test_videos": 24,
        "image_steps": 2,
        "epochs": 1,
        "width": 4,
        "output": "{folder}",
    },
    "what_the_network_looks_at": {"model_file": "{folder}/model.keras"},
    "own_videos": {"videos_per_class": 4, "epochs": 1, "output": "{folder}/own"},
    "your_own_network": {"samples": 64, "epochs": 1},
    "detection": {
        "pictures": 16,
        "test_pictures": 6,
        "steps": 2,
        "width": 4,
        "output": "{folder}/detection",
    },
}
LARGEST = 300_000


def outputs_of(cell):
    return "".join(
        output.get("text", "") for output in cell.get("outputs", ()) if output
    )


def test_all_are_listed():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_outputs_are_kept_small_and_without_errors(name):
    path = NOTEBOOKS / f"{name}.ipynb"
    assert path.stat().st_size < LARGEST
    notebook = nbformat.read(path, 4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # They were run from top to bottom.
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    text = path.read_text("utf-8")
    assert not re.search(r"Traceback|/home/|/root/|/tmp/|/work/|Warning", text)


@pytest.mark.slow
@pytest.mark.thorough
def test_all_run(tmp_path):
    """In one test, because one notebook reads what another one wrote."""
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("sktime")
    for name, values in SMALL.items():
        notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)
        (parameters,) = (
            cell
            for cell in notebook.cells
            if "parameters" in cell.metadata.get("tags", ())
        )
        for parameter, value in values.items():
            assert re.search(rf"^{parameter} = ", parameters.source, re.MULTILINE)
            if isinstance(value, str):
                value = value.format(folder=tmp_path)
            parameters.source += f"\n{parameter} = {value!r}"
        nbclient.NotebookClient(
            notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOKS)}}
        ).execute()
    assert (tmp_path / "attention.png").is_file()
    assert (tmp_path / "class.png").is_file()
