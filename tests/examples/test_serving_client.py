"""The serving client against stand-ins for the server on this machine."""

import base64
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from keras_nonlocal import export_saved_model, predict_video  # noqa: E402
from tests.data.videos import moving_pictures, write_video  # noqa: E402
from tests.export.clip_models import small_network  # noqa: E402

CLIENT = Path(__file__).parents[2] / "examples" / "serving_client.py"
NAMES = ("clap", "jump", "wave")
VIEWS = ("--num-clips", "3", "--num-frames", "4", "--frame-stride", "2")


def run_client(*arguments):
    return subprocess.run(
        [sys.executable, CLIENT, *map(str, arguments)],
        capture_output=True,
        text=True,
        # Stand-ins listen on the loopback interface.
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(CLIENT.parents[1]), *sys.path]),
            "no_proxy": "127.0.0.1",
        },
        check=False,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A model, a video of the height that is sent, and the SavedModel of the model."""
    directory = tmp_path_factory.mktemp("serving")
    model = small_network()
    folder = export_saved_model(
        model, directory / "gestures", class_names=NAMES, short_side=40
    )
    video = write_video(directory / "video.mp4", moving_pictures(20, 40, 56))
    return model, video, tf.saved_model.load(str(folder)).signatures


@pytest.fixture(scope="module")
def expected(served):
    model, video, _ = served
    return predict_video(model, video, 3, 1, frame_stride=2, short_side=40)


def scores_in(printed):
    """Names and scores in the order in which they were printed."""
    lines = printed.split("video.mp4:\n")[1].splitlines()
    return {line.split()[1]: float(line.split()[0]) for line in lines}


def check(finished, expected, tolerance):
    assert finished.returncode == 0, finished.stderr
    found = scores_in(finished.stdout)
    assert [*found.values()] == sorted(found.values(), reverse=True)
    for name, score in zip(NAMES, expected, strict=True):
        assert found[name] == pytest.approx(score, abs=tolerance)


class RestHandler(BaseHTTPRequestHandler):
    """Answers as TensorFlow Serving's REST interface does to requests in columns."""

    signatures = None

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/models/gestures:predict":
            self.answer(404, {"error": f"Servable not found for request: {self.path}"})
            return
        function = self.signatures[body["signature_name"]]
        ((name, spec),) = function.structured_input_signature[1].items()
        value = decoded(body["inputs"][name])
        outputs = function(**{name: tf.constant(value, spec.dtype)})
        columns = {key: as_lists(tensor.numpy()) for key, tensor in outputs.items()}
        self.answer(200, {"outputs": columns})

    def answer(self, code, content):
        content = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def decoded(value):
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if isinstance(value, dict):
        (encoded,) = value.values()
        return base64.b64decode(encoded)
    return value


def as_lists(array):
    if array.dtype == object:
        return [[name.decode() for name in row] for row in array]
    return array.tolist()


@pytest.fixture
def rest_url(served):
    handler = type("Handler", (RestHandler,), {"signatures": served[2]})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_rest(served, expected, rest_url):
    arguments = (served[1], "--rest", rest_url, *VIEWS, "--short-side", 40)
    finished = run_client(*arguments)
    check(finished, expected, 0.02)  # the loss of JPEG
    assert "bytes of JPEGs for 80,640 of pixels" in finished.stdout
    finished = run_client(*arguments, "--raw", 32)
    check(finished, expected, 1e-4)
    finished = run_client(*arguments, "--model", "faces")
    assert finished.returncode == 1
    assert finished.stderr.startswith("serving_client.py: 404: ")
    assert "Traceback" not in finished.stderr


def grpc_address(served, limit):
    """Starts a server that refuses messages of more than `limit` bytes."""
    grpc = pytest.importorskip("grpc")
    apis = pytest.importorskip("tensorflow_serving.apis.prediction_service_pb2_grpc")
    predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")

    class Service(apis.PredictionServiceServicer):
        def Predict(self, request, context):
            function = served[2][request.model_spec.signature_name]
            response = predict_pb2.PredictResponse()
            inputs = {
                key: tf.constant(tf.make_ndarray(tensor))
                for key, tensor in request.inputs.items()
            }
            for key, tensor in function(**inputs).items():
                response.outputs[key].CopyFrom(tf.make_tensor_proto(tensor))
            return response

    server = grpc.server(
        ThreadPoolExecutor(1), options=[("grpc.max_receive_message_length", limit)]
    )
    apis.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


@pytest.mark.parity
def test_grpc(served, expected):
    server, address = grpc_address(served, 35_000)
    arguments = (served[1], "--grpc", address, *VIEWS, "--short-side", 40)
    try:
        check(run_client(*arguments), expected, 0.02)
        # 36,864 bytes of pixels are more than this server takes.
        finished = run_client(*arguments, "--raw", 32)
    finally:
        server.stop(None).wait()
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith(
        "serving_client.py: RESOURCE_EXHAUSTED: "
    )
    assert "Traceback" not in finished.stderr


@pytest.mark.slow
def test_as_it_stands(tmp_path):
    finished = run_client("--output", tmp_path / "serving")
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "serving" / "gestures" / "1" / "saved_model.pb").is_file()
    lines = finished.stdout.splitlines()
    scores = [float(line.split()[0]) for line in lines[-3:]]
    assert scores == sorted(scores, reverse=True)
    assert 0 < sum(scores) <= 1.001
    assert {line.split()[1] for line in lines[-3:]} <= {
        *("pan_down", "pan_left", "pan_right", "pan_up", "zoom_in", "zoom_out")
    }


@pytest.mark.slow
def test_user_errors_are_one_line(served, tmp_path):
    for arguments in (
        (tmp_path / "no.mp4", "--saved-model", tmp_path),
        (served[1], "--rest", "http://127.0.0.1:1"),
        (served[1], "--saved-model", tmp_path),
    ):
        finished = run_client(*arguments)
        assert finished.returncode == 1
        assert finished.stderr.splitlines()[-1].startswith("serving_client.py: ")
        assert "Traceback" not in finished.stderr


def test_a_client_without_a_server_says_so():
    finished = run_client("video.mp4")
    assert finished.returncode == 2
    assert "must say who answers" in finished.stderr


def test_requests_in_json_are_what_the_server_reads(served):
    """The client's encoding, undone by the stand-in."""
    code = (
        "import sys, json, numpy as np; sys.path.insert(0, sys.argv[1]);"
        "from serving_client import as_json;"
        "print(json.dumps(as_json(np.array([[[b'a', b'\\xff']]], object).tolist())))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, str(CLIENT.parent)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CLIENT.parents[1])},
    ).stdout
    value = json.loads(printed)
    assert np.array(decoded(value)).shape == (1, 1, 2)
    assert decoded(value) == [[[b"a", b"\xff"]]]
