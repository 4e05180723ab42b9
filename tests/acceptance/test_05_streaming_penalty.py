"""Check 5: hearing while somebody speaks costs little accuracy, and how the audio is cut into frames costs nothing."""

from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scoring import ErrorRate, units
from benchmarks.speech import Clip
from inference.audio import SAMPLE_RATE_HZ
from inference.endpointing import FRAME_SAMPLES
from inference.stream import Stream
from tests.acceptance.faults import LosesFinals
from tests.acceptance.recordings import Ears, read_clips
from tests.acceptance.rig import silence

pytestmark = [pytest.mark.speech, pytest.mark.timeout(300)]

NUM_CLIPS = 40
NUM_TALKS = 2
CLIPS_A_TALK = 4
MAX_PENALTY_PERCENT = 1.5
MAX_DELETED_WORDS = 3
FRAMES_MS = (10, 100, 1_000)
BYTES_A_SAMPLE = 4


@pytest.fixture(scope="module")
def chosen(speech_dir: Path) -> list[Clip]:
    return read_clips(speech_dir, NUM_CLIPS)


def longest_deletion(wanted: list[str], heard: list[str]) -> int:
    """Most words in a row that are missing."""
    steps = SequenceMatcher(None, wanted, heard, autojunk=False).get_opcodes()
    return max((end - start - (last - first) for _kind, start, end, first, last in steps), default=0)


def assert_streaming_costs_little(ears: Ears, talks: list[list[Clip]]) -> None:
    """Against the same weights on whole clips. What several clips joined, a long talk, are as a whole is that of its parts."""
    live, whole = ErrorRate(), ErrorRate()
    for talk in talks:
        spoken = [word for clip in talk for word in units(clip.text, by_character=False)]
        wanted = [word for clip in talk for word in ears.whole(clip.audio())]
        heard = ears.live(joined(talk)).words
        whole.add(spoken, wanted)
        live.add(spoken, heard)
        assert longest_deletion(wanted, heard) <= MAX_DELETED_WORDS, talk[0].name
    assert whole.percent < 20
    assert live.percent <= whole.percent + MAX_PENALTY_PERCENT


def joined(part: list[Clip]) -> np.ndarray:
    """The clips one after the other, half a second apart: at the default endpoint some are one segment, some two."""
    return np.concatenate([piece for clip in part for piece in (clip.audio(), silence(0.5))])[: -SAMPLE_RATE_HZ // 2]


def test_streaming_costs_at_most_one_and_a_half_points_of_word_error(ears: Ears, chosen: list[Clip]) -> None:
    num_in_talks = NUM_TALKS * CLIPS_A_TALK
    talks = [chosen[place : place + CLIPS_A_TALK] for place in range(0, num_in_talks, CLIPS_A_TALK)]

    assert_streaming_costs_little(ears, talks + [[clip] for clip in chosen[num_in_talks:]])


def test_finals_that_are_lost_would_be_noticed(ears: Ears, chosen: list[Clip]) -> None:
    some = chosen[-6:]
    ears.know(clip.audio() for clip in some)

    with pytest.raises(AssertionError):
        assert_streaming_costs_little(ears.faulty(LosesFinals), [[clip] for clip in some])


def assert_frames_do_not_matter(ears: Ears, audio: np.ndarray) -> None:
    """Partials included: how far they reach depends on the frames, what becomes final does not."""
    texts = {ears.live(audio, frame_ms=frame_ms, interim=True).text for frame_ms in FRAMES_MS}
    assert len(texts) == 1, texts


def test_frames_of_10_100_and_1000_ms_give_the_same_text(ears: Ears, chosen: list[Clip]) -> None:
    assert_frames_do_not_matter(ears, joined([clip for clip in chosen if clip.seconds < 5][:2]))


def test_samples_lost_between_frames_would_be_noticed(ears: Ears, chosen: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every message were cut to whole frames of the detector: all of a small message is lost, little of a large one."""
    push, whole_bytes = Stream.push, FRAME_SAMPLES * BYTES_A_SAMPLE
    monkeypatch.setattr(
        Stream, "push", lambda stream, payload: push(stream, payload[: len(payload) // whole_bytes * whole_bytes])
    )

    with pytest.raises(AssertionError):
        assert_frames_do_not_matter(Ears(ears.engine), chosen[0].audio())


def test_finals_are_the_same_with_and_without_partials_before_them(ears: Ears, chosen: list[Clip]) -> None:
    for clip in chosen[:4]:
        with_partials = ears.live(clip.audio(), interim=True)
        assert with_partials.partials
        assert with_partials.text == ears.live(clip.audio()).text
