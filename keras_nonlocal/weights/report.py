"""The report on a loaded checkpoint."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LoadReport:
    """Lists the loaded, skipped and unchanged weights.

    Attributes:
        path: The file.
        naming: The project whose names the file uses: `"caffe2"`, `"pyslowfast"`,
            `"pytorchvideo"`, `"mmaction2"`, `"gluoncv"`, `"resnet3d"`,
            `"torchvision"`, `"detectron"`, `"detectron2"`, `"mmdetection"` or
            `"keras"`.
        loaded: Weights of the model that were set to a value in the file.
        implied: Weights of the model that were set to a value that the file omits
            because its project fixes it, such as the statistics of a frozen batch
            normalization.
        left: Weights of the model that kept their values.
        skipped: Entries of the file that were not used, each with the reason.
        training_state: Entries of the file that are not weights of the network:
            momenta, counters, averages.
        notes: Differences between the computations of the file's project and this
            package. `load_checkpoint` also warns about them.
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
