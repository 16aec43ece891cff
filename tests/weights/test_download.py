"""The whole path from an address to a loaded network, on loopback."""

import dataclasses
import hashlib
import os
import pickle
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest

from keras_nonlocal import files
from keras_nonlocal.weights import (
    PRESETS,
    CheckpointError,
    DownloadError,
    LicenseNotice,
    download_preset,
    load_preset,
)
from tests.weights import released_names as names
from tests.weights.loopback_site import LoopbackSite


@pytest.fixture
def site():
    site = LoopbackSite()
    yield site
    site.close()


@pytest.fixture
def source(small_network):
    model = small_network()
    names.randomize(model, seed=6)
    return model


@pytest.fixture
def content(source):
    blobs = names.with_momenta(names.named_arrays(source, names.caffe2_key))
    return pickle.dumps({"blobs": blobs}, 2)


@pytest.fixture
def preset(site):
    row = PRESETS["caffe2_i3d_nonlocal_8x8_in_pretrain_400k"]
    return dataclasses.replace(row, url=f"{site.address}/i3d.pkl")


@pytest.fixture(autouse=True)
def quiet():
    keras.utils.disable_interactive_logging()
    yield
    keras.utils.enable_interactive_logging()


def load(model, preset, tmp_path, **options):
    with pytest.warns(LicenseNotice, match="CC-BY-NC"):
        return load_preset(model, preset, cache_dir=tmp_path, **options)


def cached(tmp_path):
    return [path for path in tmp_path.rglob("*") if path.is_file()]


def test_downloaded_once_and_loaded(
    site, preset, source, content, small_network, tmp_path
):
    site.pages["/i3d.pkl"] = (200, len(content), content)
    target = small_network(copy=1)
    for _ in range(2):
        names.randomize(target, seed=7)
        report = load(target, preset, tmp_path)
        assert report.left == ()
        for own, expected in zip(target.weights, source.weights, strict=True):
            np.testing.assert_allclose(
                keras.ops.convert_to_numpy(own),
                keras.ops.convert_to_numpy(expected),
                rtol=1e-6,
            )
    assert site.requests == ["/i3d.pkl"]
    assert [path.name for path in cached(tmp_path)] == [f"{preset.name}.pkl"]


def test_a_model_without_classifier(site, preset, content, small_network, tmp_path):
    site.pages["/i3d.pkl"] = (200, len(content), content)
    report = load(small_network(include_top=False), preset, tmp_path)
    assert report.left == ()
    assert report.skipped == ("pred_w: not in the model", "pred_b: not in the model")


def test_another_number_of_classes(site, preset, content, small_network, tmp_path):
    site.pages["/i3d.pkl"] = (200, len(content), content)
    target = small_network(classes=9)
    with (
        pytest.warns(LicenseNotice),
        pytest.raises(CheckpointError, match=r"Misshaped \(2\): pred_w"),
    ):
        load_preset(target, preset, cache_dir=tmp_path)
    assert cached(tmp_path)  # the file is good
    report = load(target, preset, tmp_path, strict=False)
    assert report.left == ("predictions/kernel", "predictions/bias")


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ((200, 10**6, b"\x80\x02}"), "failed: .*incomplete|failed: "),
        ((404, None, b"<html>not found</html>"), "failed: .*404"),
        ((503, 0, b""), "failed: .*503"),
        ((200, None, b"<html>Please log in</html>"), "web page"),
        ((200, None, b""), "is empty"),
        ((200, None, None), "ends in the middle"),
    ],
)
def test_failed_downloads_leave_nothing(
    site, preset, content, small_network, tmp_path, page, reason
):
    target = small_network(copy=1)
    status, announced, body = page
    site.pages["/i3d.pkl"] = (
        status,
        announced,
        content[: len(content) // 2] if body is None else body,
    )
    with pytest.raises(DownloadError, match=reason) as raised:
        load_preset(target, preset, cache_dir=tmp_path)
    assert preset.url in str(raised.value)
    assert cached(tmp_path) == []
    site.pages["/i3d.pkl"] = (200, len(content), content)
    assert load(target, preset, tmp_path).left == ()


def test_nobody_answers(preset, small_network, tmp_path):
    preset = dataclasses.replace(preset, url="http://127.0.0.1:9/i3d.pkl")
    with pytest.raises(DownloadError, match=r"failed: .*refused"):
        load_preset(small_network(), preset, cache_dir=tmp_path)


@pytest.mark.parametrize("digits", [8, 64])
def test_hashes(site, preset, content, small_network, tmp_path, digits):
    site.pages["/i3d.pkl"] = (200, len(content), content)
    digest = hashlib.sha256(content).hexdigest()[:digits]
    right = dataclasses.replace(preset, sha256=digest, size=len(content))
    wrong = dataclasses.replace(preset, sha256="0" * digits)
    short = dataclasses.replace(preset, size=5)
    target = small_network(copy=1)
    with pytest.raises(DownloadError, match="should begin with 0000"):
        load_preset(target, wrong, cache_dir=tmp_path)
    with pytest.raises(DownloadError, match=r"bytes instead of 5\."):
        load_preset(target, short, cache_dir=tmp_path)
    assert cached(tmp_path) == []
    assert load(target, right, tmp_path).left == ()


def test_one_of_several_downloads(site, preset, content, tmp_path):
    site.pages["/i3d.pkl"] = (200, len(content), content)
    site.seconds = 0.5
    found = []

    def download():
        found.append(download_preset(preset, cache_dir=tmp_path))

    threads = [threading.Thread(target=download) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert site.requests == ["/i3d.pkl"]
    assert [path.name for path in cached(tmp_path)] == [f"{preset.name}.pkl"]
    assert {checkpoint.path for checkpoint in found} == {str(cached(tmp_path)[0])}


DOWNLOAD = """
import sys, dataclasses
from keras_nonlocal.weights import PRESETS, download_preset
row = dataclasses.replace(
    PRESETS["caffe2_i3d_nonlocal_8x8_in_pretrain_400k"], url=sys.argv[1]
)
download_preset(row, cache_dir=sys.argv[2])
"""


def test_a_killed_download_is_repeated(site, preset, content, tmp_path):
    site.pages["/i3d.pkl"] = (200, len(content), content)
    site.seconds = 30
    process = subprocess.Popen(
        [sys.executable, "-c", DOWNLOAD, preset.url, str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    while not site.requests:
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.2)
    process.kill()
    process.wait()
    site.seconds = 0
    assert download_preset(preset, cache_dir=tmp_path).file_format == "pickle"
    assert len(site.requests) == 2
    assert [path.name for path in cached(tmp_path)] == [f"{preset.name}.pkl"]


def test_a_damaged_file_in_the_cache_is_downloaded_again(
    site, preset, content, tmp_path
):
    site.pages["/i3d.pkl"] = (200, len(content), content)
    download_preset(preset, cache_dir=tmp_path)
    (path,) = cached(tmp_path)
    path.write_bytes(content[: len(content) // 2])
    download_preset(preset, cache_dir=tmp_path)
    assert path.read_bytes() == content
    assert len(site.requests) == 2


def test_a_cache_that_cannot_be_written_is_read(
    site, preset, content, tmp_path, monkeypatch
):
    site.pages["/i3d.pkl"] = (200, len(content), content)
    download_preset(preset, cache_dir=tmp_path)

    def read_only(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    for module, name in ((files, "lock"), (files, "replacing"), (os, "unlink")):
        monkeypatch.setattr(module, name, read_only)
    assert "conv1_w" in download_preset(preset, cache_dir=tmp_path).arrays
    assert site.requests == ["/i3d.pkl"]


def test_the_folder_of_the_cache(site, preset, content, tmp_path):
    site.pages["/i3d.pkl"] = (200, len(content), content)
    download_preset(preset, cache_dir=tmp_path / "a" / "b")
    assert len(cached(tmp_path / "a" / "b")) == 1
    (tmp_path / "file").write_bytes(b"")
    message = r"`cache_dir` must be a folder .* Received: cache_dir='.*file'"
    with pytest.raises(DownloadError, match=message):
        download_preset(preset, cache_dir=tmp_path / "file")
    with pytest.raises(ValueError, match="`cache_dir` must be a local path"):
        download_preset(preset, cache_dir="gs://bucket/cache")
    assert len(site.requests) == 1
