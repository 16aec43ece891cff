"""Facts about a model that an exported file stores as JSON."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from keras_nonlocal.models.clip_info import ClipInfo

# The name of the entry in the metadata of a file.
FACTS_KEY = "keras_nonlocal"
# Where a SavedModel or a file with an appended archive has them.
FACTS_FILE = "keras_nonlocal.json"


@dataclass(frozen=True)
class ExportedFacts:
    """Facts that the graph of an exported model does not tell.

    Args:
        activation: Name of the activation that computes the scores, if known.
        info: Facts about the model's training. The normalization of the pixels is left
            out, because it is part of the exported graph.
    """

    activation: str | None = None
    info: ClipInfo = field(default_factory=ClipInfo)

    def to_json(self) -> str:
        """Returns a line of JSON."""
        values: dict[str, Any] = {"activation": self.activation, **asdict(self.info)}
        del values["normalization"]
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> "ExportedFacts":
        """Returns the facts that `to_json` wrote; those that it does not know are lost.

        Raises:
            ValueError: If the text was not written by `to_json`.
        """
        try:
            values = dict(json.loads(text))
            names = values.get("class_names")
            return cls(
                values.get("activation"),
                ClipInfo(
                    None if names is None else tuple(names),
                    *(
                        values.get(name)
                        for name in ("num_frames", "frame_stride", "target_fps")
                    ),
                ),
            )
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The entry {FACTS_KEY!r} of an exported file must be what "
                f"`export_model` writes. Received: {text!r}"
            ) from error
