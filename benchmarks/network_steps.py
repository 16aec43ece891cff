"""Steps of inference and training for networks.py: ours, and those of PySlowFast."""

from collections.abc import Callable
from typing import Any

from devices import backend_version, device_name, keras_device, torch_device_name

SIDE, FRAMES = 224, 8
MATRIX_SIDE = {"cpu": 2048, "gpu": 8192}
PEER_CONFIGURATIONS = {
    "cpu": ("default", "channels_last_3d"),
    "gpu": ("default", "channels_last_3d", "compiled", "channels_last_3d compiled"),
}
KERAS_NORM = "with Keras's BatchNormalization"
KERAS_CONVOLUTION = "with Keras's Conv3D"
NO_ONEDNN = "without oneDNN"
# Backend and dtype -> what our networks were without a change.
FORMER = {
    ("tensorflow", "float32"): (KERAS_NORM, KERAS_CONVOLUTION, NO_ONEDNN),
    ("tensorflow", "mixed_bfloat16"): (KERAS_CONVOLUTION,),
    ("jax", "float32"): (KERAS_CONVOLUTION,),
    ("jax", "mixed_bfloat16"): (KERAS_CONVOLUTION,),
}

# A step, a product of matrices if it is to be measured, and facts.
Made = tuple[Callable[[], None], Callable[[], None] | None, dict[str, Any]]


def own_step(case: dict[str, Any]) -> Made:
    import keras
    import numpy as np

    import keras_nonlocal

    keras.config.set_dtype_policy(case["dtype"])
    if case["configuration"] == KERAS_NORM:
        fused = keras_nonlocal.layers.FusedBatchNormalization
        fused.call = keras.layers.BatchNormalization.call
    if case["configuration"] == KERAS_CONVOLUTION:
        folded = keras_nonlocal.layers.FoldedConv3D
        folded.convolution_op = keras.layers.Conv3D.convolution_op
        folded.call = keras.layers.Conv3D.call
    model = keras_nonlocal.NLResNet(
        case["depth"], case["variant"], input_shape=(FRAMES, SIDE, SIDE, 3)
    )
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        "sparse_categorical_crossentropy",
        jit_compile=True if case["jit"] else "auto",
    )
    shape = (case["batch"], FRAMES, SIDE, SIDE, 3)
    clips = keras.random.normal(shape, seed=0)
    labels = keras.ops.convert_to_tensor(np.zeros(case["batch"], "int32"))
    compute_dtype = keras.config.dtype_policy().compute_dtype
    on_gpu = keras_device() == "gpu"
    side = MATRIX_SIDE["gpu" if on_gpu else "cpu"]
    a = keras.ops.cast(keras.random.normal((side, side), seed=1), compute_dtype)

    def multiply() -> None:
        np.asarray(
            keras.ops.convert_to_numpy(
                keras.ops.cast(keras.ops.matmul(a, a)[0, 0], "float32")
            )
        )

    def step() -> None:
        if case["step"] == "inference":
            model.predict_on_batch(clips)
        else:
            float(model.train_on_batch(clips, labels))

    multiply_adds = keras_nonlocal.models.count_complexity(model).multiply_adds
    facts = {
        "versions": f"Keras {keras.__version__}, {backend_version()}",
        "device": device_name(),
        "matrix_side": side,
        "multiply_adds": multiply_adds,
    }
    return step, multiply, facts


def peer_step(case: dict[str, Any]) -> Made:
    import pyslowfast
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    # What XLA does by itself on GPUs: it tries kernels, and multiplies in TF32.
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    model = pyslowfast.build(case["peer"], case["variant"], case["depth"]).to(device)
    clips = torch.randn(case["batch"], 3, FRAMES, SIDE, SIDE, device=device)
    if "channels_last_3d" in case["configuration"]:
        model = model.to(memory_format=torch.channels_last_3d)
        clips = clips.contiguous(memory_format=torch.channels_last_3d)
    run = torch.compile(model) if "compiled" in case["configuration"] else model
    half = {"mixed_bfloat16": torch.bfloat16, "mixed_float16": torch.float16}
    dtype = half.get(case["dtype"])
    autocast = {"device_type": device, "dtype": dtype, "enabled": dtype is not None}
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True)
    labels = torch.zeros(case["batch"], dtype=torch.long, device=device)
    training = case["step"] == "training"
    model.train(training)

    def step() -> None:
        with torch.set_grad_enabled(training), torch.autocast(**autocast):
            scores = run([clips])
            if not training:
                scores.float().cpu()
                return
            loss = torch.nn.functional.cross_entropy(scores, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        loss.item()

    side = MATRIX_SIDE["gpu" if device == "cuda" else "cpu"]
    a = torch.randn(side, side, device=device, dtype=dtype or torch.float32)

    def multiply() -> None:
        (a @ a)[0, 0].item()

    facts = {
        "versions": f"torch {torch.__version__}",
        "device": torch_device_name(),
        "matrix_side": side,
        "multiply_adds": None,
    }
    return step, multiply, facts
