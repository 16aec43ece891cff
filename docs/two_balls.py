"""A video of two balls, and a network that is built, not trained, to follow one.

The features are redness and blueness, averaged over squares of pixels. In the mode
`"gaussian"`, a block compares features by their product, so a position attends to those
of the same color: non-local means, from which the paper starts.
"""

from pathlib import Path

import av
import keras
import numpy as np

from keras_nonlocal.layers import NonLocalBlock, PixelPreprocessing

NUM_FRAMES, SIDE, CELL = 6, 96, 4
CLASSES = ("red", "blue")
RADIUS = 11
# Centers of a ball in the first and the last frame: row and column.
PATHS = {"red": ((24, 18), (72, 78)), "blue": ((74, 16), (20, 70))}
COLORS = {"red": (215, 45, 40), "blue": (40, 80, 215)}


def center(color: str, frame: int) -> np.ndarray:
    """Returns the row and the column of a ball in a frame."""
    first, last = np.array(PATHS[color], float)
    return first + (last - first) * frame / (NUM_FRAMES - 1)


def write_video(path: Path) -> None:
    """Writes the balls before a gray wall as H.264."""
    rng = np.random.default_rng(1)
    wall = rng.integers(95, 150, (SIDE // 8, SIDE // 8, 1), dtype=np.uint8)
    wall = wall.repeat(8, axis=0).repeat(8, axis=1).repeat(3, axis=2)
    rows, columns = np.ogrid[:SIDE, :SIDE]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=6)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        stream.options = {"crf": "12"}
        for number in range(NUM_FRAMES):
            picture = wall.copy()
            for color, rgb in COLORS.items():
                row, column = center(color, number)
                picture[np.hypot(rows - row, columns - column) < RADIUS] = rgb
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())


def build() -> keras.Model:
    """Returns the network, whose classes are the colors."""
    inputs = keras.Input((NUM_FRAMES, SIDE, SIDE, 3))
    x = PixelPreprocessing(mean=(0, 0, 0), std=(255, 255, 255))(inputs)
    cells = keras.layers.Conv3D(2, (1, CELL, CELL), (1, CELL, CELL), use_bias=False)
    x = keras.layers.ReLU()(cells(x))
    x = NonLocalBlock(mode="gaussian", name="block")(x)
    x = keras.layers.ReLU(name="colors")(x)
    x = keras.layers.GlobalAveragePooling3D()(x)
    scores = keras.layers.Dense(2, activation="softmax", name="scores")
    model = keras.Model(inputs, scores(x))
    kernel = np.zeros(cells.kernel.shape, "float32")
    kernel[..., 0, 0], kernel[..., 1:, 0] = 1, -0.7  # red, less green and blue
    kernel[..., 2, 1], kernel[..., :2, 1] = 1, -0.7
    cells.kernel.assign(0.5 * kernel)
    scores.kernel.assign(np.eye(2))
    return model
