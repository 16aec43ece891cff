"""What a server does with the SavedModel of a detector, without Keras.

python plain_detections.py VERSION_FOLDER FOLDER

The folder has `requests.npz`, whose arrays are named `signature/input`, and
`sizes.npy`, the sizes of the padded pictures. `answers.npz` is written there as by
`plain_tensorflow.py`.
"""

import sys

# An import of these fails from here on.
sys.modules["keras"] = sys.modules["keras_nonlocal"] = None

from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


def main(version, folder):
    folder = Path(folder)
    requests = {}
    with np.load(folder / "requests.npz", allow_pickle=True) as file:
        for key in file.files:
            signature, name = key.split("/")
            requests[signature] = {name: file[key]}
    requests["padded_images"]["image_sizes"] = np.load(folder / "sizes.npy")
    answers = {}
    loaded = tf.saved_model.load(version)
    for signature, inputs in requests.items():
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        for output, tensor in loaded.signatures[signature](**tensors).items():
            answers[f"{signature}/{output}"] = tensor.numpy()
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta_graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], version)
        for signature, inputs in requests.items():
            definition = meta_graph.signature_def[signature]
            outputs = {key: info.name for key, info in definition.outputs.items()}
            feed = {definition.inputs[name].name: inputs[name] for name in inputs}
            for output, array in session.run(outputs, feed).items():
                answers[f"session/{signature}/{output}"] = array
    names = {module.split(".")[0] for module in sys.modules if sys.modules[module]}
    assert not names & {"keras", "keras_nonlocal", "tf_keras"}
    np.savez(folder / "answers.npz", **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
