"""When each token was spoken, read from where the decoder looked while it wrote. Pure numpy.

Source: openai/whisper `whisper/timing.py` (attention of the alignment heads, normalised, smoothed, then the cheapest
monotonic path), MIT. Here every token takes at least one frame, so a column of the path is one vector operation.
"""

import numpy as np

SMOOTHING_FRAMES = 7


def normalise(attention: np.ndarray) -> np.ndarray:
    """Mean over heads of the standardised, smoothed attention.

    Args:
        attention: float32 (heads, tokens, frames), rows sum to 1.

    Returns:
        float32 (tokens, frames); high where a token was heard.
    """
    centred = attention - attention.mean(axis=1, keepdims=True)
    scaled = centred / (attention.std(axis=1, keepdims=True) + 1e-6)
    return np.asarray(_smooth(scaled).mean(axis=0))


def _smooth(attention: np.ndarray) -> np.ndarray:
    """Median over SMOOTHING_FRAMES neighbouring frames."""
    half = SMOOTHING_FRAMES // 2
    if attention.shape[-1] <= half:
        return attention
    padded = np.pad(attention, ((0, 0), (0, 0), (half, half)), mode="reflect")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTHING_FRAMES, axis=-1), axis=-1))


def monotonic_path(scores: np.ndarray) -> np.ndarray:
    """First frame of every token on the best path that gives the tokens successive runs of frames.

    Args:
        scores: (tokens, frames) with tokens <= frames.

    Returns:
        int (tokens + 1,): token i takes the frames [result[i], result[i + 1]); the last entry is the number of frames.
    """
    num_tokens, num_frames = scores.shape
    best = np.full(num_tokens + 1, -np.inf)
    best[0] = 0.0
    moved = np.zeros((num_frames, num_tokens), dtype=bool)
    for frame in range(num_frames):
        moved[frame] = best[:-1] >= best[1:]
        best[1:] = np.maximum(best[:-1], best[1:]) + scores[:, frame]
        best[0] = -np.inf
    return _trace_back(moved)


def _trace_back(moved: np.ndarray) -> np.ndarray:
    num_frames, num_tokens = moved.shape
    starts = np.full(num_tokens + 1, num_frames)
    token = num_tokens - 1
    for frame in range(num_frames - 1, -1, -1):
        if moved[frame, token]:
            starts[token] = frame
            token -= 1
            if token < 0:
                break
    return starts
