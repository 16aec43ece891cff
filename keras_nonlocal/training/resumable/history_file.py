"""The logs of the epochs as a table."""

import csv

from keras_nonlocal import files

HISTORY_FILE = "history.csv"


def write_history(path: str, logs: list[dict[str, float]]) -> None:
    """Writes a row with the logs of each epoch."""
    names = dict.fromkeys(name for row in logs for name in row)
    with (
        files.replacing(path) as unfinished,
        unfinished.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, ["epoch", *names])
        writer.writeheader()
        for epoch, row in enumerate(logs):
            writer.writerow({"epoch": epoch, **row})
