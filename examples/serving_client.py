"""Queries TensorFlow Serving for the classes of a video, by gRPC or REST.

python examples/serving_client.py                     # writes a video and a SavedModel,
                                                      # and answers in this process
python examples/serving_client.py VIDEO --grpc localhost:8500 --model gestures
python examples/serving_client.py VIDEO --rest http://localhost:8501 --model gestures

The server uses a model that `keras_nonlocal.export_saved_model` wrote:

docker run -p 8500:8500 -p 8501:8501 -e MODEL_NAME=gestures \\
    -v "$PWD/serving/gestures:/models/gestures" tensorflow/serving

A clip of 8 frames of 224×224 pixels has 1.2 MB, and gRPC rejects messages of more than
4 MB unless both sides raise their limits. The frames are therefore sent as JPEGs, which
the model decodes, crops and normalizes itself. `--raw` shows the difference. gRPC needs
`pip install grpcio tensorflow-serving-api`.
"""

import argparse
import base64
import json
import os
import sys
import urllib.error
import urllib.request
from fractions import Fraction
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import av
import numpy as np

from keras_nonlocal.data import ClipSampler, Framing, PyAVReader

MAX_MESSAGE_BYTES = 64 * 2**20
TIMEOUT_SECONDS = 60
Answer = dict[str, np.ndarray]


def main() -> None:
    options = parse_options()
    if options.video is None:
        write_example(options)
    try:
        signature, name, value = request_of(options)
        answer = ask(options, signature, name, value)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"serving_client.py: {error}")
    print_answer(options.video, answer)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", nargs="?", help="default: one is written")
    server = parser.add_mutually_exclusive_group()
    server.add_argument("--grpc", metavar="HOST:PORT")
    server.add_argument("--rest", metavar="URL")
    server.add_argument(
        "--saved-model", metavar="DIR", help="answer in this process, from a version"
    )
    parser.add_argument("--model", default="gestures", help="its name on the server")
    parser.add_argument("--num-clips", type=int, default=4)
    parser.add_argument("--num-frames", type=int, default=8, help="per clip")
    parser.add_argument("--frame-stride", type=int, default=4)
    parser.add_argument("--short-side", type=int, default=256, help="pixels sent")
    parser.add_argument(
        "--raw",
        type=int,
        metavar="PIXELS",
        help="send bytes of square crops of this side instead of JPEGs",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("serving"), help="for what is written"
    )
    options = parser.parse_args()
    if options.video and not (options.grpc or options.rest or options.saved_model):
        parser.error("--grpc, --rest or --saved-model must say who answers")
    return options


def write_example(options: argparse.Namespace) -> None:
    """Writes a video and an untrained network as an example."""
    from motion_videos import MOTIONS, render, write_video

    import keras_nonlocal

    options.output.mkdir(parents=True, exist_ok=True)
    options.video = str(options.output / "zoom_in.mp4")
    write_video(Path(options.video), render("zoom_in", np.random.default_rng(0)))
    if options.grpc or options.rest or options.saved_model:
        return
    side = options.raw or 64
    model = keras_nonlocal.NLResNet50I3D(
        input_shape=(options.num_frames, side, side, 3),
        classes=len(MOTIONS),
        width=8,
        include_preprocessing=True,
    )
    options.saved_model = keras_nonlocal.export_saved_model(
        model, options.output / options.model, class_names=[*MOTIONS], top=3
    )
    options.short_side = min(options.short_side, round(side * 8 / 7))
    print(
        f"Wrote {options.video} and {options.saved_model}, a network without training."
    )


def request_of(options: argparse.Namespace) -> tuple[str, str, np.ndarray]:
    """Returns the signature, name and value of the input to send."""
    sampler = ClipSampler(options.num_frames, options.frame_stride, options.num_clips)
    crop = (options.raw, options.raw) if options.raw else None
    framing = Framing(options.short_side, crop)
    with PyAVReader(options.video) as video:
        pixels = video.read(sampler.frame_indices(video.times), framing)[:, :, 0]
    if options.raw:
        print(f"Sending {pixels.nbytes:,} bytes of pixels.")
        return "views", "views", pixels[np.newaxis]
    frames = [[jpeg(picture) for picture in clip] for clip in pixels]
    num_bytes = sum(len(frame) for clip in frames for frame in clip)
    print(f"Sending {num_bytes:,} bytes of JPEGs for {pixels.nbytes:,} of pixels.")
    return "encoded_views", "frames", np.array([frames], object)


def jpeg(picture: np.ndarray) -> bytes:
    """Encodes RGB bytes with full color resolution and hardly any loss."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt = "yuvj444p"
    encoder.time_base = Fraction(1)
    encoder.options = {"qmin": "2", "qmax": "3"}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def ask(
    options: argparse.Namespace, signature: str, name: str, value: np.ndarray
) -> Answer:
    if options.grpc:
        return ask_by_grpc(options.grpc, options.model, signature, name, value)
    if options.rest:
        return ask_by_rest(options.rest, options.model, signature, name, value)
    import tensorflow as tf

    served = tf.saved_model.load(str(options.saved_model)).signatures[signature]
    found = served(**{name: tf.constant(value.tolist() if name == "frames" else value)})
    return {key: tensor.numpy()[0] for key, tensor in found.items()}


def ask_by_grpc(
    address: str, model: str, signature: str, name: str, value: np.ndarray
) -> Answer:
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    if request.ByteSize() > MAX_MESSAGE_BYTES:
        raise ValueError(
            f"The request has {request.ByteSize():,} bytes. Send fewer clips at a time."
        )
    limits = [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ]
    with grpc.insecure_channel(address, options=limits) as channel:
        service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        try:
            response = service.Predict(request, timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            raise OSError(f"{error.code().name}: {error.details()}") from None
    return {key: tf.make_ndarray(tensor)[0] for key, tensor in response.outputs.items()}


def ask_by_rest(
    url: str, model: str, signature: str, name: str, value: np.ndarray
) -> Answer:
    inputs = {name: as_json(value.tolist())}
    body = json.dumps({"signature_name": signature, "inputs": inputs}).encode()
    request = urllib.request.Request(
        f"{url.rstrip('/')}/v1/models/{model}:predict",
        body,
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            outputs = json.load(response)["outputs"]
    except urllib.error.HTTPError as error:
        raise OSError(f"{error.code}: {error.read().decode()}") from None
    if not isinstance(outputs, dict):  # for a model without class names
        outputs = {"scores": outputs}
    return {key: np.array(rows[0]) for key, rows in outputs.items()}


def as_json(value: object) -> object:
    """Converts byte strings, which JSON lacks, to TensorFlow Serving's base64 form."""
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return value


def print_answer(video: str, answer: Answer) -> None:
    print(f"{video}:")
    if "top_names" not in answer:
        best = answer["scores"].argsort()[::-1][:5]
        answer = {"top_names": best, "top_scores": answer["scores"][best]}
    names = [
        name.decode() if isinstance(name, bytes) else name
        for name in answer["top_names"]
    ]
    for name, score in zip(names, answer["top_scores"], strict=True):
        print(f"  {score:.4f}  {name}")


if __name__ == "__main__":
    main()
