"""Signs that a text was not heard but made up: pure judgements over tokens, places and words, with no tensors.

`Writer` asks the first three after every token and cuts what they find; the engine asks the rest of a finished final.
"""

import zlib
from collections.abc import Sequence

import numpy as np

MAX_LOOP_TOKENS = 12
MAX_REPEATS = 3
RESTART_TOKENS = 4
SAME_PLACE_FRAMES = 25
REWIND_TOKENS = 3
REWIND_FRAMES = 50
"""One second. In read speech no three tokens in a row were heard that long before what stands ahead of them."""
MIN_TOKENS_AHEAD = 2
MAX_COMPRESSION = 2.4
"""Text that shrinks more than this repeats itself. Source: openai/whisper `whisper/transcribe.py`, MIT."""
MAX_WORDS_PER_S = 8
MAX_CHARACTERS_PER_S = 14
"""Japanese has up to ten morae a second, most of them written with one character."""
MIN_WORDS = 2
"""So many are never too many, however short the audio."""


def restarted_tail(tokens: Sequence[int], places: Sequence[int]) -> int:
    """RESTART_TOKENS if the last tokens stand earlier too and were heard at the same place; else 0.

    A decoder that starts the sentence over reads the same audio again; a speaker who repeats himself is heard later.
    """
    num_tokens = len(tokens)
    tail = tuple(tokens[-RESTART_TOKENS:])
    for first in range(num_tokens - 2 * RESTART_TOKENS + 1):
        if tuple(tokens[first : first + RESTART_TOKENS]) == tail:
            offsets = np.subtract(places[-RESTART_TOKENS:], places[first : first + RESTART_TOKENS])
            if np.median(np.abs(offsets)) <= SAME_PLACE_FRAMES:
                return RESTART_TOKENS
    return 0


def rewound_tail(places: Sequence[int], num_audio_frames: int) -> int:
    """REWIND_TOKENS if the last tokens were heard where others were heard before them; else 0.

    The decoder has gone back and writes the same audio again in other words. Two tokens must have been heard ahead: a
    single one looks astray now and then. Places beyond the audio (`num_audio_frames`), in the silence that follows it, are
    those of punctuation and do not count as a way ahead.
    """
    ahead = sorted(place for place in places[:-REWIND_TOKENS] if place < num_audio_frames)
    if len(ahead) < MIN_TOKENS_AHEAD:
        return 0
    return REWIND_TOKENS if max(places[-REWIND_TOKENS:]) <= ahead[-MIN_TOKENS_AHEAD] - REWIND_FRAMES else 0


def repeated_tail(tokens: Sequence[int]) -> int:
    """How many tokens at the end only repeat what stands before them more than MAX_REPEATS times; 0 if none."""
    for length in range(1, MAX_LOOP_TOKENS + 1):
        span = length * (MAX_REPEATS + 1)
        if len(tokens) < span:
            break
        tail = list(tokens[-length:])
        if all(list(tokens[-span + i * length : len(tokens) - span + (i + 1) * length]) == tail for i in range(MAX_REPEATS)):
            return length * MAX_REPEATS
    return 0


def compression(text: str) -> float:
    """How many times shorter `text` becomes when repetitions are taken out; below 1 for short text."""
    plain = text.encode()
    return len(plain) / len(zlib.compress(plain)) if plain else 0.0


def max_words(speech_s: float, *, by_character: bool = False) -> int:
    """How many words fit into so much speech. `by_character`: of a language whose words are its characters."""
    return max(MIN_WORDS, int((MAX_CHARACTERS_PER_S if by_character else MAX_WORDS_PER_S) * speech_s))


def is_made_up(text: str, num_words: int, most_words: int) -> bool:
    """Whether a finished text cannot be what was said: repetitive, or longer than `max_words` of its audio."""
    return compression(text) > MAX_COMPRESSION or num_words > most_words


def was_heard(places: Sequence[int], num_frames: int) -> bool:
    """Whether any token was heard in the audio, not at its first frame or beyond its end, where the decoder rests."""
    return any(0 < place < num_frames for place in places)
