"""Exported files in place of models: scores, metadata and errors."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_nonlocal import evaluate_videos, export_model, predict_video, predict_videos
from keras_nonlocal.cli import main, parsed
from keras_nonlocal.cli.options.calibration import calibration_clips
from keras_nonlocal.data import VideoError
from keras_nonlocal.inference import ExportedModel
from keras_nonlocal.models import ClipInfo
from keras_nonlocal.training import ReplicatedModel
from tests.data.videos import moving_pictures, write_video
from tests.export.clip_models import small_network

NAMES = ("clap", "jump", "wave")
INFO = ClipInfo(class_names=NAMES, num_frames=4, frame_stride=3, target_fps=15.0)
OPEN = (None, None, None, 3)
FILES = {
    "saved_model": "saved_model.pb",
    "onnx": "model.onnx",
    "litert": "model.tflite",
    "openvino": "model.xml",
}
PACKAGES = {
    "saved_model": [],
    "onnx": ["tf2onnx", "onnxruntime"],
    "litert": ["ai_edge_litert"],
    "openvino": ["openvino"],
}
# Scores up to 1 in float32, computed by other kernels.
ROUNDING = 1e-5


def refuse(capsys, message, *arguments):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def named_network(**arguments):
    model = small_network(**arguments)
    model = ReplicatedModel(model.inputs, model.outputs)
    model.clip_info = INFO
    return model


class Exports:
    """Exports each model once for each format."""

    def __init__(self, folder):
        self.folder = folder
        self.models = {}
        self.files = {}

    def __call__(self, format, **arguments):
        for package in PACKAGES[format]:
            pytest.importorskip(package)
        name = "_".join(map(str, arguments.values())) or "plain"
        model = self.models.setdefault(name, named_network(**arguments))
        if (format, name) not in self.files:
            options = {"warm_up": False, "crop_size": 32}
            self.files[format, name] = export_model(
                model,
                self.folder / str(len(self.files)),
                format,
                **(options if format == "saved_model" else {}),
            )
        return model, self.files[format, name]


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    return Exports(tmp_path_factory.mktemp("exports"))


@pytest.fixture
def videos(tmp_path, rng):
    """A directory with a folder per class."""
    for name in NAMES:
        (tmp_path / "videos" / name).mkdir(parents=True)
        frames = moving_pictures(20, 48, 64, seed=int(rng.integers(2**31)))
        write_video(tmp_path / "videos" / name / "x.mp4", frames)
    return tmp_path / "videos"


WITHOUT_KERAS = """
import sys
sys.modules["keras"] = None
from keras_nonlocal.cli import main
sys.exit(main())
"""


@pytest.mark.parity
@pytest.mark.parametrize("format", FILES)
def test_videos_are_scored_without_keras(format, exports, videos, capsys):
    _, folder = exports(format)
    command = ["predict", str(folder), str(videos / "jump" / "x.mp4"), "--json"]
    assert main(command) == 0
    expected = json.loads(capsys.readouterr().out)
    printed = subprocess.check_output([sys.executable, "-c", WITHOUT_KERAS, *command])
    assert json.loads(printed) == expected


@pytest.mark.parity
@pytest.mark.parametrize("format", FILES)
def test_videos_get_the_scores_of_the_model(format, exports, videos):
    model, folder = exports(format)
    paths = sorted(videos.glob("*/x.mp4"))
    for views in ({}, {"num_clips": 2, "num_crops": 1, "batch_size": 3}):
        expected = predict_videos(model, paths, **views)
        found = predict_videos(ExportedModel(folder), paths, **views)
        np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)
    for path in (folder, str(folder), folder.parent, folder / FILES[format]):
        target = folder if path == folder / "saved_model.pb" else path
        found = predict_video(target, paths[0], 2, 1)
        np.testing.assert_allclose(found, expected[0], rtol=0, atol=ROUNDING)


@pytest.mark.parity
@pytest.mark.parametrize("format", FILES)
def test_other_sizes_where_the_file_is_open(format, exports, videos):
    model, folder = exports(format, input_shape=OPEN)
    assert ExportedModel(folder).input_shape == (None, *OPEN)
    path = videos / "clap" / "x.mp4"
    for size in ({"crop_size": 40, "num_frames": 5}, {"crop_size": (36, 44)}):
        expected = predict_video(model, path, 2, 3, **size)
        found = predict_video(folder, path, 2, 3, **size)
        np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parity
@pytest.mark.parametrize("format", FILES)
def test_the_file_knows_its_model(format, exports):
    model, folder = exports(format)
    exported = ExportedModel(folder)
    assert exported.format == format
    assert exported.path == (
        folder if format == "saved_model" else folder / FILES[format]
    )
    assert exported.input_shape == model.input_shape
    assert exported.output_shape == model.output_shape
    assert exported.clip_info == INFO
    assert exported.clip_model.activation == "softmax"
    assert exported.name == str(exported.path)


@pytest.mark.parity
@pytest.mark.parametrize("format", FILES)
def test_predict_takes_any_number_of_clips(format, exports, rng):
    _, folder = exports(format)
    exported = ExportedModel(folder)
    clips = rng.integers(0, 256, (5, 4, 32, 32, 3), dtype=np.uint8)
    whole = exported.predict(clips)
    assert whole.dtype == np.float32
    first = exported(clips[:2])
    kept = first.copy()
    np.testing.assert_allclose(first, whole[:2], rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(
        exported.predict(clips, batch_size=2), whole, rtol=0, atol=ROUNDING
    )
    np.testing.assert_array_equal(first, kept)  # no memory of the runtime
    for wrong in (clips.astype("float32"), clips[:, :3], clips[0], clips[:0]):
        with pytest.raises(ValueError, match=r"^`clips` must be RGB pixels"):
            exported.predict(wrong)


RUN = """
import sys
from keras_nonlocal.cli import main
assert main(sys.argv[1:]) == 0
assert "tensorflow" not in sys.modules
"""


@pytest.mark.parity
@pytest.mark.parametrize("format", ["openvino", "onnx", "litert"])
def test_commands_start_without_tensorflow(format, exports, videos, tmp_path):
    pytest.importorskip("openvino")
    model, folder = exports(format)
    environment = dict(os.environ, PYTHONPATH=os.getcwd())
    environment.pop("KERAS_BACKEND", None)
    file = tmp_path / "scores.csv"
    views = ["--num-clips", "2", "--num-crops", "1"]
    for command in ("predict", "evaluate"):
        words = [command, str(folder), str(videos), *views, "--json"]
        words += ["--csv", str(file)] if command == "predict" else []
        done = subprocess.run(
            [sys.executable, "-c", RUN, *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
    expected = evaluate_videos(model, videos, 2, 1, verbose=0)
    assert json.loads(done.stdout)["top1"] == pytest.approx(expected.top1)


@pytest.mark.parity
@pytest.mark.parametrize("format", FILES)
def test_evaluations_are_those_of_the_model(format, exports, videos, tmp_path):
    model, folder = exports(format)
    views = {"num_clips": 2, "num_crops": 1, "verbose": 0}
    expected = evaluate_videos(model, videos, **views)
    file = tmp_path / "scores.jsonl"
    for _ in range(2):
        found = evaluate_videos(folder, videos, results_file=file, **views)
        assert found.class_names == NAMES
        assert found.top1 == expected.top1
        np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=ROUNDING)
    assert len(file.read_text().splitlines()) == 4
    # The file of scores belongs to one file.
    with pytest.raises(ValueError, match=r"with another model$"):
        evaluate_videos(model, videos, results_file=file, **views)


def test_a_size_that_the_file_does_not_take(exports, videos):
    _, folder = exports("saved_model")
    path = videos / "clap" / "x.mp4"
    message = (
        r"^The exported model must take clips of this size: build its network with "
        r"`input_shape=\(4, 40, 40, 3\)`, .*`weights=` .* Received: num_frames=4, "
        r"crop_size=\(40, 40\) for a file with clips \(4, 32, 32\)$"
    )
    with pytest.raises(ValueError, match=message):
        predict_video(folder, path, crop_size=40)
    with pytest.raises(ValueError, match="num_frames=5"):
        predict_video(folder, path, num_frames=5)
    with pytest.raises(ValueError, match=r"^`preprocessing` must be left out"):
        predict_video(folder, path, preprocessing=lambda pixels: pixels)


def test_what_is_no_exported_file(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "two").mkdir()
    for name in ("model.onnx", "model.xml"):
        (tmp_path / "two" / name).write_text("")
    for name, problem in (
        ("none.xml", "which does not exist"),
        ("empty", "a folder without any"),
        ("two", "a folder with model.onnx and model.xml"),
    ):
        with pytest.raises(ValueError, match=f"^An exported model must .*{problem}$"):
            ExportedModel(tmp_path / name)
    (tmp_path / "two" / "model.xml").unlink()
    with pytest.raises(ValueError, match="Received: precision='half'"):
        ExportedModel(tmp_path / "two", precision="half")


@pytest.mark.parity
@pytest.mark.parametrize("format", ["onnx", "litert", "openvino"])
def test_damaged_files_are_said(format, exports, tmp_path):
    exports(format)
    path = tmp_path / FILES[format]
    path.write_bytes(b"<net")
    with pytest.raises(ValueError, match=r"^The exported model could not be loaded: "):
        ExportedModel(path)


@pytest.mark.parity
def test_files_of_others_have_no_facts(exports, tmp_path):
    onnx = pytest.importorskip("onnx")
    _, folder = exports("onnx")
    model = onnx.load(str(folder / "model.onnx"))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "model.onnx"))
    assert ExportedModel(tmp_path).clip_info == ClipInfo()
    shutil.copy(folder / "labels.txt", tmp_path)
    assert ExportedModel(tmp_path).clip_info == ClipInfo(class_names=NAMES)
    onnx.helper.set_model_props(model, {"keras_nonlocal": "[3]"})
    onnx.save(model, str(tmp_path / "model.onnx"))
    with pytest.raises(ValueError, match=r"must be what `export_model` writes\. Rec"):
        ExportedModel(tmp_path)


def test_a_saved_model_of_something_else_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.export(tmp_path / "model", verbose=False)
    message = r"^The exported model must take `clips`, uint8 pixels, and return `scor"
    with pytest.raises(ValueError, match=message):
        ExportedModel(tmp_path / "model")


@pytest.mark.parity
@pytest.mark.parametrize(
    ("format", "module"),
    [
        ("onnx", "onnxruntime"),
        ("litert", "ai_edge_litert"),
        ("openvino", "openvino"),
    ],
)
def test_a_missing_runtime_is_named(format, module, exports, monkeypatch):
    _, folder = exports(format)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"{module}.interpreter", raising=False)
    with pytest.raises(ImportError, match=r"is needed .*`pip install "):
        ExportedModel(folder)


@pytest.mark.parity
def test_precision_is_chosen(exports, rng):
    openvino = pytest.importorskip("openvino")
    _, folder = exports("saved_model")
    with pytest.raises(ValueError, match=r"^`precision='bfloat16'` needs an OpenVINO"):
        ExportedModel(folder, precision="bfloat16")
    _, folder = exports("openvino")
    clips = rng.integers(0, 256, (8, 4, 32, 32, 3), dtype=np.uint8)
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(ValueError, match="needs a processor with bfloat16 units"):
            ExportedModel(folder, precision="bfloat16")
        return
    exact, rounded = (
        ExportedModel(folder, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    difference = np.abs(rounded.predict(clips) - exact.predict(clips)).max()
    # bfloat16 has 8 bits of precision; a few such roundings follow one another.
    assert ROUNDING < difference < 0.1
    assert exact.fingerprint() != rounded.fingerprint()


@pytest.mark.parity
def test_commands(exports, videos, tmp_path, capsys):
    model, folder = exports("openvino")
    model.save(tmp_path / "model.keras")
    video = str(videos / "wave" / "x.mp4")
    printed = []
    for path in (str(tmp_path / "model.keras"), str(folder), str(folder / "model.xml")):
        assert main(["predict", path, video, "--num-clips", "2", "--json"]) == 0
        printed.append(json.loads(capsys.readouterr().out)["videos"][0]["classes"])
    for found in printed[1:]:
        assert [each["class"] for each in found] == [
            each["class"] for each in printed[0]
        ]
        np.testing.assert_allclose(
            [each["score"] for each in found],
            [each["score"] for each in printed[0]],
            rtol=0,
            atol=ROUNDING,
        )
    assert {each["class"] for each in printed[0]} == {*NAMES}
    arguments = ["evaluate", str(folder), str(videos), "--num-crops", "1", "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["videos"] == 3


def test_commands_refuse(exports, tmp_path, capsys):
    model, folder = exports("saved_model")
    model.save(tmp_path / "model.keras")
    video = str(tmp_path / "x.mp4")
    write_video(video, moving_pictures(9, 48, 64))
    refuse(
        capsys,
        "`--precision` is for OpenVINO files",
        *("predict", str(tmp_path / "model.keras"), video, "--precision", "bfloat16"),
    )
    refuse(
        capsys,
        "needs an OpenVINO file",
        *("predict", str(folder), video, "--precision", "bfloat16"),
    )
    refuse(
        capsys,
        "The model must be a `.keras` file that exists, or an exported file or folder",
        *("predict", str(tmp_path / "none.onnx"), video),
    )
    refuse(
        capsys,
        "`--calibration-videos` has an effect with `--format openvino` alone",
        *("export", str(tmp_path / "model.keras"), str(tmp_path / "out")),
        *("--calibration-videos", video),
    )


@pytest.mark.parametrize("skip", [False, True])
def test_calibration_leaves_out_unreadable_videos(exports, tmp_path, skip):
    model, _ = exports("saved_model")
    for seed in range(3):
        video = tmp_path / "videos" / f"{seed}.mp4"
        video.parent.mkdir(exist_ok=True)
        write_video(video, moving_pictures(12, 48, 64, seed))
    (tmp_path / "videos" / "1.mp4").write_bytes(b"no video")
    words = ["export", "m.keras", "out", "--format", "openvino"]
    words += ["--calibration-videos", str(tmp_path / "videos")]
    options = parsed([*words, *(["--on-error", "skip"] if skip else [])])
    if skip:
        clips = calibration_clips(model, options)
        assert clips.shape == (2, *model.input_shape[1:])
        (tmp_path / "videos" / "0.mp4").write_bytes(b"")
        (tmp_path / "videos" / "2.mp4").unlink()
    with pytest.raises(VideoError, match=r"videos/\d\.mp4"):
        calibration_clips(model, options)


@pytest.mark.parity
def test_export_quantizes_with_videos(exports, videos, tmp_path, capsys):
    pytest.importorskip("nncf")
    model, _ = exports("openvino")
    model.save(tmp_path / "model.keras")
    arguments = ["export", str(tmp_path / "model.keras"), str(tmp_path / "out")]
    arguments += ["--format", "openvino", "--calibration-videos", str(videos)]
    assert main([*arguments, "--calibration-clips", "2"]) == 0
    text = (tmp_path / "out" / "1" / "model.xml").read_text()
    assert 'element_type="i8"' in text
    exported = ExportedModel(tmp_path / "out")
    assert exported.clip_info == INFO
    expected = predict_video(model, videos / "clap" / "x.mp4")
    found = predict_video(exported, videos / "clap" / "x.mp4")
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.2)


def test_facts_are_those_that_files_can_hold():
    from keras_nonlocal.models.exported_facts import ExportedFacts

    facts = ExportedFacts("sigmoid", INFO)
    assert ExportedFacts.from_json(facts.to_json()) == facts
    names = ("a\nb", "\udcff", '"')
    other = dataclasses.replace(facts, info=ClipInfo(class_names=names))
    assert ExportedFacts.from_json(other.to_json()) == other
    with pytest.raises(ValueError, match="Received: 'no'"):
        ExportedFacts.from_json("no")
