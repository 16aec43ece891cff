"""`keras-nonlocal train`: the paper's training on a user's videos."""

import argparse
import json
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_nonlocal.cli.class_names import write_class_names
from keras_nonlocal.cli.train_network import compiled_network
from keras_nonlocal.cli.train_options import add_training_options, fixed_options
from keras_nonlocal.cli.train_plan import TrainingPlan, TrainingVideos

_CONFIG_FILE = "config.json"
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
    _check_same_training(output, config)
    writes = is_chief(strategy)
    if writes:
        _write_config(output, config)
        if not options.json:
            _print_config(config)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision_policy(options.precision))
    try:
        keras.utils.set_random_seed(options.seed)
        with strategy.scope():
            model = compiled_network(options, videos, plan)
        clips, history = _fit(model, options, videos, plan, writes)
        result = _finish(model, clips, options, videos, plan, writes)
    except NonFiniteLossError as error:
        print(f"keras-nonlocal: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        # What fails in `tf.data` arrives as one of TensorFlow's errors.
        if (broken := _BROKEN_VIDEO.search(str(error))) is None:
            raise
        raise ValueError(broken[0]) from error
    finally:
        keras.config.set_dtype_policy(before)
    if writes:
        _print_end(options, config, history, result)
    return 1 if result is not None and result.failures else 0


def _fit(
    model: Any,
    options: argparse.Namespace,
    videos: TrainingVideos,
    plan: TrainingPlan,
    writes: bool,
) -> tuple[Any, dict[str, list[float]]]:
    """Trains, and returns the training clips and the history."""
    import keras

    from keras_nonlocal import training

    throughput = training.Throughput()
    clips = _clips(videos, videos.training, options, shuffle=True)
    # What others take from the clips is no wait of the training.
    watched = throughput.watch(clips)
    validation = None
    if videos.validation is not None:
        validation = _clips(videos, videos.validation, options, shuffle=False)
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
    return clips, history.history


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


def _check_same_training(output: Path, config: Mapping[str, Any]) -> None:
    """Refuses to go on with a training of other options or other videos."""
    path = output / _CONFIG_FILE
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


def _write_config(output: Path, config: Mapping[str, Any]) -> None:
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
    with replacing(output / _CONFIG_FILE) as unfinished:
        unfinished.write_text(json.dumps({**config, "versions": versions}, indent=2))


def _print_config(config: Mapping[str, Any]) -> None:
    for section in ("options", "plan"):
        for name, value in config[section].items():
            print(f"{name}: {value}")
    print(flush=True)


def _print_end(
    options: argparse.Namespace,
    config: Mapping[str, Any],
    history: Mapping[str, list[float]],
    result: Any,
) -> None:
    test = None if result is None else result.to_dict()
    if options.json:
        printed = _as_json({**config, "history": history, "test": test})
        print(json.dumps(printed, indent=2, allow_nan=False))
        return
    if result is not None:
        print(f"\nWhole videos: {options.num_clips} clips, {options.num_crops} crops")
        print(result)
    print(f"\nwritten to {Path(options.output) / _MODEL_FILE}")


def _as_json(value: Any) -> Any:
    """`None` for the numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _as_json(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
