"""Check 4: silence, rooms and noise hold no word, prompts are not read out, and nothing goes round in circles."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from benchmarks.speech import Clip
from inference.audio import SAMPLE_RATE_HZ, rms
from inference.engines.fake import FakeEngine, speak
from tests.acceptance.faults import Adds
from tests.acceptance.invented import assert_plausible
from tests.acceptance.recordings import Ears, read_clips
from tests.acceptance.rig import Rig, silence

pytestmark = pytest.mark.timeout(300)

ROOM_DB = -60
ROOM_S = 120
NOISE_S = 30
MAX_FALSE_WORDS_PER_10_MIN = 1
WITHOUT_VOICES = (
    "air-conditioner",
    "copy-machine",
    "dishes",
    "exercise-bike",
    "keyboard-typing",
    "keyboard-typing2",
    "kitchen",
    "munching",
    "office-ambience",
    "running-tap",
    "shutting-door",
    "vacuum-cleaner",
)
HOTWORDS = ("Zanzibar", "Kubernetes", "Wolfgang Amadeus", "electroencephalogram")


def room_tone(seconds: int) -> np.ndarray:
    """Noise at -60 dBFS that falls by 3 dB an octave, as that of a quiet room does. float32, 16 kHz."""
    spectrum = np.fft.rfft(np.random.default_rng(4).standard_normal(seconds * SAMPLE_RATE_HZ))
    pink = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)))
    return (pink * 10 ** (ROOM_DB / 20) / rms(pink)).astype(np.float32)


def noises(folder: Path, names: Sequence[str] = WITHOUT_VOICES) -> Iterator[np.ndarray]:
    """Recordings as loud as they were, half a minute of each: by default fans, machines, kitchens and keyboards."""
    for name in names:
        audio, _rate_hz = soundfile.read(folder / "noise" / f"{name}.flac", dtype="float32", frames=NOISE_S * SAMPLE_RATE_HZ)
        yield audio


def assert_nothing_is_heard(rig: Rig, audio: np.ndarray, **options: Any) -> None:
    """No text, neither final nor shown meanwhile, though the audio comes as fast as it can; and all of it is counted."""
    transcript = rig.hear(audio, frame_ms=1_000, languages=("en",), **options)
    assert transcript.is_over
    assert transcript.texts == []


@pytest.mark.speech
@pytest.mark.parametrize("hotwords", [(), HOTWORDS], ids=["bare", "hotwords"])
def test_five_minutes_of_digital_silence_and_two_of_room_tone_hold_no_word(ears: Ears, hotwords: tuple[str, ...]) -> None:
    for audio in (silence(300), room_tone(ROOM_S)):
        assert_nothing_is_heard(ears.rig, audio, hotwords=hotwords)


def slam() -> np.ndarray:
    """A sound as loud as speech that is none of the scripted engine's words, and quiet around it."""
    sound = np.where(np.arange(SAMPLE_RATE_HZ) % 80 < 40, 0.95, -0.95).astype(np.float32)
    return np.concatenate([silence(2), sound, silence(2)])


def test_thanks_for_a_noise_would_be_noticed() -> None:
    assert_nothing_is_heard(Rig(FakeEngine()), slam())

    with pytest.raises(AssertionError):
        assert_nothing_is_heard(Rig(Adds(FakeEngine(), "thank you")), slam())


def assert_noise_is_no_speech(rig: Rig, recordings: list[np.ndarray], **options: Any) -> None:
    """At most one false word for every ten minutes, counted as if a shorter time were ten minutes."""
    words = [word for audio in recordings for word in rig.hear(audio, languages=("en",), interim=False, **options).words]
    minutes = sum(len(audio) for audio in recordings) / SAMPLE_RATE_HZ / 60
    assert len(words) <= MAX_FALSE_WORDS_PER_10_MIN * max(1, minutes / 10), words


@pytest.mark.speech
@pytest.mark.parametrize("gain", [0.1, 1.0], ids=["20 dB quieter", "as recorded"])
def test_twelve_loud_noises_hold_at_most_one_word(ears: Ears, speech_dir: Path, gain: float) -> None:
    assert_noise_is_no_speech(ears.rig, [gain * audio for audio in noises(speech_dir)], hotwords=HOTWORDS)


@pytest.mark.speech
def test_noises_and_voices_at_the_level_of_a_quiet_room_hold_no_word(ears: Ears, speech_dir: Path) -> None:
    """-60 dBFS: fans, keyboards and kitchens, and also cafés and neighbours, whose talk is not meant for the microphone."""
    names = [path.stem for path in sorted((speech_dir / "noise").glob("*.flac")) if not path.stem.startswith("rir-")]
    assert len(names) > len(WITHOUT_VOICES)

    for audio in noises(speech_dir, names):
        assert_nothing_is_heard(ears.rig, audio * 10 ** (ROOM_DB / 20) / rms(audio))


@pytest.mark.speech
def test_speech_among_the_noises_would_be_noticed(ears: Ears, speech_dir: Path) -> None:
    spoken = [clip.audio() for clip in read_clips(speech_dir, 2)]

    with pytest.raises(AssertionError):
        assert_noise_is_no_speech(ears.rig, spoken)


def assert_no_hotword_is_echoed(rig: Rig, audios: list[np.ndarray]) -> None:
    """None of the hotwords was spoken, so none may be written."""
    for audio in audios:
        transcript = rig.hear(audio, languages=("en",), interim=False, hotwords=HOTWORDS)
        assert_plausible(transcript)
        written = transcript.text.casefold()
        assert [word for hotword in HOTWORDS for word in hotword.casefold().split() if word in written] == []


@pytest.mark.speech
def test_hotwords_that_nobody_said_are_not_written(ears: Ears, speech_dir: Path) -> None:
    chosen: list[Clip] = read_clips(speech_dir, 8, longest_s=6.0)

    assert_no_hotword_is_echoed(ears.rig, [clip.audio() for clip in chosen])


def test_a_prompt_that_is_read_out_would_be_noticed() -> None:
    rig = Rig(Adds(FakeEngine(), HOTWORDS[0]))

    with pytest.raises(AssertionError):
        assert_no_hotword_is_echoed(rig, [speak("alpha bravo charlie")])


@pytest.mark.parametrize(
    "added",
    [" ".join(["the cat sat down"] * 4), " ".join(f"word{number}" for number in range(40))],
    ids=["a loop", "forty words a second"],
)
def test_loops_and_too_many_words_would_be_noticed(added: str) -> None:
    """What every check on real speech asks of its finals."""
    audio = speak("alpha bravo charlie")
    assert_plausible(Rig(FakeEngine()).hear(audio))

    with pytest.raises(AssertionError):
        assert_plausible(Rig(Adds(FakeEngine(), added)).hear(audio))


def test_three_of_the_same_are_said_now_and_then() -> None:
    audio = speak(" ".join(["alpha bravo charlie delta"] * 3))

    assert_plausible(Rig(FakeEngine()).hear(audio))
