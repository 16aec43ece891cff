"""What a training run of any kind consists of: settings, data and a plan."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

from keras_nonlocal.runs.setting_groups import RunSettings

if TYPE_CHECKING:
    from keras_nonlocal.training.precision import Precision


class _Recipe(Protocol):
    @property
    def precision(self) -> "Precision": ...

    @property
    def seed(self) -> int: ...


class _Network(Protocol):
    @property
    def width(self) -> int: ...


class Settings(Protocol):
    """The settings of a run of any kind."""

    @property
    def network(self) -> _Network: ...

    @property
    def run(self) -> RunSettings: ...

    @property
    def recipe(self) -> _Recipe: ...

    def to_dict(self) -> dict[str, dict[str, Any]]: ...

    @classmethod
    def from_dict(cls, values: Mapping[str, Mapping[str, Any]]) -> Self: ...

    def replace(self, **changes: Any) -> Self: ...


class Inputs(Protocol):
    """The data of a run of any kind."""

    @property
    def training(self) -> Any: ...

    @property
    def validation(self) -> Any: ...

    @property
    def test(self) -> Any: ...

    @property
    def class_names(self) -> tuple[str, ...] | None: ...

    @property
    def fingerprints(self) -> Mapping[str, str | None]: ...


class Plan(Protocol):
    """The length of a run of any kind."""

    @property
    def epochs(self) -> int: ...

    @property
    def steps_per_epoch(self) -> int: ...

    def to_dict(self) -> dict[str, Any]: ...
