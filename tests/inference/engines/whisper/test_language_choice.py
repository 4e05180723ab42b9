"""Which language a segment is written in where the listener left it open. Needs the tokenizer, no weights."""

from dataclasses import dataclass

import numpy as np
import pytest

from inference.audio import SAMPLE_RATE_HZ
from inference.engines.base import Window
from inference.engines.registry import Placement, whisper_base
from inference.engines.whisper.engine import WhisperEngine
from inference.engines.whisper.state import WhisperState

SHORT_S, LONG_S = 1, 5


@pytest.fixture(scope="module")
def engine() -> WhisperEngine:
    made = whisper_base("whisper-base", Placement("fp32"))
    assert isinstance(made, WhisperEngine)
    return made


def choose(
    engine: WhisperEngine,
    state: WhisperState,
    heard: dict[str, float],
    *,
    languages: tuple[str, ...] = (),
    seconds: int = LONG_S,
    is_final: bool = False,
) -> str:
    """The segment's language when the model hears `heard`, language → probability."""
    probs = np.array([heard.get(name, 0.0) for name in engine.vocabulary.languages], dtype=np.float32)
    audio = np.zeros(seconds * SAMPLE_RATE_HZ, dtype=np.float32)
    engine._choose_language(Window(state, audio, languages, is_final), probs)
    return state.segment_language


@dataclass(frozen=True)
class Case:
    """`before`: the stream's language so far."""

    name: str
    expected: str
    heard: dict[str, float]
    before: str = ""
    languages: tuple[str, ...] = ()
    seconds: int = LONG_S


CASES = [
    Case("the likeliest at first", "de", {"de": 0.5, "en": 0.4}, seconds=SHORT_S),
    Case("the likeliest that is allowed", "en", {"de": 0.9, "en": 0.1}, languages=("en", "zh"), seconds=SHORT_S),
    Case("a short word does not switch", "en", {"de": 0.95, "en": 0.05}, before="en", seconds=SHORT_S),
    Case("an unclear sentence does not switch", "en", {"de": 0.5, "en": 0.4}, before="en"),
    Case("a clear sentence switches", "de", {"de": 0.95, "en": 0.05}, before="en"),
    Case("what is no longer allowed is left at once", "de", {"zh": 0.9, "de": 0.1}, "zh", ("en", "de"), SHORT_S),
    Case("the script is the one that is asked for", "zh-hant", {"zh": 0.9}, languages=("en", "zh-hant")),
    Case("another script of the language counts at once", "zh-hant", {"zh": 0.9}, "zh", ("en", "zh-hant"), SHORT_S),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_choice(case: Case, engine: WhisperEngine) -> None:
    state = WhisperState(language=case.before)

    assert choose(engine, state, case.heard, languages=case.languages, seconds=case.seconds) == case.expected


def test_text_that_was_called_stable_keeps_its_language(engine: WhisperEngine) -> None:
    """Later partials may not change it, and another language would write it anew."""
    state = WhisperState(language="en", segment_language="en", tokens=(1, 2, 3), num_stable=2)

    assert choose(engine, state, {"de": 1.0}) == "en"
    assert state.num_stable == 2


def test_a_final_may_correct_the_language(engine: WhisperEngine) -> None:
    state = WhisperState(language="en", segment_language="en", tokens=(1, 2, 3), num_stable=2)

    assert choose(engine, state, {"de": 1.0}, is_final=True) == "de"
    assert state.tokens == ()


@pytest.mark.parametrize("language", ["zh", "zh-hant"])
def test_chinese_is_timed_by_character_in_both_scripts(engine: WhisperEngine, language: str) -> None:
    tokens = list(engine.vocabulary.tokenizer.encode("怎么会这样。", add_special_tokens=False).ids)

    assert len(engine.vocabulary.words(tokens, language)) == 3
