"""The code for other tools, where they are installed."""

import importlib
import re

import pytest

from tests.docs.pages import blocks
from tests.docs.test_pages import namespaces, run  # noqa: F401 - a fixture

TOOLS = {
    re.search(r"needs (\w+)", block.options)[1]: block.code
    for block in blocks("tools.md")
    if "it needs" in block.options
}


def test_every_tool_has_code():
    assert set(TOOLS) == {"keras_tuner", "mlflow", "wandb"}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of the tools
@pytest.mark.parametrize("name", TOOLS)
def test_code_runs(name, namespaces, monkeypatch, capsys):  # noqa: F811
    pytest.importorskip(name)
    monkeypatch.chdir(namespaces["folder"])
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(namespaces["folder"] / "mlruns"))
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # all that mlflow-skinny has
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    names = dict(run("start.md", namespaces))
    exec(compile(TOOLS[name], name, "exec"), names)
    if name == "keras_tuner":
        assert set(names["tuner"].get_best_hyperparameters()[0].values) == {
            "blocks",
            "mode",
            "learning_rate",
        }
    if name == "mlflow":
        runs = importlib.import_module(name).search_runs(output_format="list")
        assert runs[0].data.params["blocks"] == "1"
        assert runs[0].data.metrics["loss"] > 0
