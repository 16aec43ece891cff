"""Views that are scored while others are decoded, against one video after the other."""

import threading
import zlib

import numpy as np
import pytest

from keras_nonlocal.data import (
    ClipSampler,
    FramingSampler,
    VideoError,
    VideoList,
)
from keras_nonlocal.data.datasets import loading
from keras_nonlocal.data.datasets.clip_loader import ClipLoader
from keras_nonlocal.data.datasets.loading import ViewSampler
from keras_nonlocal.data.readers.video_reader import TimelineChangedError
from keras_nonlocal.inference import view_scores
from keras_nonlocal.inference.view_scores import scored_views

SECONDS = 60
MAX_WAITING_BATCHES = 4


class BatchModel:
    """Scores a view by all that is in its batch, so that other batches show."""

    def predict_on_batch(self, x):
        x = np.ascontiguousarray(x)
        of_batch = zlib.crc32(x.tobytes() + bytes(str(x.shape), "ascii"))
        return np.array([[of_batch, row, zlib.crc32(v)] for row, v in enumerate(x)])


class Reader:
    """A video of random pictures, named `NUMBER-FAULT`.

    Args:
        path: The name. With the fault `"at 3"`, the clip 3 cannot be read, and with
            `"anew 3"`, the timeline changes there.
        by_clip: Whether it reads clip by clip.
        sizes: Heights of the pictures.
    """

    def __init__(self, path, sizes):
        self.number, _, fault = path.partition("-")
        self.kind, _, place = fault.partition(" ")
        self.place = int(place or -1)
        self.height = sizes[int(self.number) % len(sizes)]
        self.times = np.arange(20) / 10
        if fault == "open":
            raise OSError("nothing there")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.kind == "close":
            raise OSError("cannot be closed")

    def read(self, indices, framing):
        return np.stack([*self._clips(indices, framing)])

    def _clips(self, indices, framing):
        for place, clip in enumerate(indices):
            if place == self.place and self.kind == "at":
                raise OSError("damaged")
            if place == self.place and self.kind == "anew":
                self.kind, self.times = "", np.arange(40) / 10
                raise TimelineChangedError(self.number)
            content = np.random.default_rng([int(self.number), *clip])
            shape = (len(clip), len(framing.anchors), self.height, 2, 3)
            yield content.integers(0, 256, shape, np.uint8)


class ReaderByClip(Reader):
    def read_clips(self, indices, framing):
        yield from self._clips(indices, framing)


class ReaderOfSomethingElse(ReaderByClip):
    def read(self, indices, framing):
        return 255 - super().read(indices, framing)


def loader_of(paths, reader, num_clips, num_crops=1, sizes=(2,)):
    sampler = ViewSampler(
        ClipSampler(2, 1, num_clips), FramingSampler(2, None, num_crops)
    )
    return ClipLoader(
        VideoList(tuple(paths)), lambda path: reader(path, sizes), sampler
    )


def one_after_the_other(loader, batch_size, errors_end):
    """Loads whole videos in one thread, and scores their views then."""
    model, waiting, scores, numbers = BatchModel(), {}, {}, {}

    def run(shape):
        batch = waiting[shape][:batch_size]
        del waiting[shape][:batch_size]
        results = model.predict_on_batch(np.stack([view for *_, view in batch]))
        for (index, place, _), result in zip(batch, results, strict=True):
            scores.setdefault(index, {})[place] = result
            if len(scores[index]) == numbers[index]:
                rows = [scores[index][i].tolist() for i in range(numbers[index])]
                found.append((index, rows))

    found = []
    for index in range(len(loader.videos.paths)):
        try:
            views = loader.load(index)
        except VideoError as error:
            while errors_end and any(waiting.values()):
                run(next(shape for shape, group in waiting.items() if group))
            found.append((index, str(error)))
            continue
        numbers[index] = len(views)
        group = waiting.setdefault(views.shape[1:], [])
        group += [(index, place, view) for place, view in enumerate(views)]
        while len(group) >= batch_size:
            run(views.shape[1:])
        while sum(map(len, waiting.values())) > MAX_WAITING_BATCHES * batch_size:
            run(max(waiting, key=lambda shape: len(waiting[shape])))
    while any(waiting.values()):
        run(next(shape for shape, group in waiting.items() if group))
    return found


def listed(scored):
    return [
        (index, str(result) if isinstance(result, VideoError) else result.tolist())
        for index, result in scored
    ]


@pytest.mark.parametrize("reader", [Reader, ReaderByClip, ReaderOfSomethingElse])
@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("sizes", [(2,), (2, 3, 4)])
def test_batches_are_those_of_one_after_the_other(
    rng, monkeypatch, reader, num_threads, sizes
):
    monkeypatch.setattr(view_scores, "num_processors", lambda: num_threads)
    monkeypatch.setattr(view_scores, "_MAX_BYTES_AHEAD", int(rng.integers(2000)))
    monkeypatch.setattr(loading, "_BYTES_AT_ONCE", int(rng.integers(200)))
    for _ in range(8):
        num_clips, num_crops = int(rng.integers(1, 8)), int(rng.choice([1, 3]))
        batch_size = int(rng.integers(1, 20))
        faults = [
            "",
            "",
            "",
            "-open",
            "-close",
            *(f"-at {i}" for i in range(num_clips)),
        ]
        faults += [f"-anew {i}" for i in range(num_clips)]
        paths = [f"{i}{rng.choice(faults)}" for i in range(int(rng.integers(1, 12)))]
        loader = loader_of(paths, reader, num_clips, num_crops, sizes)
        errors_end = bool(rng.random() < 0.5)
        found = scored_views(
            BatchModel(), loader, range(len(paths)), batch_size, lambda x: x, errors_end
        )
        expected = one_after_the_other(loader, batch_size, errors_end)
        assert listed(found) == expected, (paths, num_clips, num_crops, batch_size)


def test_the_first_clips_are_scored_before_the_last_are_decoded(monkeypatch):
    monkeypatch.setattr(loading, "_BYTES_AT_ONCE", 0)
    is_scored = threading.Event()

    class Model(BatchModel):
        def predict_on_batch(self, x):
            is_scored.set()
            return super().predict_on_batch(x)

    class Waiting(ReaderByClip):
        def read_clips(self, indices, framing):
            for place, clip in enumerate(self._clips(indices, framing)):
                assert place < 4 or is_scored.wait(SECONDS)
                yield clip

    loader = loader_of(["0"], Waiting, num_clips=5)
    ((_, scores),) = scored_views(Model(), loader, [0], 4, lambda x: x)
    assert len(scores) == 5
    assert not isinstance(scores, VideoError)


def test_the_next_video_is_decoded_while_the_model_computes():
    is_opened = {str(i): threading.Event() for i in range(3)}

    class Model(BatchModel):
        num_batches = 0

        def predict_on_batch(self, x):
            self.num_batches += 1
            assert is_opened[str(min(self.num_batches, 2))].wait(SECONDS)
            return super().predict_on_batch(x)

    class Opened(Reader):
        def read(self, indices, framing):
            is_opened[self.number].set()
            return super().read(indices, framing)

    loader = loader_of("012", Opened, num_clips=4)
    found = scored_views(Model(), loader, range(3), 4, lambda x: x)
    assert [index for index, _ in found] == [0, 1, 2]


def test_the_model_and_the_pixels_stay_in_the_thread_of_the_caller():
    threads = set()

    class Model(BatchModel):
        def predict_on_batch(self, x):
            threads.add(threading.get_ident())
            return super().predict_on_batch(x)

    def preprocessing(x):
        threads.add(threading.get_ident())
        return x

    loader = loader_of("0123", ReaderByClip, num_clips=3)
    assert len([*scored_views(Model(), loader, range(4), 2, preprocessing)]) == 4
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("fault", ["open", "at 0", "at 3"])
def test_an_error_comes_after_all_scores_before_it(fault):
    loader = loader_of(["0", "1", f"2-{fault}", "3"], ReaderByClip, num_clips=4)
    found = scored_views(
        BatchModel(), loader, range(4), 5, lambda x: x, errors_end=True
    )
    assert [next(found)[0] for _ in range(2)] == [0, 1]
    index, error = next(found)
    assert index == 2
    assert isinstance(error, VideoError)
    ((index, scores),) = found
    assert (index, len(scores)) == (3, 4)


def test_every_reader_is_closed_when_scoring_ends_early():
    is_open = set()

    class Tracked(ReaderByClip):
        def __enter__(self):
            is_open.add(self.number)
            return self

        def __exit__(self, *error):
            is_open.discard(self.number)

    before = {*threading.enumerate()}
    paths = [*map(str, range(9))]
    loader = loader_of(paths, Tracked, num_clips=6)
    found = scored_views(BatchModel(), loader, range(9), 4, lambda x: x)
    next(found)
    found.close()
    for thread in {*threading.enumerate()} - before:
        thread.join(SECONDS)
    assert not is_open


def test_a_reader_without_all_clips_is_an_error():
    class Short(ReaderByClip):
        def read_clips(self, indices, framing):
            yield from self._clips(indices[1:], framing)

    loader = loader_of("0", Short, num_clips=4)
    ((index, error),) = scored_views(BatchModel(), loader, [0], 2, lambda x: x)
    assert index == 0
    assert str(error) == "Cannot read the video '0': its reader has 3 of 4 views."


def test_an_error_of_the_model_ends_the_threads():
    class Model:
        def predict_on_batch(self, x):
            raise ZeroDivisionError

    before = {*threading.enumerate()}
    loader = loader_of("012345678", ReaderByClip, num_clips=6)
    with pytest.raises(ZeroDivisionError):
        [*scored_views(Model(), loader, range(9), 4, lambda x: x)]
    for thread in {*threading.enumerate()} - before:
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_a_missing_package_is_no_error_of_a_video():
    def open_video(path, sizes):
        raise ImportError("av is missing")

    loader = loader_of("01", open_video, num_clips=1)
    with pytest.raises(ImportError, match="av is missing"):
        [*scored_views(BatchModel(), loader, range(2), 4, lambda x: x)]
