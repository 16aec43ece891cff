"""The requests a server sends itself, read back by the published message types."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework import tensor_pb2

from keras_nonlocal import export_saved_model
from keras_nonlocal.export.warm_up import write_warm_up_requests
from tests.export.clip_models import random_clips, small_network

FIELD = descriptor_pb2.FieldDescriptorProto


def prediction_log_class():
    """The part of `PredictionLog` that is used here, with TensorFlow's `TensorProto`.

    As in tensorflow_serving/apis/{prediction_log,predict,model}.proto.
    """
    pool = descriptor_pool.Default()
    file = descriptor_pb2.FileDescriptorProto(
        name="keras_nonlocal_test.proto",
        package="keras_nonlocal_test",
        syntax="proto3",
        dependency=[tensor_pb2.DESCRIPTOR.name],
    )

    def add(parent, name, **fields):
        message = parent.add(name=name)
        for key, (number, kind, repeated) in fields.items():
            is_message = isinstance(kind, str)
            message.field.add(
                name=key,
                number=number,
                label=FIELD.LABEL_REPEATED if repeated else FIELD.LABEL_OPTIONAL,
                type=FIELD.TYPE_MESSAGE if is_message else kind,
                type_name=kind if is_message else None,
            )
        return message

    own = ".keras_nonlocal_test."
    add(file.message_type, "ModelSpec", signature_name=(3, FIELD.TYPE_STRING, False))
    request = add(
        file.message_type,
        "PredictRequest",
        model_spec=(1, f"{own}ModelSpec", False),
        inputs=(2, f"{own}PredictRequest.InputsEntry", True),
    )
    entry = add(
        request.nested_type,
        "InputsEntry",
        key=(1, FIELD.TYPE_STRING, False),
        value=(2, ".tensorflow.TensorProto", False),
    )
    entry.options.map_entry = True
    add(file.message_type, "PredictLog", request=(1, f"{own}PredictRequest", False))
    add(file.message_type, "PredictionLog", predict_log=(6, f"{own}PredictLog", False))
    pool.Add(file)
    name = f"{own}PredictionLog"[1:]
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


@pytest.fixture(scope="module")
def log_class():
    return prediction_log_class()


def records(folder):
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    return [record.numpy() for record in tf.data.TFRecordDataset(str(path))]


@pytest.mark.parametrize("input_shape", [(4, 32, 32, 3), (None, None, None, 3)])
def test_every_request_is_answered(input_shape, log_class, tmp_path):
    model = small_network(input_shape=input_shape)
    folder = export_saved_model(model, tmp_path, crop_size=32)
    served = tf.saved_model.load(str(folder)).signatures
    seen = []
    for record in records(folder):
        request = log_class.FromString(record).predict_log.request
        ((name, tensor),) = request.inputs.items()
        # The same reading of `TensorProto` as in the server.
        value = tf.io.parse_tensor(
            tensor.SerializeToString(), tf.dtypes.as_dtype(tensor.dtype)
        )
        signature = request.model_spec.signature_name
        scores = served[signature](**{name: value})["scores"]
        assert scores.shape == (1, 3)
        assert float(tf.reduce_sum(scores)) == pytest.approx(1, abs=1e-5)
        seen.append(signature)
    assert sorted(seen) == [
        *("encoded_clips", "encoded_clips_with_status"),
        *("encoded_views", "encoded_views_with_status"),
        *("serving_default", "views"),
    ]


def test_records_of_any_size(log_class, tmp_path):
    """Lengths that need one, two and three bytes."""
    for number, size in enumerate((3, 300, 30_000)):
        clips = random_clips(size)
        folder = tmp_path / str(number)
        folder.mkdir()
        tensor = tf.make_tensor_proto(clips)
        write_warm_up_requests(folder, {"a": {"x": tensor, "y": tensor}})
        (record,) = records(folder)
        inputs = log_class.FromString(record).predict_log.request.inputs
        assert {*inputs} == {"x", "y"}
        np.testing.assert_array_equal(tf.make_ndarray(inputs["y"]), clips)


def test_the_record_is_small(tmp_path):
    folder = export_saved_model(small_network(), tmp_path)
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    assert path.stat().st_size < 10_000


def test_it_can_be_left_out(tmp_path):
    folder = export_saved_model(small_network(), tmp_path, warm_up=False)
    assert not (folder / "assets.extra" / "tf_serving_warmup_requests").exists()


@pytest.mark.parity
def test_the_published_package_reads_it(tmp_path):
    prediction_log_pb2 = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2"
    )
    folder = export_saved_model(small_network(), tmp_path)
    for record in records(folder):
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        assert request.model_spec.signature_name
        (tensor,) = request.inputs.values()
        assert tf.make_ndarray(tensor).size
        # Nothing is left that the messages do not know.
        assert (
            prediction_log_pb2.PredictionLog.FromString(log.SerializeToString()) == log
        )
        assert log.WhichOneof("log_type") == "predict_log"
