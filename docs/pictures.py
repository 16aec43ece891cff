"""Makes the pictures of the documentation: `python docs/pictures.py`.

Attention and Grad-CAM are those of a network that is built, not trained; see
docs/two_balls.py. The ring was drawn by examples/quickstart.py, and the objects were
found by examples/detection.py. Both take minutes, or have left their output in
`--quickstart DIR` and `--detection DIR`. The pictures go to docs/pages/pictures.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import two_balls
from PIL import Image

from keras_nonlocal.visualize import ClipChoice, draw_attention, draw_grad_cam

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pages" / "pictures"
_COLORS = 128
_WIDTH = 1200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("quickstart", "detection"):
        parser.add_argument(f"--{name}", type=Path, help="output of the example")
    options = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        draw_video(Path(folder))
        quickstart = options.quickstart or run_example("quickstart.py", folder)
        save(Image.open(quickstart / "attention.png"), "ring.png")
        detection = options.detection or run_example("detection.py", folder)
        save(Image.open(detection / "found.png"), "detections.jpg")


def run_example(name: str, folder: str) -> Path:
    """Runs an example and returns the folder of its output."""
    output = Path(folder, Path(name).stem)
    command = [sys.executable, ROOT / "examples" / name, "--output", output]
    subprocess.run(command, check=True)
    return output


def draw_video(folder: Path) -> None:
    """Draws the attention of the red ball and the places of its class."""
    video = folder / "balls.mp4"
    two_balls.write_video(video)
    model = two_balls.build()
    clip = ClipChoice(frame_stride=1, short_side=two_balls.SIDE, picture_height=240)
    query = (1, *two_balls.center("red", 1).astype(int).tolist())
    attention, activation = folder / "attention.png", folder / "grad_cam.png"
    options = {"class_names": two_balls.CLASSES, "clip": clip}
    draw_attention(model, video, attention, query=query, num_connections=25, **options)
    draw_grad_cam(
        model,
        video,
        activation,
        "colors",
        class_index=two_balls.CLASSES.index("red"),
        **options,
    )
    for path in (attention, activation):
        save(Image.open(path), path.name)


def save(picture: Image.Image, name: str) -> None:
    """Writes a picture for the pages, small enough for them."""
    picture = picture.convert("RGB")
    if picture.width > _WIDTH:
        size = _WIDTH, round(picture.height * _WIDTH / picture.width)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    path = PICTURES / name
    if path.suffix == ".png":
        picture = picture.quantize(_COLORS, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
