"""What loading a checkpoint did."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LoadReport:
    """What was loaded, skipped and left.

    Attributes:
        path: The file.
        naming: Whose names the file has: `"caffe2"`, `"pyslowfast"`, `"mmaction2"`,
            `"torchvision"` or `"keras"`.
        loaded: Weights of the model that took a value of the file.
        implied: Weights that the file leaves out because its project has a fixed value
            there (statistics of a frozen batch norm), which they took.
        left: Weights of the model that keep the value they had.
        skipped: Entries of the file that were not used, each with the reason.
        training_state: Entries of the file that are no weights: momenta, counters.
        notes: Where the file's project computes something else with the same weights;
            `load_checkpoint` warns of it too.
    """

    path: str
    naming: str
    loaded: tuple[str, ...]
    implied: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    training_state: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = (
            f"{len(self.loaded)} weights loaded ({self.naming}), "
            f"{len(self.implied)} implied, {len(self.left)} left, "
            f"{len(self.skipped)} entries skipped, "
            f"{len(self.training_state)} of training state"
        )
        sections = [f"{self.path}: {counts}"]
        for title in ("left", "skipped", "notes"):
            sections += [f"  {title}: {line}" for line in getattr(self, title)]
        return "\n".join(sections)
