"""Whether a model that was just loaded hears what it must: one recording, its words compared, its computing timed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from inference.audio import SAMPLE_RATE_HZ, decode_pcm
from inference.engines.base import Engine, Window, recognise
from inference.errors import CanaryError
from inference.messages import Canary
from inference.wording import word_error_rate, words

MAX_S: Final = 30
SAMPLE_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class Hearing:
    """What came of it. wer: share of words that are wrong. rtf: seconds of computing for a second of audio."""

    text: str
    wer: float
    rtf: float


def check(canary: Canary) -> None:
    """Raises:
    CanaryError: it is no recording that can be used.
    """
    num_samples, rest = divmod(len(canary.payload), SAMPLE_BYTES)
    if rest or not 0 < num_samples <= MAX_S * SAMPLE_RATE_HZ or not words(canary.text):
        raise CanaryError(
            f"The canary has {len(canary.payload)} bytes of audio and {len(words(canary.text))} words; expected 16-bit samples "
            f"at 16 kHz, at most {MAX_S} s of them, and what is said in them."
        )


def hear(engine: Engine[Any], canary: Canary, clock: Callable[[], float] = time.thread_time) -> Hearing:
    """Let `engine` hear the canary, and once more if it was slow: the first time pays for what was never used before.

    Args:
        clock: seconds of computing.

    Raises:
        CanaryError: the words are not right, or it took too long; or the engine does not know the language.
    """
    if not engine.info.can_serve((canary.language,)):
        raise CanaryError(f"The canary is in {canary.language}, which {engine.info.name} does not know.")
    heard = _hear(engine, canary, clock)
    if 0 < canary.max_rtf < heard.rtf:
        heard = _hear(engine, canary, clock)
    _judge(engine.info.name, heard, canary)
    return heard


def _hear(engine: Engine[Any], canary: Canary, clock: Callable[[], float]) -> Hearing:
    audio = decode_pcm(canary.payload, "pcm_s16le", 1)
    state = engine.open_stream()
    started_s = clock()
    (hypothesis,) = recognise(engine, [Window(state, audio, (canary.language,), is_final=True)])
    took_s = clock() - started_s
    engine.finish(state)
    return Hearing(hypothesis.text, word_error_rate(canary.text, hypothesis.text), took_s * SAMPLE_RATE_HZ / len(audio))


def _judge(name: str, heard: Hearing, canary: Canary) -> None:
    if heard.wer > canary.max_wer:
        raise CanaryError(
            f"{name} wrote {heard.text!r} where {canary.text!r} is said: {heard.wer:.0%} of the words are wrong, and "
            f"{canary.max_wer:.0%} may be. Keep the model that runs, or see whether this one knows the language."
        )
    if 0 < canary.max_rtf < heard.rtf:
        raise CanaryError(
            f"{name} computed {heard.rtf:.2f} s for a second of audio, and {canary.max_rtf:.2f} s may be. Take a smaller model "
            "or another precision."
        )
