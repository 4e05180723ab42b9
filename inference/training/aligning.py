"""Where the words of an utterance lie, as a model hears it: better than any guess, and good enough to cut between them."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from inference.audio import SAMPLE_RATE_HZ
from inference.decoding.alignment import align
from inference.decoding.spans import Span
from inference.decoding.tokens import Tokens
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.features import LogMel, LogMelOptions
from inference.training.characters import CHARACTERS, tokens_of
from inference.training.corpus import AudioShelf, Item, isolated_corpora
from inference.training.errors import CorpusError
from inference.training.timing import WINDOW_SAMPLES, TimedWord, Timings, trimmed_span

MIN_SURENESS: Final = -1.0
"""Mean natural log-probability of the letters; what is less sure is left out."""
SEARCH_S: Final = (0.24, 0.04)
"""A word ends where it is quietest between so much before and after the frame at which the next one is noticed."""
MIN_WORD_S: Final = 0.06
"""So much of each is left, also where it is quietest in the same place before and after it: an utterance whose word had no time
would be taught without that word."""


def word_times(network: ConformerCtc, items: Sequence[Item]) -> Timings:
    """Of the sentences among `items` those that the network hears well enough."""
    isolated, shelf, tokens = isolated_corpora(list(items)), AudioShelf(), Tokens(CHARACTERS)
    log_mel = LogMel(LogMelOptions(num_mels=network.config.num_mels))
    timings: Timings = {}
    for item in items:
        if item.corpus in isolated:
            continue
        audio = shelf.read(item.path)
        spans = _spans(network, log_mel, audio, item.text, tokens)
        if spans and np.mean([span.log_prob for span in spans]) > MIN_SURENESS:
            timings[item.id] = timed_words(audio, item.text.split(), spans, network.config.frame_ms / 1000)
    return timings


@torch.no_grad()
def _spans(network: ConformerCtc, log_mel: LogMel, audio: np.ndarray, text: str, tokens: Tokens) -> list[Span]:
    mel = log_mel(torch.from_numpy(audio)).T[None]
    log_probs, _ = network(mel, torch.tensor([mel.shape[1]]), network.config.default_right_frames)
    ids = tokens_of(text)
    try:
        spans = align(log_probs[0].numpy(), ids, tokens)
    except ValueError:  # spoken faster than the network writes
        return []
    return spans if len(spans) == len(ids) else []


def timed_words(audio: np.ndarray, words: list[str], spans: Sequence[Span], frame_s: float) -> tuple[TimedWord, ...]:
    """All words, each from the end of the one before.

    Args:
        audio: float32 (num_samples,) at 16 kHz.
        spans: of the tokens; a word's first one is its start mark. frame_s: between two of the network's frames.
    """
    firsts = np.cumsum([0, *(len(word) + 1 for word in words[:-1])])
    spoken = trimmed_span(audio)
    starts = [spoken.start / SAMPLE_RATE_HZ]
    for first in firsts[1:]:
        starts.append(_quietest_s(audio, spans[first].first_frame * frame_s, starts[-1] + MIN_WORD_S))
    ends = [*starts[1:], max(spoken.stop / SAMPLE_RATE_HZ, starts[-1] + MIN_WORD_S)]
    return tuple(TimedWord(word, start, end) for word, start, end in zip(words, starts, ends, strict=True))


def _quietest_s(audio: np.ndarray, noticed_s: float, earliest_s: float) -> float:
    """Around `noticed_s`, and not before `earliest_s`."""
    before, after = SEARCH_S
    first, last = max(math.ceil(earliest_s * 100), int((noticed_s - before) * 100)), int((noticed_s + after) * 100) + 1
    part = audio[first * WINDOW_SAMPLES : last * WINDOW_SAMPLES]
    windows = part[: len(part) // WINDOW_SAMPLES * WINDOW_SAMPLES].reshape(-1, WINDOW_SAMPLES)
    return (first + int((windows**2).mean(axis=1).argmin()) + 0.5) / 100 if len(windows) else max(noticed_s, earliest_s)


def save_timings(timings: Timings, path: Path) -> None:
    """One utterance a line."""
    lines = (
        json.dumps({"id": key, "words": [[word.text, round(word.start_s, 3), round(word.end_s, 3)] for word in words]})
        for key, words in timings.items()
    )
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_timings(paths: Iterable[Path]) -> Timings:
    """Raises CorpusError: a file cannot be read, or is none that `align` wrote."""
    timings: Timings = {}
    for path in paths:
        try:
            for line in path.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                timings[record["id"]] = tuple(_word(*entry) for entry in record["words"])
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise CorpusError(f"{path} cannot be read as times of words: {err}. Make it with `align`.") from err
    return timings


def _word(text: str, start_s: float, end_s: float) -> TimedWord:
    return TimedWord(str(text), float(start_s), float(end_s))
