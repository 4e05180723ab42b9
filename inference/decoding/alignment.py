"""When each token of a text was said: the likeliest way through the frames that writes exactly this text.

Source: A. Graves et al., Connectionist Temporal Classification, 2006, section 4.1, with the maximum in place of the sum.
"""

from collections.abc import Sequence

import numpy as np

from inference.decoding.spans import Span
from inference.decoding.tokens import Tokens

NEVER = -np.inf


def align(log_probs: np.ndarray, ids: Sequence[int], tokens: Tokens) -> list[Span]:
    """The frames of each of `ids`; the same ids, without spaces of their own where there is no room for those.

    log_probs: float32 (frames, len(tokens) + 1), natural logarithms, the blank last.

    Raises:
        ValueError: so many tokens do not fit into so few frames.
    """
    if not ids:
        return []
    for kept in (list(ids), [token for token in ids if not tokens.is_space(token)]):
        if num_frames_needed(kept) <= len(log_probs):
            return _aligned(log_probs, kept, tokens)
    raise ValueError(f"{len(ids)} tokens do not fit into {len(log_probs)} frames.")


def num_frames_needed(ids: Sequence[int]) -> int:
    """One for each token, and one for the blank between two that are the same."""
    return len(ids) + sum(first == second for first, second in zip(ids, ids[1:], strict=False))


def _aligned(log_probs: np.ndarray, ids: list[int], tokens: Tokens) -> list[Span]:
    said = _with_spaces_left_out(emitted(log_probs, ids, tokens.blank), log_probs, ids, tokens)
    path = _likeliest(said, may_skip(ids))
    states = np.arange(1, 2 * len(ids), 2)
    first, end = np.searchsorted(path, states), np.searchsorted(path, states, side="right")  # states never go back
    of_tokens = np.where(path % 2, log_probs[np.arange(len(path)), np.asarray(ids)[np.minimum(path // 2, len(ids) - 1)]], NEVER)
    surest = np.maximum.reduceat(of_tokens, first)
    return [Span(*span) for span in zip(ids, first.tolist(), end.tolist(), surest.tolist(), strict=True)]


def emitted(log_probs: np.ndarray, ids: Sequence[int], blank: int) -> np.ndarray:
    """float32 (frames, states): a blank before, between and after the tokens."""
    states = np.full(2 * len(ids) + 1, blank)
    states[1::2] = ids
    said: np.ndarray = log_probs[:, states]
    return said


def _with_spaces_left_out(said: np.ndarray, log_probs: np.ndarray, ids: Sequence[int], tokens: Tokens) -> np.ndarray:
    """A space may be a blank as well: here only times matter."""
    spaces = [2 * place + 1 for place, token in enumerate(ids) if tokens.is_space(token)]
    said[:, spaces] = np.maximum(said[:, spaces], log_probs[:, [tokens.blank]])
    return said


def may_skip(ids: Sequence[int]) -> np.ndarray:
    """bool (states,): whether a state may follow the one two before it. Between two that are the same a blank must be heard."""
    may = np.zeros(2 * len(ids) + 1, dtype=bool)
    may[3::2] = [first != second for first, second in zip(ids, ids[1:], strict=False)]
    return may


def _likeliest(said: np.ndarray, skips: np.ndarray) -> np.ndarray:
    """int (frames,): the state of each frame on the likeliest way from the first two to the last two."""
    num_frames, num_states = said.shape
    scores = _scores(said, skips)
    state = num_states - 1 if num_states == 1 or scores[-1, -1] >= scores[-1, -2] else num_states - 2
    path = np.full(num_frames, state)
    for frame in range(num_frames - 2, -1, -1):
        jumped, moved, stayed = scores[frame, state : state + 3].tolist()
        if not skips[state]:
            jumped = NEVER
        if max(moved, jumped) > stayed:
            state -= 2 if jumped > moved else 1
        path[frame] = state
    return path


def _scores(said: np.ndarray, skips: np.ndarray) -> np.ndarray:
    """float32 (frames, 2 + states): of the likeliest way to each state; two that never are lie before the first."""
    scores = np.full((len(said), 2 + len(skips)), NEVER, dtype=np.float32)
    scores[0, 2:4] = said[0, :2]
    barred = np.where(skips, 0.0, NEVER).astype(np.float32)
    jumped = np.empty(len(skips), dtype=np.float32)
    for before, now, frame in zip(scores[:-1], scores[1:, 2:], said[1:], strict=True):
        np.maximum(before[2:], before[1:-1], out=now)
        np.maximum(now, np.add(before[:-2], barred, out=jumped), out=now)
        now += frame
    return scores
