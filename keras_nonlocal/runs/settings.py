"""Settings for training on videos."""

from dataclasses import dataclass, field

from keras_nonlocal.runs.grouped_settings import GroupedSettings
from keras_nonlocal.runs.setting_groups import (
    ClipSettings,
    DataSettings,
    NetworkSettings,
    RecipeSettings,
    RunSettings,
    TestSettings,
)

PAPER_UPDATES = 400_000


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(GroupedSettings):
    """Everything that a training run depends on.

    Settings are immutable; `replace` returns changed settings. All values are checked,
    and two settings are equal if they describe the same run. They are saved in
    `config.json` in the run folder, from which `load` reads them.

    Args:
        data: The videos and their labels.
        network: The network and its weights.
        clips: The clips.
        recipe: The optimizer, its schedule and the length of the run.
        run: The run folder and the devices.
        test: The views of the final test.

    Raises:
        TypeError: If a value has the wrong type.
        ValueError: If a value is not one of the choices or is out of bounds.

    Example:

    >>> from keras_nonlocal.runs import TrainingSettings
    >>> settings = TrainingSettings().replace(
    ...     videos="videos", num_frames=32, frame_stride=2,
    ...     stem_temporal_strides=(2, 2), batch_size=8)
    >>> settings.clips.num_frames, settings.recipe.batch_size
    (32, 8)
    >>> TrainingSettings.from_dict(settings.to_dict()) == settings
    True
    """

    data: DataSettings = field(default_factory=DataSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    clips: ClipSettings = field(default_factory=ClipSettings)
    recipe: RecipeSettings = field(default_factory=RecipeSettings)
    run: RunSettings = field(default_factory=RunSettings)
    test: TestSettings = field(default_factory=TestSettings)


def paper_recipe(settings: TrainingSettings) -> TrainingSettings:
    """Returns settings with the paper's recipe.

    The number of updates, the learning rates and the clips are those of the paper. The
    batch size is kept, because the learning rate is scaled with it.

    Args:
        settings: Any settings.

    Example:

    >>> from keras_nonlocal.runs import TrainingSettings, paper_recipe
    >>> settings = paper_recipe(TrainingSettings())
    >>> settings.recipe.updates, settings.clips.horizontal_flip
    (400000, True)

    References:
        - Section 4.1 of [Non-local Neural Networks](https://arxiv.org/abs/1711.07971).
        - `configs/DBG_kinetics_resnet_8gpu_c2d_nonlocal_400k.yaml` in
          https://github.com/facebookresearch/video-nonlocal-net.
    """
    recipe = RecipeSettings(
        batch_size=settings.recipe.batch_size,
        gradient_accumulation=settings.recipe.gradient_accumulation,
        precision=settings.recipe.precision,
        seed=settings.recipe.seed,
        updates=PAPER_UPDATES,
    )
    return settings.replace(recipe=recipe, horizontal_flip=True, short_side=None)
