"""Log probabilities that are made by hand."""

import numpy as np

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


def _token(tokens: Tokens, letter: str) -> int:
    return tokens.blank if letter == "_" else tokens.by_piece[letter.replace(" ", "\u2581")]
