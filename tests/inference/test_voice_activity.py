"""Which frames are judged, and where their judgement puts speech: frame boundaries, places, and what is kept of the audio."""

from math import inf

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference.buffer import AudioBuffer
from inference.endpointing import FRAME_SAMPLES, NEAR_FRAMES, Endpointer, Turn
from inference.gate import LOOKBACK_FRAMES, EnergyGate
from inference.vad import CONTEXT_SAMPLES
from inference.voice_activity import VoiceActivity

FIRST = 1_000
"""Where the streams of these tests go on: within a frame, if frames were counted from zero."""
FLOOR_DB = -60.0


def a_voice(*, is_open: bool = True, has_16_bits: bool = False) -> VoiceActivity:
    """is_open: every frame is to be judged."""
    gate = EnergyGate(near_db=-inf, margin_db=-inf) if is_open else EnergyGate()
    return VoiceActivity(AudioBuffer(FIRST, has_16_bits=has_16_bits), gate, Endpointer(500))


def audio_of(num_samples: int, level: float = 0.1) -> np.ndarray:
    return np.full(num_samples, level, dtype=np.float32)


def of_frames(count: int) -> int:
    return count * FRAME_SAMPLES


def quiet_and_loud(num_quiet: int, num_loud: int) -> np.ndarray:
    return np.concatenate([audio_of(of_frames(num_quiet), 0.0), audio_of(of_frames(num_loud))])


# Frames


def test_no_audio_makes_no_frame_whole() -> None:
    voice = a_voice()

    assert not voice.append(audio_of(0))
    assert voice.measured == voice.seen == FIRST


def test_a_frame_is_measured_with_its_last_sample() -> None:
    voice = a_voice()

    told = [voice.append(audio_of(num_samples)) for num_samples in (1, FRAME_SAMPLES - 2, 1, 1)]

    assert told == [False, False, True, False]
    assert (voice.measured, voice.gate.num_frames) == (FIRST + FRAME_SAMPLES, 1)


@pytest.mark.parametrize("num_more", [0, 1, FRAME_SAMPLES - 1])
def test_what_is_left_of_a_piece_waits_for_the_next(num_more: int) -> None:
    voice = a_voice()

    voice.append(audio_of(of_frames(3) + num_more))
    voice.append(audio_of(FRAME_SAMPLES - num_more))

    assert (voice.measured, voice.gate.num_frames) == (FIRST + of_frames(4), 4)


@pytest.mark.parametrize(("num_samples", "expected"), [(0, False), (FRAME_SAMPLES - 1, False), (FRAME_SAMPLES, True)])
def test_a_frame_is_to_be_judged_when_all_of_it_lies_before_the_limit(num_samples: int, *, expected: bool) -> None:
    voice = a_voice()
    voice.append(audio_of(of_frames(2)))

    voice.look(FIRST + num_samples)

    assert voice.has_frame is expected


def test_before_the_beginning_of_a_stream_there_are_zeros() -> None:
    voice = a_voice()
    voice.append(audio_of(of_frames(1)))

    heard = voice.unjudged(1)

    assert heard.dtype == np.float32
    assert heard.tolist() == [0.0] * CONTEXT_SAMPLES + audio_of(FRAME_SAMPLES).tolist()


@pytest.mark.parametrize("has_16_bits", [True, False])
def test_frames_in_one_piece_are_those_that_come_one_by_one(*, has_16_bits: bool) -> None:
    samples = np.random.default_rng(1).integers(-9_000, 9_000, of_frames(5)).astype(np.int16)
    voice = a_voice(has_16_bits=has_16_bits)
    voice.append(samples if has_16_bits else samples.astype(np.float32) / 32_768)

    together = voice.next_frames(9, voice.buffer.end).copy()
    alone = []
    for _ in range(5):
        alone.append(voice.unjudged(1))
        voice.judge(0.0)

    np.testing.assert_array_equal(together, np.stack(alone))


def test_no_more_frames_are_handed_out_than_are_wanted_or_lie_before_the_limit() -> None:
    voice = a_voice()
    voice.append(audio_of(of_frames(5)))

    assert len(voice.next_frames(3, voice.buffer.end)) == 3
    assert len(voice.next_frames(9, FIRST + of_frames(3) - 1)) == 2


def test_what_was_not_judged_yet_is_kept_with_its_context() -> None:
    voice = a_voice()
    voice.append(audio_of(of_frames(5)))
    voice.judge(0.0)

    voice.drop_before(FIRST + of_frames(5))

    assert voice.buffer.first == FIRST + of_frames(1) - CONTEXT_SAMPLES
    assert len(voice.unjudged(4)) == CONTEXT_SAMPLES + of_frames(4)


def test_after_the_finish_nothing_is_to_be_judged() -> None:
    voice = a_voice()
    voice.append(audio_of(of_frames(2) + 7))
    voice.look(voice.buffer.end)

    voice.finish()

    assert not voice.has_frame
    assert voice.seen == FIRST + of_frames(2) + 7


# Speech


def test_speech_begins_with_its_first_voiced_frame_and_is_over_behind_its_last() -> None:
    voice = a_voice()
    voice.append(audio_of(of_frames(40)))

    turns = [voice.judge(prob) for prob in [0.0] * 4 + [1.0] * 6 + [0.0] * 20]

    assert [turns.index(Turn.BEGAN), turns.index(Turn.OVER)] == [6, 25]
    assert (voice.began, voice.ended) == (FIRST + of_frames(4), FIRST + of_frames(10))


def test_voice_is_there_now_until_the_first_frame_without() -> None:
    voice = a_voice()
    voice.append(audio_of(of_frames(9)))

    seen = []
    for prob in [1.0, 1.0, 1.0, 0.0]:
        voice.judge(prob)
        seen.append(voice.is_voiced_now)

    assert seen == [True, True, True, False]


@pytest.mark.parametrize(("num_between", "turn"), [(NEAR_FRAMES - 1, Turn.BEGAN), (NEAR_FRAMES + 1, Turn.NONE)])
def test_a_near_sound_among_frames_that_were_passed_over_counts_for_the_voice_after_it(num_between: int, turn: Turn) -> None:
    """It is near, and does not stand out from the noise that the gate knows."""
    voice = VoiceActivity(AudioBuffer(FIRST), EnergyGate(margin_db=inf), Endpointer(500))
    num_quiet = 100
    noise = [audio_of(of_frames(num_quiet), 0.0), audio_of(of_frames(1)), audio_of(of_frames(num_between + 3), 0.0)]
    voice.append(np.concatenate(noise))
    limit = voice.buffer.end - of_frames(3)
    while voice.skip(limit, is_last=True):
        pass
    while voice.seen < limit:
        voice.judge(0.0)

    assert [voice.judge(1.0) for _ in range(3)][-1] is turn


# The gate


def test_frames_wait_for_what_comes_after_them_unless_nothing_will() -> None:
    voice = a_voice(is_open=False)
    voice.append(audio_of(of_frames(LOOKBACK_FRAMES + 10), 0.0))

    assert voice.skip(voice.buffer.end, is_last=False)
    assert voice.seen == FIRST + of_frames(10)
    assert not voice.skip(voice.buffer.end, is_last=False)
    assert voice.skip(voice.buffer.end, is_last=True)
    assert voice.seen == voice.measured


def test_nothing_is_passed_over_behind_the_limit() -> None:
    voice = a_voice(is_open=False)
    voice.append(audio_of(of_frames(LOOKBACK_FRAMES + 10), 0.0))

    voice.skip(FIRST + of_frames(4) - 1, is_last=True)

    assert voice.seen == FIRST + of_frames(3)


def test_nothing_is_passed_over_while_speech_goes_on_however_low_it_is() -> None:
    voice = a_voice(is_open=False)
    voice.append(np.concatenate([audio_of(of_frames(1)), audio_of(of_frames(LOOKBACK_FRAMES + 60), 0.0)]))
    for _ in range(30):
        voice.judge(1.0)

    assert not voice.gate.is_open(30)
    assert not voice.skip(voice.buffer.end, is_last=True)
    voice.look(voice.buffer.end)
    assert voice.has_frame


@pytest.mark.parametrize(("limit_frames", "expected"), [(3, 3), (10_000, LOOKBACK_FRAMES)])
def test_what_waited_before_something_loud_is_told_as_far_as_the_limit(limit_frames: int, expected: int) -> None:
    voice = a_voice(is_open=False)
    voice.append(quiet_and_loud(200, 3))
    voice.skip(voice.buffer.end, is_last=False)

    assert voice.num_waiting(min(voice.buffer.end, voice.seen + of_frames(limit_frames))) == expected


def test_it_is_quiet_when_something_was_measured_and_nothing_is_loud() -> None:
    voice = a_voice(is_open=False)

    before = voice.is_quiet
    voice.append(audio_of(of_frames(1), 0.0))
    with_a_frame = voice.is_quiet
    voice.append(audio_of(of_frames(1)))

    assert (before, with_a_frame, voice.is_quiet) == (False, True, False)


def test_it_is_not_quiet_while_somebody_speaks() -> None:
    voice = a_voice(is_open=False)
    voice.append(audio_of(of_frames(9), 0.0))
    voice.judge(1.0)

    assert not voice.is_quiet


def test_a_stream_was_heard_as_far_as_it_was_measured_unless_a_frame_waits() -> None:
    voice = a_voice()
    voice.append(audio_of(of_frames(3) + 5))
    unlooked = voice.heard_until

    voice.look(voice.buffer.end)

    assert (unlooked, voice.heard_until) == (FIRST + of_frames(3), FIRST)


# Passed over


@pytest.mark.parametrize("num_waiting", [0, 5])
@pytest.mark.parametrize("num_more", [0, 1, FRAME_SAMPLES - 1])
def test_what_is_passed_over_goes_on_within_the_frame_where_it_ends(num_waiting: int, num_more: int) -> None:
    voice = a_voice(is_open=False)
    voice.append(audio_of(of_frames(num_waiting) + 3, 0.0))
    end = FIRST + of_frames(1_000) + num_more

    voice.pass_over(end, FLOOR_DB)

    assert (voice.seen, voice.measured, voice.buffer.end) == (FIRST + of_frames(1_000), FIRST + of_frames(1_000), end)
    assert (voice.endpointer.num_frames, voice.gate.num_frames, voice.gate.floor_db) == (1_000, 1_000, FLOOR_DB)
    assert not voice.has_frame


def test_speech_after_what_was_passed_over_stands_where_it_was_said() -> None:
    voice = a_voice(is_open=False)
    voice.append(audio_of(7, 0.0))
    voice.pass_over(FIRST + of_frames(1_000) + 100, FLOOR_DB)
    voice.append(audio_of(of_frames(5)))

    turns = [voice.judge(1.0) for _ in range(4)]

    assert Turn.BEGAN in turns
    assert voice.began == FIRST + of_frames(1_000)


def test_a_frame_after_what_was_passed_over_has_silence_before_it() -> None:
    voice = a_voice(is_open=False)
    voice.append(audio_of(of_frames(4), 1e-4))
    voice.pass_over(FIRST + of_frames(1_000) + 100, FLOOR_DB)
    voice.append(audio_of(FRAME_SAMPLES))

    heard = voice.unjudged(1)

    assert not heard[: CONTEXT_SAMPLES + 100].any()
    assert heard[CONTEXT_SAMPLES + 100 :].all()


DEEDS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([0.0, 0.01, 0.1]), st.one_of(st.integers(0, 3), st.integers(500, 520), st.integers(0, 60_000))),
        st.tuples(st.just(None), st.integers(0, 60_000)),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(DEEDS, st.lists(st.sampled_from([0.0, 0.0, 1.0]), min_size=1, max_size=9))
@example([(0.0, 40_000), (0.1, 511), (0.1, 1), (None, 513), (0.0, 1)], [0.0])
def test_the_gate_the_endpointer_and_the_audio_are_at_one_place(
    deeds: list[tuple[float | None, int]], probs: list[float]
) -> None:
    """None: so many samples of quiet do not come."""
    voice, num_judged = a_voice(is_open=False), 0
    for level, num_samples in deeds:
        if level is not None:
            voice.append(audio_of(num_samples, level))
        elif voice.is_quiet:
            voice.pass_over(voice.buffer.end + num_samples, FLOOR_DB)
        while True:
            voice.skip(voice.buffer.end, is_last=False)
            voice.look(voice.buffer.end)
            if not voice.has_frame:
                break
            assert len(voice.unjudged(1)) == CONTEXT_SAMPLES + FRAME_SAMPLES
            voice.judge(probs[num_judged % len(probs)])
            num_judged += 1
        voice.drop_before(voice.seen)

        assert voice.seen == FIRST + of_frames(voice.endpointer.num_frames)
        assert voice.measured == FIRST + of_frames(voice.gate.num_frames)
        assert voice.seen <= voice.measured <= voice.buffer.end < voice.measured + FRAME_SAMPLES
