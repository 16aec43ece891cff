"""Streams that threads compute ahead, against one stream after the other."""

import itertools
import signal
import subprocess
import sys
import threading
import time

import pytest

from keras_nonlocal.data.streams_ahead import streams_ahead

SECONDS = 60


def ahead(function, items, num_threads=2, room=10, size=lambda value: 1):
    return streams_ahead(function, items, num_threads=num_threads, room=room, size=size)


def wait_until(is_so):
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("num_threads", [1, 2, 7])
@pytest.mark.parametrize("room", [0, 3, 10**6])
def test_the_order_is_that_of_one_after_the_other(rng, num_threads, room):
    items = [*range(40)]
    lengths = rng.integers(0, 6, len(items)).tolist()
    pauses = rng.uniform(0, 1e-3, len(items)).tolist()

    def stream(item):
        for number in range(lengths[item]):
            time.sleep(pauses[item])
            yield item, number

    expected = [(item, value) for item in items for value in stream(item)]
    found = ahead(stream, items, num_threads, room, size=lambda value: value[1])
    assert [*found] == expected


def test_an_error_comes_in_its_place_and_only_then():
    has_failed = threading.Event()

    def stream(item):
        if item == 1:
            yield "first of 1"
            has_failed.set()
            raise ValueError("of 1")
        yield item
        if item == 0:
            # The error of the next item is there before the end of this one.
            assert has_failed.wait(SECONDS)
            yield "last of 0"

    found = []
    values = ahead(stream, [0, 1, 2])
    with pytest.raises(ValueError, match="of 1"):
        found.extend(values)
    assert found == [(0, 0), (0, "last of 0"), (1, "first of 1")]
    assert [*values] == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_no_error_of_a_thread_is_lost(error):
    def stream(item):
        yield item
        raise error

    with pytest.raises(error):
        list(ahead(stream, [0, 1]))


@pytest.mark.parametrize(("num_threads", "room"), [(1, 4), (3, 5), (3, 0)])
def test_what_is_ahead_is_limited(num_threads, room):
    lock = threading.Lock()
    begun, made, taken = set(), 0, 0

    def stream(item):
        nonlocal made
        begun.add(item)
        for number in range(8):
            with lock:
                made += 1
                # What waits, one more of the current item, and one on its way in each
                # thread; `taken` is behind by the value that is being yielded.
                assert made - taken <= room + 1 + num_threads + 1
            yield number

    for item, _ in ahead(stream, [*range(12)], num_threads, room):
        assert max(begun) <= item + num_threads
        taken += 1
    assert made == taken == 12 * 8


def test_the_next_value_is_made_meanwhile():
    is_made = [threading.Event() for _ in range(3)]

    def stream(item):
        for number in range(3):
            is_made[number].set()
            yield number

    for _, number in ahead(stream, ["item"], num_threads=1):
        assert is_made[min(number + 1, 2)].wait(SECONDS)


def test_large_values_pass_a_small_room_one_by_one():
    def stream(item):
        yield from range(5)

    found = [*ahead(stream, [0, 1, 2], 3, room=7, size=lambda value: 100)]
    assert found == [(item, value) for item in range(3) for value in range(5)]


@pytest.mark.parametrize("how", ["close", "forget", "error"])
def test_threads_end_with_the_generator(how):
    closed_in = []

    def stream(item):
        own = threading.get_ident()
        try:
            yield from itertools.count()
        finally:
            closed_in.append((own, threading.get_ident()))

    before = {*threading.enumerate()}
    values = ahead(stream, [*range(5)], num_threads=3)
    next(values)
    wait_until(lambda: len({*threading.enumerate()} - before) == 3)
    if how == "close":
        values.close()
    elif how == "forget":
        del values
    else:
        with pytest.raises(ZeroDivisionError):
            values.throw(ZeroDivisionError)
    wait_until(lambda: not {*threading.enumerate()} - before)
    # Each item that was begun is closed, in its own thread.
    assert closed_in
    assert all(opener == closer for opener, closer in closed_in)


def test_a_generator_that_never_ran_starts_nothing():
    before = {*threading.enumerate()}
    ahead(lambda item: iter(()), [1]).close()
    assert {*threading.enumerate()} == before


PROGRAM = """
import itertools, sys, time
from keras_nonlocal.data.streams_ahead import streams_ahead

def stream(item):
    for number in itertools.count():
        # Python and waiting, as in decoding.
        sum(range(20_000))
        time.sleep(float(sys.argv[1]))
        yield number

values = streams_ahead(
    stream, range(100), num_threads=4, room=int(sys.argv[2]), size=lambda value: 1)
print(next(values), flush=True)
"""


def started(*arguments, more=""):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM + more, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("arguments", [("0.001", "5"), ("0.001", "1000000")])
def test_a_program_ends_in_the_middle(arguments):
    process = started(*arguments)
    try:
        output, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert (process.returncode, output, errors) == (0, "(0, 0)\n", "")


def test_ctrl_c_ends_a_program_that_waits():
    # The first value is there at once for the message, the others take a second.
    more = "for item in values:\n    pass\n"
    process = started("1", "5", more=more)
    try:
        assert process.stdout.readline() == "(0, 0)\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_the_program_waits_for_threads_that_outlive_their_generator():
    code = """
import sys, time
sys.path.insert(0, ".")
from keras_nonlocal.data.streams_ahead import streams_ahead

def stream(item):
    yield item
    if item:
        time.sleep(2.5)
        print("ended", flush=True)

found = streams_ahead(stream, [0, 1], num_threads=2, room=5, size=lambda value: 1)
print(next(found))
time.sleep(0.3)
found.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS
    )
    assert done.stdout.splitlines() == ["(0, 0)", "ended"], done.stderr
