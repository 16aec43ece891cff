"""Tables whose runs take seconds."""

from keras_nonlocal.experiments.trainings import SmallRecipe

RECIPE = SmallRecipe(
    steps=4,
    batch_size=12,
    still_steps=2,
    still_batch_size=6,
    validations=2,
    validation_clips=12,
    test_clips=24,
    precise_batches=1,
)
