"""Check 8: a language that was asked for stays, and one that is detected is among those allowed."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speech import Clip, clips
from tests.acceptance.faults import IgnoresLanguages
from tests.acceptance.recordings import Ears
from tests.acceptance.rig import Rig, Transcript, silence

pytestmark = [pytest.mark.speech, pytest.mark.timeout(300)]

LEADING_SILENCE_S = 60
LONG_ENOUGH_MS = 3_000
ALLOWED = ("en", "zh", "de")
MAX_SWITCHES_PER_30_S = 1


@pytest.fixture(scope="module")
def rig(base_ears: Ears) -> Rig:
    return base_ears.rig


def spoken_in(folder: Path, language: str, count: int = 3) -> list[Clip]:
    return [clip for clip in clips(folder, {language}, {"read"}) if 3.5 < clip.seconds < 6][:count]


def joined(chosen: list[Clip]) -> np.ndarray:
    """With a second of silence behind each, so that each is a segment."""
    return np.concatenate([piece for clip in chosen for piece in (clip.audio(), silence(1))])


def hear(rig: Rig, audio: np.ndarray, languages: tuple[str, ...]) -> Transcript:
    return rig.hear(audio, languages=languages, interim=False)


def assert_locked(transcript: Transcript, language: str) -> None:
    assert transcript.finals
    assert Counter(final.language for final in transcript.finals) == {language: len(transcript.finals)}


def assert_written_in_han(text: str) -> None:
    letters = [character for character in text if character.isalpha()]
    assert sum("\u4e00" <= character <= "\u9fff" for character in letters) > 0.8 * len(letters)


def test_a_fixed_language_is_kept_after_a_minute_of_silence(rig: Rig, speech_dir: Path) -> None:
    audio = np.concatenate([silence(LEADING_SILENCE_S), joined(spoken_in(speech_dir, "zh", 2))])

    transcript = hear(rig, audio, ("zh",))

    assert_locked(transcript, "zh")
    assert_written_in_han(transcript.text)


def test_a_fixed_language_is_kept_where_another_is_spoken(rig: Rig, speech_dir: Path) -> None:
    assert_locked(hear(rig, joined(spoken_in(speech_dir, "zh", 2)), ("en",)), "en")


def test_a_language_that_is_detected_all_the_same_would_be_noticed(rig: Rig, speech_dir: Path) -> None:
    unlocked = Rig(IgnoresLanguages(rig.loop.engines["whisper-base"]))

    with pytest.raises(AssertionError):
        assert_locked(hear(unlocked, joined(spoken_in(speech_dir, "zh", 2)), ("en",)), "en")


def assert_within_the_list(transcript: Transcript, spoken: str) -> None:
    """Only allowed languages, hardly a switch, and the right one wherever there was enough to hear."""
    labels = [final.language for final in transcript.finals]
    assert set(labels) <= set(ALLOWED)
    seconds = transcript.num_frames / 16_000
    assert sum(before != after for before, after in pairwise(labels)) <= MAX_SWITCHES_PER_30_S * max(1, seconds / 30)
    long = [final for final in transcript.finals if final.end_ms - final.start_ms >= LONG_ENOUGH_MS]
    assert long
    assert [final.language for final in long if final.language != spoken] == []


@pytest.mark.parametrize("spoken", ALLOWED)
def test_a_detected_language_is_the_right_one_of_the_list(rig: Rig, speech_dir: Path, spoken: str) -> None:
    assert_within_the_list(hear(rig, joined(spoken_in(speech_dir, spoken)), ALLOWED), spoken)


def test_a_language_outside_the_list_is_never_named(rig: Rig, speech_dir: Path) -> None:
    transcript = hear(rig, joined(spoken_in(speech_dir, "ru", 2)), ALLOWED)

    assert transcript.finals
    assert {final.language for final in transcript.finals} <= set(ALLOWED)


def test_a_language_outside_the_list_would_be_noticed(rig: Rig, speech_dir: Path) -> None:
    unlocked = Rig(IgnoresLanguages(rig.loop.engines["whisper-base"]))

    with pytest.raises(AssertionError):
        assert_within_the_list(hear(unlocked, joined(spoken_in(speech_dir, "ru", 2)), ALLOWED), "ru")
