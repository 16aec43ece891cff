"""Attacks the readers of checkpoints with mutated and forged files.

python -m tests.weights.fuzz --seconds 60

Every file is read with the memory that `read_checkpoint` promises and ten seconds of
processor time. It must be read, or end in a `CheckpointError`. Files that do anything
else are kept, and the exit status is 1.
"""

# ruff: noqa: T201

import argparse
import contextlib
import io
import lzma
import os
import pickle
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "numpy")  # imports nothing heavy

import h5py
import numpy as np

from keras_nonlocal.weights import read_checkpoint
from tests.weights.attacks import ATTACKS
from tests.weights.limits import outcomes

ARRAYS = {
    "conv1_w": np.arange(96, dtype=np.float32).reshape(4, 3, 2, 2, 2),
    "res_conv1_bn_s": np.ones(4),
    "halves": np.array([0.5, 2.0], np.float16),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
}
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1)
_EXTREMES_64 = (*_EXTREMES, 2**40, 2**63 - 1, 2**63, 2**64 - 1)


def seeds() -> dict[str, list[bytes]]:
    """Real files of every format, by the reader that they are for."""
    found = {
        "pickle": [
            pickle.dumps({"blobs": ARRAYS, "epoch": 5, "cfg": "A: 1"}, protocol)
            for protocol in (0, 1, 2, 3, 4, 5)
        ],
        "npz": [_saved(np.savez), _saved(np.savez_compressed)],
        "hdf5": [_keras_weights(), _keras_weights("latest"), _chunked()],
        "keras": [_keras_archive()],
    }
    with tempfile.TemporaryDirectory() as folder:
        # PyTorch would make the workers large, and so slow to fork.
        if subprocess.run([sys.executable, "-c", _TORCH_SEEDS, folder]).returncode:
            print("Without PyTorch, its files are attacked in forged form only.")
            return found
        for reader in ("torch", "torch-stream"):
            found[reader] = [Path(folder, reader).read_bytes()]
    return found


_TORCH_SEEDS = """
import sys
try:
    import torch
except ImportError:
    sys.exit(3)
tensors = {
    "module.conv1.weight": torch.arange(96.0).reshape(4, 3, 2, 2, 2),
    "halves": torch.ones(2).half(),
    "narrow": torch.ones(3, 4).bfloat16()[:, 1:3],
    "bn.num_batches_tracked": torch.tensor(7),
}
state = {"state_dict": tensors, "epoch": 3, "lr": [0.1, 0.2]}
for name, is_zip in (("torch", True), ("torch-stream", False)):
    torch.save(
        state, f"{sys.argv[1]}/{name}", _use_new_zipfile_serialization=is_zip
    )
"""


def _saved(save: Callable[..., None]) -> bytes:
    file = io.BytesIO()
    save(file, **ARRAYS)
    return file.getvalue()


def _keras_weights(version: str = "earliest") -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w", libver=version) as archive:
        for i, name in enumerate(("conv1_conv", "conv1_bn", "predictions")):
            group = archive.create_group(f"layers/dense_{i}/vars")
            group.attrs["name"] = name
            for number, value in enumerate(ARRAYS.values()):
                group[str(number)] = value
    return file.getvalue()


def _chunked() -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        archive.attrs["layer_names"] = [b"conv1_conv"]
        archive.create_dataset(
            "conv1_conv/conv1_conv/kernel:0",
            data=ARRAYS["conv1_w"],
            chunks=(1, 3, 2, 2, 2),
            compression="gzip",
            shuffle=True,
            fletcher32=True,
        )
    return file.getvalue()


def _keras_archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", _keras_weights())
    return file.getvalue()


def mutated(content: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """Changes a file in a few places; inside its entries if it is a zip archive."""
    if content.startswith(b"PK") and rng.random() < 0.6:
        with contextlib.suppress(zipfile.BadZipFile, lzma.LZMAError, zlib.error):
            return _with_mutated_entry(content, others, rng)
    data = bytearray(content)
    for _ in range(int(rng.geometric(0.4))):
        place = int(rng.integers(len(data) + 1))
        _mutate(data, place, others, rng)
    return bytes(data)


def _mutate(
    data: bytearray, place: int, others: list[bytes], rng: np.random.Generator
) -> None:
    kind = rng.integers(7)
    if kind == 0 and place < len(data):
        data[place] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        data[place : place + 1] = rng.bytes(1)
    elif kind == 2:
        width = int(rng.choice([2, 4, 8]))
        value = int(rng.choice(np.array(_EXTREMES_64, np.uint64))) % 256**width
        data[place : place + width] = value.to_bytes(width, "little")
    elif kind == 3:
        del data[place : place + int(rng.integers(1, 64))]
    elif kind == 4:
        piece = bytes(data[place : place + int(rng.integers(1, 64))])
        data[place:place] = piece * int(rng.geometric(0.2))
    elif kind == 5:
        other = others[int(rng.integers(len(others)))]
        start = int(rng.integers(len(other)))
        data[place:place] = other[start : start + int(rng.integers(1, 200))]
    else:
        del data[place:]


def _with_mutated_entry(
    content: bytes, others: list[bytes], rng: np.random.Generator
) -> bytes:
    """Changes what is in an archive, so that checksums and directory are right."""
    source = zipfile.ZipFile(io.BytesIO(content))
    entries = source.infolist()
    chosen = int(rng.integers(len(entries)))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", entries[0].compress_type) as archive:
        for number, entry in enumerate(entries):
            value = source.read(entry)
            if number == chosen:
                value = mutated(value, others, rng) if value else rng.bytes(8)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a name that comes twice
                archive.writestr(entry.filename, value)
    return file.getvalue()


def case(files: dict[str, list[bytes]], seed: int, number: int) -> tuple[str, bytes]:
    """Returns the reader and the content of one file."""
    rng = np.random.default_rng((seed, number))
    # The others start a process for each file.
    slow = {"hdf5", "keras"}
    fast = sorted({*files, *ATTACKS} - slow)
    readers = [*fast, *fast, *fast, *sorted(slow)]
    reader = readers[number % len(readers)]
    attacks = ATTACKS.get(reader, ())
    if attacks and (reader not in files or rng.random() < 0.1):
        attack = attacks[int(rng.integers(len(attacks)))]
        content = attack(rng)
        if rng.random() < 0.7:
            return f"{reader} ({attack.__name__})", content
    else:
        content = files[reader][int(rng.integers(len(files[reader])))]
    others = [value for values in files.values() for value in values]
    return reader, mutated(content, others, rng)


def run(seconds: float, seed: int, kept: Path) -> int:
    """Tries files until the time is over, and returns the number of faults."""
    files = seeds()
    tried: Counter[str] = Counter()
    read: Counter[str] = Counter()
    faults = 0
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")

        def make_case(number: int) -> tuple[str, str]:
            name, content = case(files, seed, number)
            path.write_bytes(content)
            return name, str(path)

        for number, name, result in outcomes(make_case, read_checkpoint):
            reader = name.partition(" ")[0]
            tried[reader] += 1
            read[reader] += result == "read"
            if result not in ("read", "refused"):
                faults += 1
                copy = kept / f"{seed}-{number}-{reader}"
                kept.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(case(files, seed, number)[1])
                print(f"FAULT: {name}: {result} ({copy})", flush=True)
            if time.monotonic() > end:
                break
    for reader in sorted(tried):
        print(f"{reader}: {tried[reader]} files tried, {read[reader]} of them read")
    print(f"seed {seed}: {tried.total()} files, {faults} faults")
    return faults


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, help="default: another one in each run")
    parser.add_argument("--kept", type=Path, default=Path("fuzz-faults"))
    options = parser.parse_args()
    seed = options.seed
    if seed is None:
        seed = int(np.random.default_rng().integers(2**31))
    sys.exit(1 if run(options.seconds, seed, options.kept) else 0)


if __name__ == "__main__":
    main()
