"""Layers that the documentation, the notebooks and the examples name are there.

Their code runs with shallow networks, which lack most of these layers.
"""

import re
from itertools import chain
from pathlib import Path

from keras_nonlocal import NLResNet50, NLResNet50C2D

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\bconv[1-5]_(?:block\d+_)?[a-z0-9][a-z0-9_]*\b")
TEXTS = ("README.md", "docs/pages/*.md", "examples/**/*.py", "examples/**/*.ipynb")


def test_named_layers_exist():
    networks = [
        NLResNet50(width=4, weights=None, nonlocal_blocks=10),
        NLResNet50C2D((4, 32, 32, 3), width=4, weights=None, nonlocal_blocks=10),
    ]
    known = {layer.name for network in networks for layer in network.layers}
    assert "conv4_block6_nl" in known
    files = chain.from_iterable(ROOT.glob(pattern) for pattern in TEXTS)
    named = {
        (path.name, name)
        for path in files
        for name in NAME.findall(path.read_text("utf-8"))
    }
    assert named
    assert not {(place, name) for place, name in named if name not in known}
