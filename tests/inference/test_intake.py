"""What comes in, made into samples: as many as it lasts, at any rate, and in its place."""

from itertools import pairwise

import numpy as np
import pytest
import soxr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference.audio import SAMPLE_RATE_HZ, Resampler, first_frame_at, num_samples_of
from inference.denoise import Denoiser
from inference.intake import NO_AUDIO, AudioIntake
from inference.messages import StreamOptions

RATES = [8_000, 16_000, 44_100, 48_000]


def an_intake(rate_hz: int = SAMPLE_RATE_HZ, first: int = 0, **options: object) -> AudioIntake:
    given_options = {"encoding": "pcm_f32le", "sample_rate_hz": rate_hz} | options
    return AudioIntake(StreamOptions(**given_options), first)  # type: ignore[arg-type]  # options by name


def to_bytes(audio: np.ndarray) -> bytes:
    return audio.astype("<f4").tobytes()


def noise(num_frames: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(num_frames, dtype=np.float32) * np.float32(0.1)


def tone(num_frames: int, rate_hz: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(num_frames) / rate_hz)).astype(np.float32)


# Sixteen bits


def test_samples_of_sixteen_bits_at_our_own_rate_are_handed_on_as_they_came() -> None:
    samples = np.array([-32_768, -1, 0, 1, 32_767], dtype="<i2")
    intake = AudioIntake(StreamOptions(), 0)

    handed_on = intake.push(samples.tobytes())

    assert intake.has_16_bits
    assert handed_on.dtype == np.int16
    assert handed_on.tolist() == samples.tolist()


@pytest.mark.parametrize(
    "options",
    [{"encoding": "pcm_f32le"}, {"encoding": "mulaw"}, {"num_channels": 2}, {"sample_rate_hz": 8_000}, {"denoise": True}],
)
def test_whatever_is_made_into_something_else_has_no_sixteen_bits(options: dict[str, object]) -> None:
    intake = AudioIntake(StreamOptions(**options), 0)  # type: ignore[arg-type]  # options by name

    assert not intake.has_16_bits
    assert intake.push(bytes(4_000)).dtype == np.float32


# A few frames


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le", "mulaw"])
def test_no_audio_is_no_samples(rate_hz: int, encoding: str) -> None:
    intake = an_intake(rate_hz, encoding=encoding)

    assert [len(intake.push(b"")), len(list(intake.silence(0))), len(intake.catch_up()), len(intake.finish())] == [0] * 4


@pytest.mark.parametrize(("rate_hz", "num_samples"), [(8_000, 2), (16_000, 1), (24_000, 1), (44_100, 0), (48_000, 0)])
def test_one_frame_alone_is_as_many_samples_as_it_lasts(rate_hz: int, num_samples: int) -> None:
    intake = an_intake(rate_hz)

    assert len(intake.push(to_bytes(noise(1)))) + len(intake.finish()) == num_samples


@pytest.mark.parametrize(
    ("options", "payload"), [({}, b"odd"), ({"num_channels": 2}, bytes(6)), ({"encoding": "pcm_f32le"}, b"a")]
)
def test_half_a_frame_is_a_fault(options: dict[str, object], payload: bytes) -> None:
    intake = AudioIntake(StreamOptions(**options), 0)  # type: ignore[arg-type]  # options by name

    with pytest.raises(AssertionError):
        intake.push(payload)


# Filters


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_what_the_resampler_holds_comes_at_the_end_and_is_the_audio(rate_hz: int) -> None:
    audio = tone(rate_hz // 2, rate_hz)
    intake = an_intake(rate_hz)

    before = intake.push(to_bytes(audio))
    tail = intake.finish()

    whole = np.concatenate([before, tail])
    assert 0 < len(tail) < SAMPLE_RATE_HZ // 10
    np.testing.assert_allclose(whole, soxr.resample(audio, rate_hz, SAMPLE_RATE_HZ)[: len(whole)], atol=1e-4)
    assert np.abs(tail).max() > 0.4


def test_at_our_own_rate_nothing_is_held() -> None:
    intake = an_intake()

    assert len(intake.push(to_bytes(noise(17)))) == 17
    assert len(intake.finish()) == 0


@pytest.mark.parametrize("num_frames", [1, 479, 480, 481, 5_000])
def test_what_the_denoiser_holds_comes_when_it_catches_up(num_frames: int) -> None:
    intake = an_intake(denoise=True)

    num_out = len(intake.push(to_bytes(noise(num_frames))))

    assert intake.is_denoised
    assert num_out < num_frames
    assert len(intake.catch_up()) == num_frames - num_out
    assert len(intake.catch_up()) == 0


def test_without_a_denoiser_there_is_nothing_to_catch_up_with() -> None:
    intake = an_intake(48_000)
    intake.push(to_bytes(noise(4_800)))

    assert not intake.is_denoised
    assert len(intake.catch_up()) == 0


def test_the_tail_of_the_resampler_is_denoised_as_if_all_had_come_in_one_piece() -> None:
    audio = noise(48_000)
    resampler, denoiser, intake = Resampler(48_000), Denoiser(), an_intake(48_000, denoise=True)

    pieces = [intake.push(to_bytes(audio)), intake.finish(), intake.catch_up()]

    resampled = np.concatenate([resampler.push(audio), resampler.push(NO_AUDIO, is_last=True)])
    expected = np.concatenate([denoiser.push(resampled[:SAMPLE_RATE_HZ]), denoiser.catch_up()])
    np.testing.assert_allclose(np.concatenate(pieces), expected, atol=1e-6)


# What does not come


@pytest.mark.parametrize(
    ("rate_hz", "skips", "places"),
    [
        (16_000, [1, 2], [(0, 1), (1, 3)]),
        (8_000, [1, 2], [(0, 2), (2, 6)]),
        (48_000, [1, 1, 1, 1], [(0, 1), (0, 1), (0, 1), (1, 2)]),
        (48_000, [3, 4], [(0, 1), (1, 3)]),
        (44_100, [441, 1, 440], [(0, 160), (160, 161), (160, 320)]),
        (48_000, [0, 1, 0], [(0, 0), (0, 1), (0, 1)]),
    ],
)
def test_skipped_frames_belong_to_every_sample_that_they_touch(
    rate_hz: int, skips: list[int], places: list[tuple[int, int]]
) -> None:
    intake = an_intake(rate_hz)

    assert [intake.skip(num_frames) for num_frames in skips] == places


@settings(deadline=None)
@given(st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000]), st.lists(st.integers(1, 2_000), max_size=12))
def test_skips_leave_no_sample_out_and_share_one_at_most(rate_hz: int, skips: list[int]) -> None:
    intake = an_intake(rate_hz)

    places = [(0, 0), *(intake.skip(num_frames) for num_frames in skips)]

    assert all(0 <= before[1] - after[0] <= 1 and before[1] <= after[1] for before, after in pairwise(places))
    assert 0 <= places[-1][1] * rate_hz - sum(skips) * SAMPLE_RATE_HZ < rate_hz


@pytest.mark.parametrize("rate_hz", RATES)
def test_silence_comes_a_second_at_a_time(rate_hz: int) -> None:
    intake = an_intake(rate_hz)

    pieces = list(intake.silence(2 * rate_hz + rate_hz // 2))

    assert len(pieces) == 3
    assert max(map(len, pieces)) < 1.1 * SAMPLE_RATE_HZ  # a resampler gives what it has in blocks
    assert not np.concatenate(pieces).any()


def test_the_denoiser_does_not_hear_the_silence() -> None:
    """So that it is there at once; and what follows is as if there had been none."""
    with_silence, without = an_intake(denoise=True), an_intake(denoise=True)
    for intake in (with_silence, without):
        intake.push(to_bytes(noise(5_000)))
        intake.catch_up()

    (silence,) = with_silence.silence(700)

    assert len(silence) == 700
    after, expected = (intake.push(to_bytes(noise(5_000))) for intake in (with_silence, without))
    np.testing.assert_array_equal(after, expected)


@pytest.mark.parametrize("rate_hz", RATES)
def test_after_a_restart_nothing_is_left_of_what_came_before(rate_hz: int) -> None:
    intake = an_intake(rate_hz)
    intake.push(to_bytes(np.full(rate_hz, 0.9, dtype=np.float32)))
    _first, end = intake.skip(rate_hz)

    intake.restart(end)

    after = np.concatenate([intake.push(bytes(4 * rate_hz)), intake.finish()])
    assert len(after) == SAMPLE_RATE_HZ
    assert not after.any()


# How long it all is


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("first", [0, 1, 1_001])
@pytest.mark.parametrize("num_frames", [0, 1, 44_101])
def test_a_stream_that_is_taken_up_is_as_long_as_if_it_had_never_been_lost(rate_hz: int, first: int, num_frames: int) -> None:
    intake = an_intake(rate_hz, first)

    num_samples = len(intake.push(to_bytes(noise(num_frames)))) + len(intake.finish())

    assert first + num_samples == max(first, num_samples_of(first_frame_at(first, rate_hz) + num_frames, rate_hz))


PIECES = st.lists(st.tuples(st.sampled_from(["audio", "gap"]), st.one_of(st.integers(0, 9), st.integers(0, 60_000))), max_size=8)


@settings(deadline=None, max_examples=60)
@given(PIECES, st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000]), st.booleans())
@example([("audio", 1), ("gap", 1), ("audio", 1)], 48_000, True)
@example([("gap", 1), ("audio", 7_350)], 44_100, True)
def test_as_many_samples_come_out_as_all_that_came_and_did_not_come_lasts(
    pieces: list[tuple[str, int]], rate_hz: int, is_denoised: bool
) -> None:
    intake = an_intake(rate_hz, denoise=is_denoised)
    num_out = 0
    for kind, num_frames in pieces:
        if kind == "audio":
            num_out += len(intake.push(to_bytes(noise(num_frames))))
        else:
            intake.skip(num_frames)
            num_out += len(intake.catch_up()) + sum(map(len, intake.silence(num_frames)))

    num_out += len(intake.finish()) + len(intake.catch_up())

    assert num_out == num_samples_of(sum(num_frames for _kind, num_frames in pieces), rate_hz)
