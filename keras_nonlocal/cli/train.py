"""`keras-nonlocal train`: the paper's training on a user's videos."""

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.train_config import (
    check_same_training,
    print_config,
    write_config,
)
from keras_nonlocal.cli.train_network import compiled_network
from keras_nonlocal.cli.train_options import add_training_options, fixed_options
from keras_nonlocal.cli.train_plan import TrainingPlan, TrainingVideos

_MODEL_FILE = "model.keras"
_SCORES_FILE = "test_scores.jsonl"
_BROKEN_VIDEO = re.compile("Cannot read the video .*")


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "train",
        help="the paper's training on your videos",
        description="Trains a network on videos with labels, saves it, and tests it on "
        "whole videos. Killed and started again with the same options, it ends in the "
        "same weights as if it had not been killed.",
        epilog="exit codes: 0; 1 if the loss became NaN under --check-finite, or test "
        "videos could not be read; 2 for a user's error. "
        "example: keras-nonlocal train videos --num-frames 32 --frame-stride 2 "
        "--stem-temporal-strides 2 2 --strategy mirrored --precision bfloat16",
    )
    add_training_options(command)
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    import keras

    from keras_nonlocal.training import NonFiniteLossError, precision_policy
    from keras_nonlocal.training.strategies import is_chief, strategy_by_name

    strategy = strategy_by_name(options.strategy)
    videos = TrainingVideos.of(options)
    plan = TrainingPlan.of(options, videos)
    config = {
        "options": fixed_options(options),
        "plan": plan.to_dict(),
        "videos": videos.fingerprints(),
        "class_names": videos.training.class_names,
    }
    output = Path(options.output)
    check_same_training(output, config)
    writes = is_chief(strategy)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision_policy(options.precision))
    try:
        keras.utils.set_random_seed(options.seed)
        with strategy.scope():
            model = compiled_network(options, videos, plan)
        clips, validation = _datasets(videos, options)
        # Not before: wrong options that end it sooner can be corrected.
        if writes:
            write_config(output, config)
            if not options.json:
                print_config(config)
        history = _fit(model, clips, validation, options, plan, writes)
        result = _finish(model, clips, options, videos, plan, writes)
    except NonFiniteLossError as error:
        print(f"keras-nonlocal: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        # What fails in `tf.data` arrives as one of TensorFlow's errors.
        if (broken := _BROKEN_VIDEO.search(str(error))) is None:
            raise
        raise ValueError(f"{broken[0]} (`--on-error skip` goes on)") from error
    finally:
        keras.config.set_dtype_policy(before)
    if writes:
        _print_end(options, config, history, result)
    return 1 if result is not None and result.failures else 0


def _datasets(videos: TrainingVideos, options: argparse.Namespace) -> tuple[Any, Any]:
    """The clips for the training and, if there are any, for the validation."""
    clips = _clips(videos, videos.training, options, shuffle=True)
    if videos.validation is None:
        return clips, None
    return clips, _clips(videos, videos.validation, options, shuffle=False)


def _fit(
    model: Any,
    clips: Any,
    validation: Any,
    options: argparse.Namespace,
    plan: TrainingPlan,
    writes: bool,
) -> dict[str, list[float]]:
    """Trains, and returns the history."""
    import keras

    from keras_nonlocal import training

    throughput = training.Throughput()
    # What others take from the clips is no wait of the training.
    watched = throughput.watch(clips)
    callbacks: list[Any] = [throughput]
    if options.check_finite:
        callbacks.append(training.StopOnNonFiniteLoss(clips))
    if options.tensorboard and writes:
        logs = Path(options.output) / "logs"
        callbacks.append(keras.callbacks.TensorBoard(logs))
        callbacks.append(training.SampleClips(logs / "clips", clips))
    history = training.fit_resumably(
        model,
        watched,
        options.output,
        epochs=plan.epochs,
        save_freq=options.save_every,
        validation_data=validation,
        callbacks=callbacks,
        verbose=_verbose(options, writes),
    )
    return dict(history.history)


def _clips(
    videos: TrainingVideos, part: Any, options: argparse.Namespace, shuffle: bool
) -> Any:
    from keras_nonlocal.data import video_dataset_from_list

    short_side = None
    if shuffle and options.short_side is not None:
        short_side = tuple(options.short_side)
    return video_dataset_from_list(
        part,
        label_mode="multi_hot" if videos.is_multi_label else "int",
        batch_size=options.batch_size,
        num_frames=options.num_frames,
        frame_stride=options.frame_stride,
        crop_size=options.crop_size,
        short_side=short_side,
        horizontal_flip=options.horizontal_flip,
        shuffle=shuffle,
        seed=options.seed,
        on_error=options.on_error,
        verbose=False,
    )


def _finish(
    model: Any,
    clips: Any,
    options: argparse.Namespace,
    videos: TrainingVideos,
    plan: TrainingPlan,
    writes: bool,
) -> Any:
    """Saves the model with exact statistics, and tests it if there are videos."""
    from keras_nonlocal.training import update_batch_norm_statistics

    output = Path(options.output)
    # Before it, too: the training is not lost if a video cannot be read here.
    _save(model, output, writes)
    if options.precise_statistics:
        # The clips of the epoch after the last one.
        next_epoch = clips.resume(plan.epochs)
        update_batch_norm_statistics(model, next_epoch, options.precise_statistics)
        _save(model, output, writes)
    if not writes or videos.test is None:
        return None
    tested = _alone(output / _MODEL_FILE, model, options)
    return _test(tested, videos.test, options)


def _save(model: Any, output: Path, writes: bool) -> None:
    from keras_nonlocal.training.atomic_files import replacing

    if writes:
        with replacing(output / _MODEL_FILE) as unfinished:
            model.save(unfinished)


def _test(model: Any, videos: Any, options: argparse.Namespace) -> Any:
    """Goes on with the scores of an interrupted test of the same model and views."""
    from keras_nonlocal import evaluate_videos
    from keras_nonlocal.inference.results_file import OtherSettingsError

    scores = Path(options.output) / _SCORES_FILE

    def evaluate() -> Any:
        return evaluate_videos(
            model,
            videos,
            options.num_clips,
            options.num_crops,
            frame_stride=options.frame_stride,
            results_file=scores,
            verbose=int(_verbose(options, True) == 1),
        )

    try:
        return evaluate()
    except OtherSettingsError:
        scores.unlink()
        return evaluate()


def _alone(path: Path, model: Any, options: argparse.Namespace) -> Any:
    """The model on this worker only: the others do not take part in the test."""
    import keras

    if options.strategy != "multi-worker":
        return model
    return keras.saving.load_model(path, compile=False)


def _verbose(options: argparse.Namespace, writes: bool) -> int:
    """Keras's: 0 is silence, 1 a progress bar, 2 a line per epoch."""
    if options.json or not writes:
        return 0
    return 1 if sys.stdout.isatty() else 2


def _print_end(
    options: argparse.Namespace,
    config: Mapping[str, Any],
    history: Mapping[str, list[float]],
    result: Any,
) -> None:
    test = None if result is None else result.to_dict()
    if options.json:
        print_json({**config, "history": history, "test": test})
        return
    if result is not None:
        print(f"\nWhole videos: {options.num_clips} clips, {options.num_crops} crops")
        print(result)
    print(f"\nwritten to {Path(options.output) / _MODEL_FILE}")
