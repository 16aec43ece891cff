"""The demo in a headless browser, as a user sees it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the demo needs gradio")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="the browser is driven by playwright"
)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
NAMES = ("clap", "wave", "rest")
PATIENCE = 60_000  # milliseconds until an answer of the page is missing


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A classifier, a detector, a video, a picture, and broken ones."""
    from PIL import Image

    import keras_nonlocal
    from tests.data.videos import moving_pictures, write_video
    from tests.detection.detectors import small_detector

    folder = tmp_path_factory.mktemp("demo")
    (folder / "videos").mkdir()
    write_video(folder / "videos/some clip.mp4", moving_pictures(12, 48, 64, seed=5))
    model = keras_nonlocal.NLResNet50C2D(
        input_shape=(4, 32, 32, 3), classes=3, width=4, include_preprocessing=True
    )
    model.clip_info = keras_nonlocal.models.ClipInfo(NAMES, 4, 2)
    model.save(folder / "gestures.keras")
    (folder / "broken.mp4").write_bytes(b"no video")
    small_detector(class_names=("cat", "dog", "owl")).save(folder / "objects.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), "uint8")
    Image.fromarray(pixels).save(folder / "picture.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "keras_nonlocal", "demo", *arguments, "--no-browser"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def servers(folder):
    """Both demos, started at the same time."""
    processes = {
        "gestures": start(folder, "gestures.keras", "--examples", "videos"),
        "objects": start(folder, "objects.keras", "--port", "7997"),
    }
    yield {name: address_of(process) for name, process in processes.items()}
    for process in processes.values():
        process.terminate()
    assert [process.wait(20) for process in processes.values()] == [0, 0]
    for process in processes.values():
        process.stdout.close()


def address_of(process):
    line = process.stdout.readline()
    return re.search(r"http://127\.0\.0\.1:\d+", line)[0]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield launched
        launched.close()


@pytest.fixture
def page(browser):
    """A page that may talk to this machine alone, without errors."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    hosts, errors = set(), []
    page.on("request", lambda request: hosts.add(urlparse(request.url).hostname))
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert hosts - {None} <= {"127.0.0.1"}
    assert errors == []


def upload(page, file):
    # Hidden behind the area where a user drops it.
    page.locator("input[type=file]").first.set_input_files(file)


def shown_picture(page, name):
    picture = page.locator(f"#{name} img")
    picture.wait_for()
    page.wait_for_function(
        "name => document.querySelector(`#${name} img`).naturalWidth > 100", arg=name
    )
    return picture


def test_a_video_is_scored_and_drawn(servers, page, folder):
    import keras

    from keras_nonlocal import predict_video

    page.goto(servers["gestures"])
    video = folder / "videos/some clip.mp4"
    upload(page, video)
    shown_picture(page, "attention")
    shown_picture(page, "activation")
    assert page.title() == "gestures"
    model = keras.saving.load_model(folder / "gestures.keras")
    scores = predict_video(model, video, 4, 1)
    shown = page.locator("#scores").inner_text()
    found = dict(re.findall(r"(clap|wave|rest)\s+(\d+)%", shown))
    assert found.keys() == {*NAMES}
    for name, score in zip(NAMES, scores, strict=True):
        assert abs(int(found[name]) - 100 * score) <= 0.51
    assert page.locator("#message").inner_text().strip() == ""


def test_the_browser_refuses_to_talk_to_other_hosts(servers, page):
    page.goto(servers["gestures"])
    page.locator("#scores").wait_for()
    refused = page.evaluate(
        "() => new Promise(done => {"
        " addEventListener('securitypolicyviolation', e => done(e.blockedURI));"
        " fetch('http://127.0.0.2:9/').catch(() => setTimeout(() => done(''), 2000));"
        "})"
    )
    assert refused == "http://127.0.0.2:9/"


def test_an_example_is_at_hand(servers, page):
    page.goto(servers["gestures"])
    page.locator(".gallery-item").first.click()
    shown_picture(page, "activation")


def test_a_broken_video_is_a_sentence(servers, page, folder):
    page.goto(servers["gestures"])
    upload(page, folder / "broken.mp4")
    message = page.get_by_text("This video cannot be read: ")
    message.wait_for()
    assert "Invalid data found when processing input." in message.inner_text()
    assert page.locator("#activation img").count() == 0


def test_a_detector_draws_on_a_picture(servers, page, folder):
    page.goto(servers["objects"])
    assert servers["objects"].endswith(":7997")
    upload(page, folder / "broken.png")
    page.get_by_text("This picture cannot be read: ").wait_for()
    page.goto(servers["objects"])
    upload(page, folder / "picture.png")
    page.locator("#objects img").wait_for()
    size = page.evaluate(
        "() => {const i = document.querySelector('#objects img');"
        " return [i.naturalWidth, i.naturalHeight]}"
    )
    assert size == [70, 50]
