"""Detections in a file that grows picture by picture, and that can be resumed."""

from collections.abc import Hashable, Mapping
from typing import Any

from keras_nonlocal.inference.resumable_lines import ResumableLines


class CocoResultsFile(ResumableLines):
    """JSON Lines: the settings in the first line, then a line per picture.

    A line has the `image_id` and its `detections` in COCO's format of results.

    Args:
        path: The file. If it exists, it is continued.
        settings: Everything that the detections depend on, as JSON has it.

    Raises:
        OtherSettingsError: If the file was written with other settings.
        ValueError: If the file is no file of results.
    """

    writer = "evaluate_coco"
    content = "detections"

    def known(self) -> dict[Any, list[dict[str, Any]]]:
        """Returns image id → its detections."""
        return {key: line["detections"] for key, line in self._lines.items()}

    def write(self, image: Any, detections: list[dict[str, Any]]) -> None:
        """Adds the line of a picture."""
        self._write({"image_id": image, "detections": detections})

    def _key(self, line: Mapping[str, Any]) -> Hashable:
        if not isinstance(line["detections"], list):
            raise TypeError("detections are a list")
        return line["image_id"]
