"""What a server does with a SavedModel, in a process that has only TensorFlow.

python plain_tensorflow.py VERSION_FOLDER REQUESTS.npz ANSWERS.npz

The arrays of the requests are named `signature/input`; the answers of the function that
`tf.saved_model.load` finds are named `signature/output`, and those of the loader of
sessions `session/signature/output`.
"""

import sys

# An import of these fails from here on.
sys.modules["keras"] = sys.modules["keras_nonlocal"] = None

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


def main(folder, requests_path, answers_path):
    with np.load(requests_path, allow_pickle=True) as file:
        requests = {tuple(key.split("/")): file[key] for key in file.files}
    answers = {}
    loaded = tf.saved_model.load(folder)
    for (signature, name), value in requests.items():
        found = loaded.signatures[signature](**{name: tf.constant(value)})
        for output, tensor in found.items():
            answers[f"{signature}/{output}"] = tensor.numpy()
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta_graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], folder)
        for (signature, name), value in requests.items():
            definition = meta_graph.signature_def[signature]
            outputs = {key: info.name for key, info in definition.outputs.items()}
            feed = {definition.inputs[name].name: value}
            for output, array in session.run(outputs, feed).items():
                answers[f"session/{signature}/{output}"] = array
    names = {module.split(".")[0] for module in sys.modules if sys.modules[module]}
    assert not names & {"keras", "keras_nonlocal", "tf_keras"}
    np.savez(answers_path, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
