"""The real tiny.en and base on real speech: words, times, silence, languages."""

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.stability import num_lost
from inference.audio import SAMPLE_RATE_HZ
from inference.config import Precision
from inference.engines import registry
from inference.engines.base import Hypothesis, Window
from inference.engines.whisper import engine as engine_module
from inference.engines.whisper.engine import (
    MAX_WINDOW_SAMPLES,
    PADDING_SAMPLES,
    WhisperEngine,
    padded,
)
from inference.engines.whisper.state import MAX_PARTIAL_SAMPLES, WhisperState
from tests.speech import Clip, clips, spoken_words

SIMPLIFIED = str.maketrans("麼會這樣", "么会这样")
"""The model may write either form."""


@pytest.fixture(scope="module")
def engine() -> Iterator[WhisperEngine]:
    made: WhisperEngine = registry.create("whisper-tiny.en", "fp32")  # type: ignore[assignment]  # what this name makes
    made.load()
    yield made
    made.close()


def window(clip: Clip, *, is_final: bool = True) -> Window[WhisperState]:
    return Window(WhisperState(), clip.audio, ("en",), is_final)


def of_audio(audio: np.ndarray) -> Window[WhisperState]:
    return Window(WhisperState(), audio.astype(np.float32), ("en",), is_final=True)


def heard(engine: WhisperEngine, audio: np.ndarray) -> Hypothesis:
    return engine.step([of_audio(audio)])[0]


def assert_heard(hypothesis: Hypothesis, clip: Clip) -> None:
    """First and last word as spoken, and at most one other word misheard."""
    said, written = clip.words, spoken_words(hypothesis.text.replace("71", "seventy one"))
    assert (written[0], written[-1]) == (said[0], said[-1])
    assert len(set(said) - set(written)) <= 1
    assert abs(len(said) - len(written)) <= 1


@pytest.mark.parametrize("clip", clips(), ids=lambda clip: clip.name)
def test_words_said_are_words_written(engine: WhisperEngine, clip: Clip) -> None:
    assert_heard(engine.step([window(clip)])[0], clip)


def test_a_batch_gives_what_each_window_gives_alone(engine: WhisperEngine) -> None:
    alone = [engine.step([window(clip)])[0] for clip in clips()]

    together = engine.step([window(clip) for clip in clips()])

    assert [each.text for each in together] == [each.text for each in alone]
    for ours, theirs in zip(together, alone, strict=True):
        assert ours.confidence == pytest.approx(theirs.confidence, abs=1e-3)
        assert [(word.text, word.start_ms, word.end_ms) for word in ours.words] == [
            (word.text, word.start_ms, word.end_ms) for word in theirs.words
        ]


@pytest.mark.parametrize("clip", clips(), ids=lambda clip: clip.name)
def test_words_have_times_in_order_within_the_audio(engine: WhisperEngine, clip: Clip) -> None:
    hypothesis = engine.step([window(clip)])[0]

    times = [time for word in hypothesis.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert times[-1] <= len(clip.audio) * 1000 // SAMPLE_RATE_HZ
    assert " ".join(word.text for word in hypothesis.words) == hypothesis.text
    assert all(0 < word.confidence <= 1 for word in hypothesis.words)


def test_words_after_silence_are_later(engine: WhisperEngine) -> None:
    clip = clips()[1]
    delayed = np.concatenate([np.zeros(SAMPLE_RATE_HZ, dtype=np.float32), clip.audio])

    before, after = heard(engine, clip.audio), heard(engine, delayed)

    assert [word.text for word in before.words] == [word.text for word in after.words]
    assert after.words[-2].start_ms - before.words[-2].start_ms == pytest.approx(1_000, abs=200)


def test_a_short_window_does_not_start_over(engine: WhisperEngine) -> None:
    """Without the borrowed silence the decoder reads a short window again and again."""
    clip = clips()[0]

    hypothesis = heard(engine, clip.audio)

    assert len(spoken_words(hypothesis.text)) <= len(clip.words) + 1


@pytest.mark.parametrize("num_ms", [20, 100, 300])
def test_a_scrap_of_audio_is_no_fault(engine: WhisperEngine, num_ms: int) -> None:
    scrap = clips()[1].audio[16_000 : 16_000 + 16 * num_ms]

    hypothesis = heard(engine, scrap)

    assert all(0 <= word.start_ms <= word.end_ms <= num_ms for word in hypothesis.words)


def test_a_window_of_twenty_nine_seconds_is_heard_to_its_end(engine: WhisperEngine) -> None:
    pause = np.zeros(SAMPLE_RATE_HZ // 2, dtype=np.float32)
    audio = np.concatenate([piece for _ in range(3) for clip in clips()[1:] for piece in (clip.audio, pause)])
    audio = audio[-29 * SAMPLE_RATE_HZ :]

    written = spoken_words(heard(engine, audio).text)

    assert written[-3:] == clips()[3].words[-3:]


def test_a_window_over_thirty_seconds_is_cut_there() -> None:
    assert len(padded(np.zeros(40 * SAMPLE_RATE_HZ, dtype=np.float32), PADDING_SAMPLES)) == MAX_WINDOW_SAMPLES


def test_stable_text_only_grows_and_leads_every_later_text(engine: WhisperEngine) -> None:
    clip = clips()[3]
    state = WhisperState()
    stable = ""
    for num_samples in range(12_800, len(clip.audio), 3_200):
        hypothesis = engine.step([Window(state, clip.audio[:num_samples], ("en",), is_final=False)])[0]
        assert hypothesis.text.startswith(stable)
        assert hypothesis.text.startswith(hypothesis.stable)
        assert len(hypothesis.stable) >= len(stable)
        stable = hypothesis.stable
    assert len(stable.split()) > 3


def revised(engine: WhisperEngine, clip: Clip) -> tuple[int, int]:
    """Words that were shown while `clip` grew by 200 ms at a time, and how many of them changed again."""
    state, shown, num_shown, num_revised = WhisperState(), list[str](), 0, 0
    for num_samples in range(9_600, len(clip.audio), 3_200):
        hypothesis = engine.step([Window(state, clip.audio[:num_samples], ("en",), is_final=False)])[0]
        words = spoken_words(hypothesis.text)
        num_revised += num_lost(shown, words)
        num_shown += num_lost(words, shown)
        shown = words
    return num_shown, num_revised


def test_partials_hide_words_that_were_heard_at_the_very_end(engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be half spoken; shown, they would change again."""
    num_shown, num_revised = revised(engine, clips()[2])
    monkeypatch.setattr(engine_module, "UNHEARD_FRAMES", -MAX_WINDOW_SAMPLES)
    num_shown_all, num_revised_of_all = revised(engine, clips()[2])

    assert num_revised / num_shown < num_revised_of_all / num_shown_all


def test_a_final_is_what_a_fresh_stream_would_hear(engine: WhisperEngine) -> None:
    clip = clips()[3]
    state = WhisperState()
    for num_samples in range(12_800, len(clip.audio), 6_400):
        engine.step([Window(state, clip.audio[:num_samples], ("en",), is_final=False)])

    final = engine.step([Window(state, clip.audio, ("en",), is_final=True)])[0]

    assert final.text == engine.step([window(clip)])[0].text
    assert (state.tokens, state.num_stable) == ((), 0)


def test_silence_holds_no_word(engine: WhisperEngine) -> None:
    silence = heard(engine, np.zeros(3 * SAMPLE_RATE_HZ))

    assert (silence.text, silence.words, silence.confidence) == ("", (), 0.0)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_less_precise_arithmetic_hears_nearly_the_same(engine: WhisperEngine, precision: Precision) -> None:
    other: WhisperEngine = registry.create("whisper-tiny.en", precision)  # type: ignore[assignment]  # what this name makes
    other.load()

    num_lost_words = sum(
        num_lost(spoken_words(heard(engine, clip.audio).text), spoken_words(heard(other, clip.audio).text)) for clip in clips()
    )

    assert num_lost_words <= 2
    assert (engine.info.precision, other.info.precision) == ("fp32", precision)


def test_in_8_bits_a_batch_hears_what_each_row_hears_alone() -> None:
    engine: WhisperEngine = registry.create("whisper-tiny.en", "int8")  # type: ignore[assignment]  # what this name makes
    engine.load()

    together = engine.step([Window(WhisperState(), clip.audio, ("en",), is_final=True) for clip in clips()])

    assert [each.text for each in together] == [heard(engine, clip.audio).text for clip in clips()]


def test_a_long_segment_is_settled_and_its_text_goes_on(engine: WhisperEngine) -> None:
    """Partials leave settled words to themselves; the words stay in the text, and the final hears everything again."""
    audio = np.concatenate([clip.audio for clip in clips()])[: 14 * SAMPLE_RATE_HZ]
    state, stable = WhisperState(), ""
    for num_samples in range(SAMPLE_RATE_HZ, len(audio), 8_000):
        partial = engine.step([Window(state, audio[:num_samples], ("en",), is_final=False)])[0]
        assert partial.text.startswith(partial.stable)
        assert partial.stable.startswith(stable)
        assert num_samples - state.num_settled_samples < 2 * MAX_PARTIAL_SAMPLES
        stable = partial.stable

    assert state.num_settled_samples > 4 * SAMPLE_RATE_HZ
    final = engine.step([Window(state, audio, ("en",), is_final=True)])[0]
    assert final.text == heard(engine, audio).text


def test_the_multilingual_model_hears_which_language_is_spoken() -> None:
    base: WhisperEngine = registry.create("whisper-base", "fp32")  # type: ignore[assignment]  # what this name makes
    base.load()
    chinese, english = clips("zh")[0], clips()[3]

    hypotheses = base.step([Window(WhisperState(), clip.audio, (), is_final=True) for clip in (chinese, english)])

    assert [hypothesis.language for hypothesis in hypotheses] == ["zh", "en"]
    assert spoken_words(hypotheses[0].text.translate(SIMPLIFIED)) == chinese.words
    assert_heard(hypotheses[1], english)
