"""The file in the folder of a training that says which training it is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_nonlocal.cli.class_names import write_class_names

_FILE = "config.json"


def check_same_training(output: Path, config: Mapping[str, Any]) -> None:
    """Refuses to go on with a training of other options or other videos."""
    path = output / _FILE
    if not path.exists():
        return
    saved = _read_config(path)
    current = json.loads(json.dumps(config))
    for section in ("options", "plan", "videos"):
        for name, value in current[section].items():
            before = saved[section].get(name)
            if before != value:
                what = f"the hash of the {name} videos" if section == "videos" else name
                raise ValueError(
                    "`--output` must be new, or hold a training with the same options "
                    f"and videos. Received: output={str(output)!r}, where {what} is "
                    f"{before!r} instead of {value!r}"
                )


def _read_config(path: Path) -> dict[str, dict[str, Any]]:
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return {name: dict(saved[name]) for name in ("options", "plan", "videos")}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"`--output` must be new, or hold a training. Received: "
            f"output={str(path.parent)!r}, whose {path.name} is of something else"
        ) from error


def write_config(output: Path, config: Mapping[str, Any]) -> None:
    """Writes it, and the names of the classes."""
    import keras

    import keras_nonlocal
    from keras_nonlocal.training.atomic_files import replacing

    versions = {
        "keras_nonlocal": keras_nonlocal.__version__,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
    }
    output.mkdir(parents=True, exist_ok=True)
    write_class_names(output, config["class_names"])
    with replacing(output / _FILE) as unfinished:
        unfinished.write_text(json.dumps({**config, "versions": versions}, indent=2))


def print_config(config: Mapping[str, Any]) -> None:
    """Prints the options and the plan, one per line."""
    for section in ("options", "plan"):
        for name, value in config[section].items():
            print(f"{name}: {value}")
    print(flush=True)
