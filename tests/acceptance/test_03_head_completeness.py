"""Check 3: the first word is heard at the first sample, after a long silence, and from speech that had begun before."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.scoring import units
from benchmarks.speech import Clip
from inference.audio import SAMPLE_RATE_HZ
from tests.acceptance.faults import LosesHead
from tests.acceptance.recordings import Cut, Ears, first_match, read_clips, without_head
from tests.acceptance.rig import silence

pytestmark = [pytest.mark.speech, pytest.mark.timeout(300)]

NUM_CLIPS = 16
LATE_S = 2


@pytest.fixture(scope="module")
def chosen(speech_dir: Path) -> list[Clip]:
    return read_clips(speech_dir, NUM_CLIPS)


def at_sample_0(audio: np.ndarray) -> np.ndarray:
    return without_head(audio)


def after_ten_seconds_of_silence(audio: np.ndarray) -> np.ndarray:
    return np.concatenate([silence(10), without_head(audio)])


def begun_before_the_socket_opened(audio: np.ndarray) -> np.ndarray:
    """What is left of it: the first two seconds were never sent."""
    return without_head(audio)[LATE_S * SAMPLE_RATE_HZ :]


CUTS: list[Cut] = [at_sample_0, after_ten_seconds_of_silence, begun_before_the_socket_opened]


def assert_first_words_are_heard(ears: Ears, chosen: list[Clip], cut: Cut) -> None:
    """As often as by the same weights on the whole of what there was to hear; one clip may differ by chance.

    Heard means: no spoken word before the first one that is recognised. What was never sent counts for neither.
    """
    num_late, num_first = 0, 0
    for clip in chosen:
        spoken, audio = units(clip.text, by_character=False), cut(clip.audio())
        wanted, found = first_match(spoken, ears.whole(audible(cut, clip))), first_match(spoken, ears.live(audio).words)
        num_late += (found > wanted) - (found < wanted)
        num_first += wanted == 0
    assert cut is begun_before_the_socket_opened or num_first > len(chosen) * 0.6
    assert num_late <= 1, f"{num_late} heads are lost"


def audible(cut: Cut, clip: Clip) -> np.ndarray:
    """A cut clip without silence before it."""
    return cut(clip.audio()) if cut is begun_before_the_socket_opened else without_head(clip.audio())


@pytest.mark.parametrize("cut", CUTS)
def test_first_words_of_16_clips_are_heard(ears: Ears, chosen: list[Clip], cut: Cut) -> None:
    long = [clip for clip in chosen if clip.seconds > LATE_S + 1.5]

    assert_first_words_are_heard(ears, long if cut is begun_before_the_socket_opened else chosen, cut)


@pytest.mark.parametrize("cut", CUTS)
def test_a_head_that_is_lost_would_be_noticed(ears: Ears, chosen: list[Clip], cut: Cut) -> None:
    some = [clip for clip in chosen if clip.seconds > LATE_S + 1.5][:8]
    ears.know(audible(cut, clip) for clip in some)

    with pytest.raises(AssertionError, match="heads are lost"):
        assert_first_words_are_heard(ears.faulty(LosesHead), some, cut)
