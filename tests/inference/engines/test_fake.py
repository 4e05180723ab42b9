"""The scripted engine says what was written into the audio."""

import numpy as np
import pytest

from inference.engines.base import Hypothesis, Window
from inference.engines.fake import VOCABULARY, FakeEngine, Faults, speak

EVERY_WORD = " ".join(VOCABULARY)


def heard(engine: FakeEngine, audio: np.ndarray, languages: tuple[str, ...] = ("en",)) -> Hypothesis:
    return engine.step([Window(engine.open_stream(), audio, languages, is_final=True)])[0]


def test_every_word_is_read_back() -> None:
    assert heard(FakeEngine(), speak(EVERY_WORD)).text == EVERY_WORD


def test_words_survive_sixteen_bits() -> None:
    audio = np.rint(speak(EVERY_WORD) * 32_767) / 32_768

    assert heard(FakeEngine(), audio.astype(np.float32)).text == EVERY_WORD


def test_words_have_their_times() -> None:
    words = heard(FakeEngine(), speak("alpha bravo")).words

    assert [(word.start_ms, word.end_ms) for word in words] == [(0, 300), (400, 700)]


def test_silence_holds_no_words() -> None:
    nothing = heard(FakeEngine(), np.zeros(16_000, dtype=np.float32))

    assert (nothing.text, nothing.words, nothing.confidence) == ("", (), 0.0)


def test_the_stable_part_leads_the_text() -> None:
    hypothesis = heard(FakeEngine(), speak("alpha bravo charlie delta"))

    assert hypothesis.stable == "alpha bravo"


def test_a_batch_is_its_rows() -> None:
    engine = FakeEngine()
    batch = [Window(engine.open_stream(), speak(word), ("en",), is_final=False) for word in VOCABULARY]

    assert [hypothesis.text for hypothesis in engine.step(batch)] == list(VOCABULARY)


def test_a_fault_can_be_switched_on() -> None:
    engine = FakeEngine(Faults(fail_on="bravo"))

    assert heard(engine, speak("alpha")).text == "alpha"
    with pytest.raises(RuntimeError):
        heard(engine, speak("alpha bravo"))
