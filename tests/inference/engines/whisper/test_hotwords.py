"""Hotwords: the tree of their tokens, and with the real tiny.en what they change and what they must not."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from inference.audio import SAMPLE_RATE_HZ
from inference.engines import registry
from inference.engines.base import Window
from inference.engines.whisper import engine as engine_module
from inference.engines.whisper.engine import WhisperEngine
from inference.engines.whisper.hotwords import INSIDE_BONUS, START_BONUS, Hotwords, spellings
from tests.speech import clips

NAMES = ("Emacs", "Ruthwaite", "Chautauqua")
SPOKEN = {"cv-en-624337": "Emacs", "cv-en-20150388": "Ruthwaite", "cv-en-20714255": "Chautauqua"}
"""Clip → a name in it that tiny.en does not know how to write."""


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


# The tree


@pytest.mark.parametrize(
    ("name", "written", "expected"),
    [
        ("nothing written", "", {" ": START_BONUS}),
        ("between other words", "now", {" ": START_BONUS}),
        ("a hotword is begun", "now an", {" ": START_BONUS, "n": INSIDE_BONUS}),
        ("where two hotwords part", " ", {" ": START_BONUS, "a": INSIDE_BONUS, "A": INSIDE_BONUS, "B": INSIDE_BONUS}),
        ("a hotword is over", " Bob", {" ": START_BONUS}),
        ("another way is taken", " and", {" ": START_BONUS}),
    ],
)
def test_what_may_follow_gains(name: str, written: str, expected: dict[str, float]) -> None:
    hotwords = Hotwords(("ann", "Bob"), letters)

    assert hotwords.bonuses(letters(written)) == {ord(letter): gain for letter, gain in expected.items()}, name


def test_the_likeliest_token_wins_unless_a_hotword_is_close_behind() -> None:
    hotwords = Hotwords(("an",), letters)
    logits = torch.zeros(128)
    logits[ord("o")] = INSIDE_BONUS - 1

    assert hotwords.choose(logits, letters(" a")) == ord("n")
    logits[ord("o")] = INSIDE_BONUS + 1
    assert hotwords.choose(logits, letters(" a")) == ord("o")


def test_a_forbidden_token_is_never_chosen() -> None:
    logits = torch.zeros(128)
    logits[ord(" ")] = -torch.inf

    assert Hotwords(("an",), letters).choose(logits, []) != ord(" ")


def test_a_hotword_may_open_a_sentence_and_needs_a_space_only_where_writing_has_one() -> None:
    assert spellings(" two  words ") == [" two words", " Two words"]
    assert spellings("北京") == ["北京"]


@pytest.mark.parametrize(
    ("text", "expected"), [("Emacs.", True), (" emacs, Ruthwaite!", True), ("in Emacs", False), ("", True), ("Emacss", False)]
)
def test_text_of_nothing_but_hotwords_is_known(text: str, expected: bool) -> None:  # a column of the table
    assert Hotwords(NAMES, letters).are_all_of(text) is expected


# The engine


@pytest.fixture(scope="module")
def engine() -> WhisperEngine:
    made: WhisperEngine = registry.create("whisper-tiny.en", "fp32")  # type: ignore[assignment]  # what this name makes
    made.load()
    return made


def heard(engine: WhisperEngine, *rows: tuple[np.ndarray, Sequence[str]]) -> list[str]:
    """Finals of one batch of (audio, hotwords)."""
    windows = [Window(engine.open_stream(), audio, ("en",), is_final=True, hotwords=tuple(words)) for audio, words in rows]
    return [hypothesis.text for hypothesis in engine.step(windows)]


@pytest.fixture(scope="module")
def spoken(speech_dir: Path) -> dict[str, np.ndarray]:
    """Name → somebody saying it."""
    return {name: soundfile.read(speech_dir / f"{clip}.flac", dtype="float32")[0] for clip, name in SPOKEN.items()}


def test_names_are_heard_with_hotwords_and_misheard_without(engine: WhisperEngine, spoken: dict[str, np.ndarray]) -> None:
    without = heard(engine, *((audio, ()) for audio in spoken.values()))
    given = heard(engine, *((audio, NAMES) for audio in spoken.values()))

    assert [name in text for name, text in zip(spoken, without, strict=True)] == [False] * len(spoken)
    assert [name in text for name, text in zip(spoken, given, strict=True)] == [True] * len(spoken)


def test_a_batch_of_different_hotwords_gives_what_each_window_gives_alone(
    engine: WhisperEngine, spoken: dict[str, np.ndarray]
) -> None:
    rows = [(audio, words) for audio in spoken.values() for words in ((), NAMES, NAMES[:1])]

    assert heard(engine, *rows) == [heard(engine, row)[0] for row in rows]


def test_hotwords_of_one_stream_do_not_reach_another(engine: WhisperEngine, spoken: dict[str, np.ndarray]) -> None:
    audio = spoken["Ruthwaite"]

    first, second = heard(engine, (audio, NAMES), (audio, ()))

    assert "Ruthwaite" in first
    assert "Ruthwaite" not in second


def test_hotwords_that_change_count_from_the_next_window_and_none_leave_nothing_behind(
    engine: WhisperEngine, spoken: dict[str, np.ndarray]
) -> None:
    state, audio = engine.open_stream(), spoken["Emacs"]

    texts = [
        engine.step([Window(state, audio, ("en",), is_final=True, hotwords=words)])[0].text
        for words in ((), NAMES, NAMES[1:], ())
    ]

    assert ["Emacs" in text for text in texts] == [False, True, False, False]


def test_hotwords_that_are_not_said_leave_the_text_alone(engine: WhisperEngine) -> None:
    rows = [clip.audio for clip in clips()]

    assert heard(engine, *((audio, NAMES) for audio in rows)) == heard(engine, *((audio, ()) for audio in rows))


def quiet_sounds() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    noise = random.standard_normal(3 * SAMPLE_RATE_HZ).astype(np.float32)
    hum = np.sin(2 * np.pi * 50 * np.arange(3 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ).astype(np.float32)
    return {"silence": 0 * noise, "noise at -60 dBFS": 1e-3 * noise, "noise at -30 dBFS": 0.0316 * noise, "mains hum": 0.01 * hum}


EAGER = ("you", "Thank you", "Bye", *NAMES)
"""What the model likes to invent on silence, as hotwords: nothing could tempt it more."""


@pytest.mark.parametrize("sound", quiet_sounds())
def test_hotwords_are_never_echoed_where_nobody_speaks(engine: WhisperEngine, sound: str) -> None:
    assert heard(engine, (quiet_sounds()[sound], EAGER), (quiet_sounds()[sound], ())) == ["", ""]


def test_without_the_guard_silence_would_speak(engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above would see: it can fail."""
    monkeypatch.setattr(engine_module, "was_heard", lambda _places, _num_frames: True)
    monkeypatch.setattr(Hotwords, "are_all_of", lambda _self, _text: False)

    assert heard(engine, (quiet_sounds()["silence"], EAGER)) != [""]


def test_a_control_token_that_is_spelled_out_is_no_hotword(engine: WhisperEngine) -> None:
    audio = clips()[0].audio

    assert heard(engine, (audio, ("<|endoftext|>", "<|startoftranscript|>"))) == heard(engine, (audio, ()))
