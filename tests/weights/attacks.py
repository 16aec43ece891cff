"""Files that are made to exhaust a reader of checkpoints.

Each function takes a random generator and returns the bytes of a file of up to about a
megabyte. Its keys in `ATTACKS` are those of the readers that it is meant for.
"""

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

Attack = Callable[[np.random.Generator], bytes]

_HEADER = b"\x80\x02"


def _size(rng: np.random.Generator, low: int = 100, high: int = 300_000) -> int:
    """A size whose logarithm is uniform."""
    return int(np.exp(rng.uniform(np.log(low), np.log(high))))


def _number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _text(content: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(content)) + content


def _bytes(content: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(content)) + content


def _global(module: bytes, name: bytes) -> bytes:
    return b"c" + module + b"\n" + name + b"\n"


# Pickles: what is written once is used again and again.


def encoded_again(rng: np.random.Generator) -> bytes:
    """Calls `_codecs.encode` on the same text for every item of a list."""
    call = b"h\x00h\x01h\x02\x86R"
    head = _global(b"_codecs", b"encode") + b"q\x000" + _text(b"a" * _size(rng))
    head += b"q\x010" + _text(b"latin1") + b"q\x020"
    return _HEADER + head + b"](" + call * _size(rng, high=100_000) + b"e."


def pairs_again(rng: np.random.Generator) -> bytes:
    """Builds an `OrderedDict` from the same pairs for every item of a list."""
    pairs = b"".join(_number(i) + b"N\x86" for i in range(_size(rng, high=40_000)))
    head = _global(b"collections", b"OrderedDict") + b"q\x000](" + pairs + b"e\x85q\x01"
    return _HEADER + head + b"0](" + b"h\x00h\x01R" * _size(rng, high=100_000) + b"e."


def shared_dicts(rng: np.random.Generator) -> bytes:
    """A dict whose values are all the same large dict."""
    item = b"".join(
        _text(b"%d" % i) + b"G" + bytes(8) for i in range(_size(rng, high=40_000))
    )
    keys = b"".join(_text(b"%d" % i) + b"h\x00" for i in range(_size(rng, high=40_000)))
    return _HEADER + b"}(" + item + b"uq\x000}(" + keys + b"u."


def metadata_again(rng: np.random.Generator) -> bytes:
    """Metadata that are all the same long text, beside one weight."""
    item = _bytes(b"a" * _size(rng)) + b"q\x000"
    keys = b"".join(_text(b"%d" % i) + b"h\x00" for i in range(_size(rng, high=40_000)))
    blobs = _text(b"blobs") + b"}" + _text(b"w") + b"G" + bytes(8) + b"s"
    return _HEADER + item + b"}(" + keys + blobs + b"u."


def colliding_keys(rng: np.random.Generator) -> bytes:
    """Integers that all have the hash 0."""
    modulus = 2**61 - 1
    keys = b"".join(
        b"\x8a\x0a" + (i * modulus).to_bytes(10, "little") + b"N"
        for i in range(1, _size(rng, high=80_000))
    )
    return _HEADER + b"}(" + keys + b"u."


def many_small_objects(rng: np.random.Generator) -> bytes:
    """Objects of one byte each, which take a hundred in memory."""
    code = rng.choice([b"}", b"]", b")", b"(", b"}\x94", b"C\x00", b"K\xff\x94"])
    return b"\x80\x04" + code * (_size(rng, 1000, 1_500_000) // len(code)) + b"."


def nested_error_text(rng: np.random.Generator) -> bytes:
    """An array whose shape is a list of the same list, level by level."""
    levels = b"](K\x00K\x00K\x00eq\x00"
    for level in range(1, 40):
        levels += b"0](" + b"h" + bytes([level - 1]) * 1
        levels += (b"h" + bytes([level - 1])) * int(rng.integers(1, 9))
        levels += b"eq" + bytes([level])
    array = _global(b"numpy.core.multiarray", b"_reconstruct")
    array += _global(b"numpy", b"ndarray") + b"K\x00\x85" + _bytes(b"b") + b"\x87R"
    dtype = _global(b"numpy", b"dtype") + _text(b"f4") + b"\x85R"
    state = b"(K\x01h\x27\x85" + dtype + b"\x89" + _bytes(b"") + b"tb"
    return _HEADER + levels + b"0}" + _text(b"w") + array + state + b"s."


def long_permutation(rng: np.random.Generator) -> bytes:
    """Arrays whose order of axes is the same long tuple."""
    axes = b"(" + b"".join(map(_number, range(_size(rng, high=60_000)))) + b"tq\x000"
    function = _global(b"numpy.core.numeric", b"_frombuffer") + b"q\x010"
    dtype = _global(b"numpy", b"dtype") + _text(b"f4") + b"\x85Rq\x020"
    call = b"h\x01(" + _bytes(bytes(4)) + b"h\x02K\x01\x85" + _text(b"K") + b"h\x00tR"
    calls = call * _size(rng, high=10_000)
    return _HEADER + axes + function + dtype + b"](" + calls + b"e."


def long_sizes(rng: np.random.Generator) -> bytes:
    """Calls `torch.Size` on the same long list."""
    items = b"".join(map(_number, range(_size(rng, high=60_000))))
    head = b"](" + items + b"e\x85q\x000" + _global(b"torch", b"Size") + b"q\x010"
    calls = b"h\x01h\x00R" * _size(rng, high=100_000)
    return _torch_zip(_HEADER + head + b"](" + calls + b"e.", {})


def many_storages(rng: np.random.Generator) -> bytes:
    """A tensor for each of many storages, which have the same entry or none."""
    head = _global(b"torch._utils", b"_rebuild_tensor_v2") + b"q\x000"
    head += _global(b"torch", b"FloatStorage") + b"q\x010"
    item = []
    names = [b"%d" % i for i in range(_size(rng, high=10_000))]
    for name in names:
        identifier = b"(" + _text(b"storage") + b"h\x01" + _text(name)
        identifier += _text(b"cpu") + b"K\x01tQ"
        tensor = b"h\x00(" + identifier + b"K\x00K\x01\x85K\x01\x85\x89}tR"
        item.append(_text(name) + tensor)
    content = _HEADER + head + b"}(" + b"".join(item) + b"u."
    stored = names if rng.random() < 0.5 else names[:1]
    return _torch_zip(content, {f"data/{name.decode()}": bytes(4) for name in stored})


def long_storage_names(rng: np.random.Generator) -> bytes:
    """Persistent ids that repeat one long name, which Python 2 wrote as bytes."""
    name = b"T" + struct.pack("<i", 4096) + b"a" * 4096 + b"q\x000"
    head = _global(b"torch", b"FloatStorage") + b"q\x010" + name
    identifier = b"(" + _text(b"storage") + b"h\x01h\x00" + _text(b"cpu") + b"K\x01t"
    calls = b"h\x02Q" * _size(rng, high=200_000)
    return _torch_zip(_HEADER + head + identifier + b"q\x020](" + calls + b"e.", {})


def _torch_zip(content: bytes, entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", content)
        for name, value in entries.items():
            archive.writestr(f"a/{name}", value)
    return file.getvalue()


# Zip archives.


def overlapping_entries(rng: np.random.Generator) -> bytes:
    """Entries of the directory that share the same bytes of the file."""
    array = io.BytesIO()
    np.save(array, np.zeros(_size(rng, 1000, 3_000_000), np.uint8))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.npy", array.getvalue())
        first = archive.infolist()[0]
        for _ in range(_size(rng, 10, 4000)):
            archive.filelist.append(first)
    return file.getvalue()


def nothing_inflated(rng: np.random.Generator) -> bytes:
    """Entries of many deflate blocks that yield nothing, one inside the other."""
    blocks = b"\x00\x00\x00\xff\xff" * _size(rng, high=100_000)
    content = io.BytesIO()
    np.save(content, np.zeros(3, np.float32))
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = blocks + compressor.compress(content.getvalue()) + compressor.flush()
    return _raw_zip(
        "w.npy", raw, content.getvalue(), zipfile.ZIP_DEFLATED, _size(rng, 1, 3000)
    )


def greedy_decompressor(rng: np.random.Generator) -> bytes:
    """LZMA with a dictionary of gigabytes."""
    properties = b"\x09\x04\x05\x00" + b"\x5d" + struct.pack("<I", 2**31 + 2**30)
    raw = properties + rng.bytes(_size(rng))
    return _raw_zip("w.npy", raw, bytes(1000), zipfile.ZIP_LZMA, 1)


def zip_bomb(rng: np.random.Generator) -> bytes:
    """Zeros, as an array, as a torch file or as Keras's weights."""
    content = bytes(_size(rng, 10**6, 2 * 10**8))
    name = str(rng.choice(["w.npy", "a/data.pkl", "model.weights.h5"]))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def many_entries(rng: np.random.Generator) -> bytes:
    """An archive with nothing but names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for i in range(_size(rng, 100, 8000)):
            archive.writestr(f"{i}.npy", b"")
    return file.getvalue()


def _raw_zip(
    name: str, raw: bytes, content: bytes, compression: int, repeats: int
) -> bytes:
    """An archive of compressed bytes as they are, listed several times."""
    facts = struct.pack(
        "<HHHHHIIIH",
        *(20, 0, compression, 0, 0, zlib.crc32(content), len(raw), len(content)),
        len(name),
    )
    local = b"PK\x03\x04" + facts + b"\0\0" + name.encode() + raw
    central = b"PK\x01\x02\x14\0" + facts + bytes(16) + name.encode()
    end = struct.pack(
        "<HHHHIIH", 0, 0, *[repeats % 65536] * 2, repeats * len(central), len(local), 0
    )
    return local + central * repeats + b"PK\x05\x06" + end


# HDF5.


def _hdf5(fill: Callable[[h5py.File], Any], **options: Any) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w", **options) as archive:
        fill(archive)
    return file.getvalue()


def large_chunks(rng: np.random.Generator) -> bytes:
    """A chunk that is much larger than its data set, compressed or empty."""
    chunk = (_size(rng, 10**6, 10**8),)
    compression = "gzip" if rng.random() < 0.5 else None

    def fill(file: h5py.File) -> None:
        for i in range(int(rng.integers(1, 5))):
            file.create_dataset(
                f"w{i}",
                (3,),
                "f4",
                maxshape=(None,),
                chunks=chunk,
                compression=compression,
                data=[1, 2, 3] if compression else None,
            )

    return _hdf5(fill)


def tiny_chunks(rng: np.random.Generator) -> bytes:
    """A large data set of chunks of one item, none of which is there."""
    shape = (_size(rng, 10**5, 10**8),)
    return _hdf5(lambda f: f.create_dataset("w", shape, "i1", chunks=(1,)))


def unpacking_chunks(rng: np.random.Generator) -> bytes:
    """A compressed chunk that unpacks to more than its size."""
    # The size of the chunk limits the length of what can be stored in its place.
    items, longest = (16, 6 * 10**7) if rng.random() < 0.5 else (20_000, 2 * 10**8)
    bomb = zlib.compress(bytes(_size(rng, 10**6, longest)), 9)

    def fill(file: h5py.File) -> None:
        data = file.create_dataset(
            "w",
            (items,),
            "f4",
            chunks=(items,),
            compression="gzip",
            shuffle=bool(rng.integers(2)),
            fletcher32=bool(rng.integers(2)),
        )
        data.id.write_direct_chunk((0,), bomb)

    return _hdf5(fill)


def hard_links(rng: np.random.Generator) -> bytes:
    """Many names of the same data set."""
    values = np.zeros(_size(rng, 100, 200_000), np.uint8)

    def fill(file: h5py.File) -> None:
        file["w0"] = values
        for i in range(1, _size(rng, 100, 8000)):
            file[f"w{i}"] = file["w0"]

    return _hdf5(fill, libver="latest")


def string_attributes(rng: np.random.Generator) -> bytes:
    """Names of layers that all refer to the same long text."""
    text = "a" * _size(rng, 100, 60_000)
    elements = int(rng.choice([0, 1, 500]))

    def fill(file: h5py.File) -> None:
        shared = np.array([text] * elements, object) if elements else text
        for i in range(_size(rng, 2, 100)):
            group = file.create_group(f"layers/dense_{i}/vars")
            group.attrs.create("name", shared, dtype=h5py.string_dtype())
            group["0"] = np.zeros(2)

    content = bytearray(_hdf5(fill))
    references = _references(content, len(text))
    for place in references[1:]:
        # Each element has its own text until here.
        content[place : place + 16] = content[references[0] : references[0] + 16]
    return bytes(content)


def _references(content: bytearray, length: int) -> list[int]:
    """Places of the references to texts in a file: length, address, index."""
    places = []
    place = content.find(struct.pack("<I", length))
    while place >= 0:
        address = int.from_bytes(content[place + 4 : place + 12], "little")
        if content[address : address + 4] == b"GCOL":
            places.append(place)
        place = content.find(struct.pack("<I", length), place + 1)
    return places


def long_paths(rng: np.random.Generator) -> bytes:
    """Long names of groups, one inside the other, and many data sets in the last."""
    names = ["a" * _size(rng, 100, 60_000) for _ in range(int(rng.integers(1, 16)))]

    def fill(file: h5py.File) -> None:
        group = file.create_group("/".join(names))
        for i in range(_size(rng, 100, 3000)):
            group.create_dataset(f"w{i}", (0,), "f4")

    return _hdf5(fill, libver="latest")


def large_types(rng: np.random.Generator) -> bytes:
    """Items of many bytes, and shapes of many items."""
    kind = rng.choice(["array", "bytes", "compound", "shape"])

    def fill(file: h5py.File) -> None:
        size = _size(rng, 1000, 10**8)
        if kind == "array":
            file.create_dataset("w", (2,), np.dtype(("f4", (size,))))
        elif kind == "bytes":
            file.create_dataset("w", (2,), f"S{size}")
        elif kind == "compound":
            fields = [(f"f{i}", "f4") for i in range(min(size, 800))]
            file.create_dataset("w", (2,), np.dtype(fields))
        else:
            shape = tuple(int(n) for n in rng.integers(1, 2**20, rng.integers(1, 5)))
            file.create_dataset("w", shape, "f8", chunks=True)

    return _hdf5(fill)


def fresh_pickle(rng: np.random.Generator) -> bytes:
    """Random operations in a row."""
    codes = b"0]}ea(Nsu)t\x85\x86\x87\x88K\x01q\x00h\x00r\x94jRbQ2J\x80X.c"
    body = bytes(rng.choice(np.frombuffer(codes, np.uint8), _size(rng, 10, 5000)))
    start = pickle.dumps({"blobs": {"w": np.ones(3)}}, 2)[:-1]
    return (start if rng.random() < 0.5 else _HEADER) + body + b"."


ATTACKS: dict[str, tuple[Attack, ...]] = {
    "pickle": (
        encoded_again,
        pairs_again,
        shared_dicts,
        metadata_again,
        colliding_keys,
        many_small_objects,
        nested_error_text,
        long_permutation,
        fresh_pickle,
    ),
    "torch": (long_sizes, many_storages, long_storage_names),
    "npz": (
        overlapping_entries,
        nothing_inflated,
        greedy_decompressor,
        zip_bomb,
        many_entries,
    ),
    "hdf5": (
        large_chunks,
        tiny_chunks,
        unpacking_chunks,
        hard_links,
        string_attributes,
        long_paths,
        large_types,
    ),
}
