"""`keras-nonlocal convert`."""

import json
import pickle

import keras
import numpy as np
import pytest

from keras_nonlocal import NLResNet
from keras_nonlocal.cli import main
from tests.weights import released_names as names

NETWORK = [
    "--depth",
    "50",
    "--variant",
    "i3d",
    "--nonlocal-blocks",
    "1",
    "--width",
    "2",
    "--classes",
    "3",
    "--stem-pool-padding",
    "valid",
]


@pytest.fixture(scope="module")
def network():
    model = NLResNet(
        50,
        "i3d",
        input_shape=(4, 32, 32, 3),
        classes=3,
        classifier_activation=None,
        nonlocal_blocks=1,
        width=2,
        stem_pool_padding="valid",
    )
    names.randomize(model, seed=1)
    return model


@pytest.fixture(scope="module")
def files(network, tmp_path_factory):
    """The network as a Caffe2 file, and what it computes."""
    folder = tmp_path_factory.mktemp("convert")
    blobs = names.named_arrays(network, names.caffe2_key)
    (folder / "a.pkl").write_bytes(pickle.dumps({"blobs": names.with_momenta(blobs)}))
    clip = np.random.default_rng(2).normal(size=(2, 4, 32, 32, 3)).astype(np.float32)
    stage = keras.Model(network.input, network.get_layer("conv3_block4_out").output)
    mean = stage.predict_on_batch(clip).mean((1, 2, 3))
    logits = network.predict_on_batch(clip)
    np.savez(folder / "case.npz", clip=clip, logits=logits, mean_s3=mean)
    np.savez(folder / "wrong.npz", clip=clip, logits=1.01 * logits)
    np.savez(folder / "scores.npz", clip=clip, scores=logits)
    (folder / "junk").write_bytes(b"junk")
    return folder


@pytest.fixture
def convert(files, tmp_path):
    def run(*options, source="a.pkl", network=NETWORK):
        return main(
            [
                "convert",
                str(files / source),
                str(tmp_path / "out.weights.h5"),
                *network,
                *(str(files / o) if o.endswith(".npz") else o for o in options),
            ]
        )

    return run


def test_the_written_file_holds_the_weights(convert, network, tmp_path, capsys):
    assert convert() == 0
    printed = capsys.readouterr().out
    assert f"{len(network.weights)} weights loaded (caffe2)" in printed
    assert f"written to {tmp_path / 'out.weights.h5'}" in printed
    copy = keras.models.clone_model(network)
    copy.load_weights(tmp_path / "out.weights.h5")
    for own, expected in zip(copy.weights, network.weights, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(own), keras.ops.convert_to_numpy(expected)
        )


@pytest.mark.slow
def test_parity_decides_the_exit_code(convert, capsys):
    assert convert("--reference", "case.npz") == 0
    printed = capsys.readouterr().out
    assert "mean_s3" in printed
    assert "\nwithin the tolerance of 1e-04" in printed
    assert convert("--reference", "wrong.npz", "--json") == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["load"]["naming"] == "caffe2"
    assert not printed["parity"]["passed"]
    assert printed["parity"]["logits"] == pytest.approx(0.01 / 1.01, rel=1e-2)
    assert convert("--reference", "wrong.npz", "--tolerance", "0.1") == 0
    assert "within the tolerance of 1e-01" in capsys.readouterr().out


def test_json_without_a_reference(convert, tmp_path, capsys):
    assert convert("--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["destination"] == str(tmp_path / "out.weights.h5")
    assert printed["parity"] is None
    assert printed["load"]["left"] == []


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        (("--classes", "4"), {}, r"Misshaped (2): pred_w"),
        (("--no-temporal-pool", "--width", "4"), {}, "Misshaped"),
        (("--num-frames", "8", "--reference", "case.npz"), {}, "number of frames, 8"),
        (("--num-frames", "1"), {}, "`--num-frames` must be at least 2"),
        (("--nonlocal-blocks", "3"), {}, "`--nonlocal-blocks` must be one of"),
        (("--reference", "scores.npz"), {}, "and `logits`. Received: --reference="),
        (("--reference", "none.npz"), {}, "No such file"),
        ((), {"source": "junk"}, "none of a pickle"),
        ((), {"source": "none"}, "No such file"),
        ((), {"network": []}, "Received: neither"),
        ((), {"network": ["--variant", "c2d"]}, "Received: --variant='c2d'"),
        (("--preset", "i3d"), {}, "other options of the network. Received: --preset="),
        (("--preset", "i3d"), {"network": []}, "must be one of those that"),
    ],
)
def test_user_errors_are_one_line(convert, tmp_path, capsys, options, changes, message):
    assert convert(*options, **changes) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("keras-nonlocal: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert not (tmp_path / "out.weights.h5").exists()


def test_another_ending_is_refused(files, tmp_path, capsys):
    assert (
        main(["convert", str(files / "a.pkl"), str(tmp_path / "a.h5"), *NETWORK]) == 2
    )
    assert "must end in `.weights.h5`" in capsys.readouterr().err


@pytest.mark.slow
def test_a_preset_stands_for_the_options(tmp_path, capsys):
    source = NLResNet(50, "c2d", nonlocal_blocks=0, temporal_pool=False)
    np.savez(tmp_path / "a.npz", **names.named_arrays(source, names.caffe2_key))
    arguments = ["convert", str(tmp_path / "a.npz"), str(tmp_path / "a.weights.h5")]
    assert main([*arguments, "--preset", "pyslowfast_c2d_nopool_8x8_r50"]) == 0
    assert "267 weights loaded (caffe2), 0 implied, 0 left" in capsys.readouterr().out


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["convert", "--help"])
    printed = capsys.readouterr().out
    assert "example: keras-nonlocal convert" in printed
    assert "exit codes: 0; 1" in printed
