import numpy as np
import pytest

from keras_nonlocal.data import ClipSampler


def times(num_frames: int, rate: float = 30.0) -> np.ndarray:
    return np.arange(num_frames) / rate


def test_without_a_generator_the_clip_is_in_the_middle() -> None:
    indices = ClipSampler(num_frames=4, frame_stride=3).frame_indices(times(20))
    assert indices.tolist() == [[5, 8, 11, 14]]


def test_random_clips_start_everywhere_and_stay_inside() -> None:
    sampler = ClipSampler(num_frames=4, frame_stride=3)
    rng = np.random.default_rng(0)
    clips = [sampler.frame_indices(times(14), rng)[0] for _ in range(200)]
    assert {clip[0] for clip in clips} == {0, 1, 2, 3, 4}
    assert all(np.diff(clip).tolist() == [3, 3, 3] for clip in clips)


def test_several_clips_reach_from_the_first_to_the_last_frame() -> None:
    sampler = ClipSampler(num_frames=8, frame_stride=8, num_clips=10)
    indices = sampler.frame_indices(times(300), np.random.default_rng(0))
    assert indices.shape == (10, 8)
    assert indices[0, 0] == 0
    assert indices[-1, -1] == 299
    assert {*np.diff(indices[:, 0])} == {27}


def test_one_clip_is_the_middle_one() -> None:
    sampler = ClipSampler(num_frames=2, num_clips=1)
    indices = sampler.frame_indices(times(10), np.random.default_rng(0))
    assert indices.tolist() == [[4, 5]]


@pytest.mark.parametrize(
    ("short_videos", "expected"),
    [("loop", [0, 2, 1, 0, 2, 1]), ("repeat_last", [0, 2, 2, 2, 2, 2])],
)
def test_short_videos_go_on(short_videos: str, expected: list[int]) -> None:
    sampler = ClipSampler(6, 2, short_videos=short_videos)
    assert sampler.frame_indices(times(3)).tolist() == [expected]


def test_target_fps_takes_the_frame_shown_at_each_tick() -> None:
    # 4 frames at 0.5 s distance, then 8 at 0.125 s.
    uneven = np.concatenate([np.arange(4) * 0.5, 2 + np.arange(8) * 0.125])
    sampler = ClipSampler(num_frames=12, target_fps=4, short_videos="repeat_last")
    expected = [0, 0, 1, 1, 2, 2, 3, 3, 4, 6, 8, 10]
    assert sampler.frame_indices(uneven + 7.0).tolist() == [expected]


def test_target_fps_of_the_file_changes_nothing() -> None:
    ntsc = times(120, 30000 / 1001)
    with_fps = ClipSampler(8, 4, 5, target_fps=30000 / 1001).frame_indices(ntsc)
    assert with_fps.tolist() == ClipSampler(8, 4, 5).frame_indices(ntsc).tolist()


@pytest.mark.parametrize("num_clips", [None, 4])
def test_a_clock_that_jumps_costs_no_more(
    num_clips: int | None, rng: np.random.Generator
) -> None:
    # Ticks of a century at 1000 per second would take 25 TB.
    jumping = np.concatenate([times(20), 3.2e9 + times(20)])
    sampler = ClipSampler(8, 2, num_clips, target_fps=1000)
    indices = sampler.frame_indices(jumping, rng)
    assert ((indices >= 0) & (indices < 40)).all()
    assert (np.diff(indices, axis=1) >= 0).all()
    if num_clips:
        assert indices[0, 0] == 0
        assert indices[-1, -1] >= 38
        assert indices[1:-1].tolist() == [[19] * 8] * 2


@pytest.mark.parametrize("last", [1e16, np.inf, np.nan])
def test_a_clock_that_cannot_be_counted_is_refused(last: float) -> None:
    with pytest.raises(ValueError, match=r"`target_fps` can be counted. Received: tim"):
        ClipSampler(8, target_fps=30).frame_indices(np.array([0.0, last]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_frames": 0}, "`num_frames` must be a positive integer. .*num_frames=0"),
        ({"frame_stride": -1}, "Received: frame_stride=-1"),
        ({"num_clips": 0}, "Received: num_clips=0"),
        ({"target_fps": 0.0}, "`target_fps` must be a positive number"),
        ({"short_videos": "pad"}, "'loop' or 'repeat_last'. Received: .*'pad'"),
    ],
)
def test_bad_values(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClipSampler(**({"num_frames": 8} | arguments))


def test_bad_type() -> None:
    with pytest.raises(TypeError, match=r"an integer. Received: num_frames=2.5"):
        ClipSampler(num_frames=2.5)
