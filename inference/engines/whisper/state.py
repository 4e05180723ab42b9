"""What the Whisper engine remembers of a stream, and which part of a long segment its partials still listen to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from inference.audio import SAMPLE_RATE_HZ
from inference.engines.base import Window, Word
from inference.engines.whisper.hotwords import Hotwords
from inference.engines.whisper.vocabulary import WordTokens

MAX_PARTIAL_SAMPLES = 6 * SAMPLE_RATE_HZ
"""Beyond this length a partial's window loses stable words at its beginning, down to KEPT_PARTIAL_SAMPLES."""
KEPT_PARTIAL_SAMPLES = 3 * SAMPLE_RATE_HZ
NUM_KEPT_WORDS = 2


@dataclass(slots=True)
class WhisperState:
    """Of one stream: its language, and of the segment being spoken the tokens written last and how many are stable.

    hotwords: those of `wanted_words`, ready for use. settled: stable tokens that partials do not listen to any more; the
    others begin `num_settled_samples` into the segment.
    """

    language: str = ""
    wanted_words: tuple[str, ...] = ()
    hotwords: Hotwords | None = None
    segment_language: str = ""
    tokens: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    num_stable: int = 0
    settled: tuple[int, ...] = ()
    num_settled_samples: int = 0

    def forget_segment(self) -> None:
        self.segment_language = ""
        self.tokens = ()
        self.log_probs = ()
        self.num_stable = 0
        self.settled = ()
        self.num_settled_samples = 0


def unsettled(window: Window[WhisperState]) -> Window[WhisperState]:
    """A partial listens only to what is not settled; a final to everything, with all that was written as its draft."""
    state = window.state
    if window.is_final:
        state.tokens = (*state.settled, *state.tokens)
        state.settled, state.num_settled_samples = (), 0
        return window
    return replace(window, audio=window.audio[state.num_settled_samples :])


def settle(state: WhisperState, groups: Sequence[WordTokens], words: Sequence[Word], num_samples: int) -> None:
    """Settle stable words when a partial's window grows long, so that a partial costs the same however long a segment gets.

    The last stable words stay in the window: they tell the decoder where it is.
    """
    if num_samples < MAX_PARTIAL_SAMPLES:
        return
    stable = [place for place, group in enumerate(groups) if group.last <= state.num_stable]
    limit_ms = (num_samples - KEPT_PARTIAL_SAMPLES) * 1000 // SAMPLE_RATE_HZ
    candidates = [place for place in stable[:-NUM_KEPT_WORDS] if words[place].end_ms <= limit_ms]
    if not candidates:
        return
    cut, cut_ms = groups[candidates[-1]].last, words[candidates[-1]].end_ms
    state.settled += state.tokens[:cut]
    state.tokens, state.log_probs, state.num_stable = state.tokens[cut:], state.log_probs[cut:], state.num_stable - cut
    state.num_settled_samples += cut_ms * SAMPLE_RATE_HZ // 1000
