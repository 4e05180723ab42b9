"""Log probabilities that are made by hand."""

import numpy as np

from inference.decoding.decoder import LiveDecoder
from inference.decoding.tokens import Tokens

LETTERS = Tokens(["\u2581", *"abcdefghijklmnopqrstuvwxyz"])


def spoken(tokens: Tokens, row: str, prob: float = 0.9) -> np.ndarray:
    """One frame for each letter of `row`, sure of it by `prob`; `_` is the blank, a space the space."""
    return frames(tokens, [{letter: prob} for letter in row])


def frames(tokens: Tokens, rows: list[dict[str, float]]) -> np.ndarray:
    """float32 (len(rows), len(tokens) + 1): natural logarithms. What a row does not give is shared by all others."""
    log_probs = np.empty((len(rows), len(tokens) + 1), dtype=np.float32)
    for place, row in enumerate(rows):
        log_probs[place] = np.log(max(1e-9, 1 - sum(row.values())) / (len(tokens) + 1 - len(row)))
        for letter, prob in row.items():
            log_probs[place, _token(tokens, letter)] = np.log(prob)
    return log_probs


def noisy(seed: int, tokens: Tokens = LETTERS, spread: float = 3.0) -> np.ndarray:
    """Something like speech that could be anything: 60 frames."""
    scores = np.random.default_rng(seed).normal(0, spread, (60, len(tokens) + 1)).astype(np.float32)
    log_probs: np.ndarray = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return log_probs


def num_stable_words(decoder: LiveDecoder, log_probs: np.ndarray) -> int:
    """How many words were stable in the end; what was once stable must stay."""
    stable = ""
    for frame in log_probs:
        decoder.push(frame[None])
        now = decoder.partial()
        assert now.text.startswith(now.stable)
        assert now.stable.startswith(stable)
        stable = now.stable
    assert decoder.finish().text.startswith(stable)
    return len(stable.split())


def _token(tokens: Tokens, letter: str) -> int:
    return tokens.blank if letter == "_" else tokens.by_piece[letter.replace(" ", "\u2581")]
