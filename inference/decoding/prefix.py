"""Search through all texts that the tokens can write, for hotwords without a language model, and for language models that do not
know every word. Slower than the search through the words of a lexicon, and open.

Source: A. Graves and N. Jaitly, Towards End-to-End Speech Recognition with Recurrent Neural Networks, 2014, algorithm 1.
"""

import math
from collections.abc import Sequence
from functools import reduce
from typing import Final

import numpy as np

from inference.decoding.alignment import align
from inference.decoding.decoded import NOTHING, Decoded
from inference.decoding.hearing import Heard
from inference.decoding.rescoring import Rescorer
from inference.decoding.spans import confidence, words_of
from inference.decoding.token_scores import Context, TokenScores

BEAM_SIZE: Final = 16
MAX_TOKENS: Final = 8
"""The likeliest tokens of a frame that are looked at."""
TOKEN_THRESHOLD: Final = 8.0
"""Tokens that are so much less likely than the frame's best one are not, natural logarithm."""
THRESHOLD: Final = 20.0
"""Texts that are so much less likely than the best one are dropped."""
SETTLED_MS: Final = 1_000
"""Texts that disagree with the best one about what it wrote so long ago are dropped: it has become stable."""
NEVER: Final = -math.inf
HALF: Final = math.log(0.5)


class Prefix:
    """A beginning of texts: all tokens on the way from the root. bonus: what they add to its score. frame: when its last token
    was heard; what was faintly heard before does not count."""

    __slots__ = ("after", "bonus", "context", "depth", "frame", "parent", "token")

    def __init__(self, parent: "Prefix | None", token: int, context: Context, bonus: float, frame: int) -> None:
        self.parent: Final = parent
        self.token: Final = token
        self.context: Final = context
        self.bonus: Final = bonus
        self.frame = frame
        self.depth: Final[int] = 0 if parent is None else parent.depth + 1
        self.after: Final[dict[int, Prefix]] = {}

    def then(self, token: int, scores: TokenScores, frame: int) -> "Prefix":
        if token not in self.after:
            context, gain = scores.advance(self.context, token)
            self.after[token] = Prefix(self, token, context, self.bonus + gain, frame)
        return self.after[token]

    def up_to(self, frame: int) -> "Prefix":
        """What of it was heard before `frame`."""
        prefix = self
        while prefix.parent is not None and prefix.frame >= frame:
            prefix = prefix.parent
        return prefix

    def goes_on_from(self, other: "Prefix") -> bool:
        prefix = self
        while prefix.depth > other.depth and prefix.parent is not None:
            prefix = prefix.parent
        return prefix is other

    def ids(self) -> list[int]:
        found, prefix = [], self
        while prefix.parent is not None:
            found.append(prefix.token)
            prefix = prefix.parent
        return found[::-1]

    def shared_with(self, other: "Prefix") -> "Prefix":
        """What both begin with."""
        first, second = self, other
        while first is not second:
            if first.depth >= second.depth and first.parent is not None:
                first = first.parent
            elif second.parent is not None:
                second = second.parent
        return first


Beam = dict[Prefix, tuple[float, float]]
"""Natural logarithms of the probability of a prefix, over all ways to write it that end in a blank, and that do not."""


class PrefixDecoder:
    """A segment, heard frame by frame. One thread. rescorer: None: there is no second pass."""

    def __init__(self, scores: TokenScores, frame_ms: int, rescorer: Rescorer | None = None) -> None:
        self._scores = scores
        self._tokens = scores.speller.tokens
        self._frame_ms = frame_ms
        self._rescorer = rescorer
        self._heard = Heard(self._tokens)
        self._begin()

    def push(self, log_probs: np.ndarray) -> None:
        """log_probs: float32 (frames, len(tokens) + 1), natural logarithms, the blank last."""
        self._step(self._heard.take(log_probs))

    def partial(self) -> Decoded:
        """What was heard so far; its last word may go on."""
        ids = self._ranked(self._beam)[0].ids()
        shared = reduce(Prefix.shared_with, self._beam).ids()
        groups, num_complete = self._tokens.groups(shared), self._tokens.num_complete(shared)
        stable = self._tokens.text(shared[: groups[num_complete - 1].stop]) if num_complete else ""
        return Decoded(self._tokens.text(ids), stable, 0.0)

    def finish(self, num_frames: int | None = None) -> Decoded:
        """The segment is over, and only its first `num_frames` count."""
        if self._heard.is_longer_than(num_frames):
            self._heard = self._heard.up_to(num_frames)
            self._begin()
            self._step(self._heard.worth_hearing())
        if not self._heard.num_frames:
            return NOTHING
        heard, ids = self._heard.log_probs(), self._best()
        spans = align(heard, ids, self._tokens)
        text = self._tokens.text(ids)
        return Decoded(text, text, confidence(spans), words_of(spans, self._tokens, self._frame_ms))

    def _best(self) -> Sequence[int]:
        """The tokens of the likeliest text."""
        whole = sorted(self._beam, key=lambda prefix: self._score(prefix) + self._scores.end(prefix.context), reverse=True)
        found = {self._tokens.text(ids): ids for ids in (prefix.ids() for prefix in reversed(whole))}
        first = self._tokens.text(whole[0].ids())
        if self._rescorer is None or self._heard.likeliest_text() == first:
            return found[first]
        best = self._rescorer.best(self._heard.worth_hearing(), [first, *reversed(found)], self._scores.phrases, found)
        return found[best] if best in found else self._scores.speller.phrase(best.split()) or ()

    def _begin(self) -> None:
        self._num_frames = 0
        self._beam: Beam = {Prefix(None, self._tokens.blank, self._scores.start(), 0.0, 0): (0.0, NEVER)}

    def _score(self, prefix: Prefix) -> float:
        return _sum(*self._beam[prefix]) + prefix.bonus

    def _step(self, log_probs: np.ndarray) -> None:
        likely = log_probs >= log_probs.max(axis=1, keepdims=True, initial=NEVER) - TOKEN_THRESHOLD
        for frame, are_likely in zip(log_probs, likely, strict=True):
            tokens = np.flatnonzero(are_likely[:-1])
            if len(tokens) > MAX_TOKENS:
                tokens = np.argpartition(frame[:-1], -MAX_TOKENS)[-MAX_TOKENS:]
            self._hear(dict(zip(tokens.tolist(), frame[tokens].tolist(), strict=True)), float(frame[-1]))

    def _hear(self, tokens: dict[int, float], blank: float) -> None:
        """One frame. tokens: log probabilities of those that are likely."""
        after: Beam = {}
        longer_now: dict[Prefix, float] = {}
        for prefix, (with_blank, without) in self._beam.items():
            either = _sum(with_blank, without)
            _add(after, prefix, either + blank, without + tokens.get(prefix.token, NEVER))
            for token, log_prob in tokens.items():
                before = with_blank if token == prefix.token else either
                if before > NEVER:
                    longer = prefix.then(token, self._scores, self._num_frames)
                    longer_now[longer] = before + log_prob
                    _add(after, longer, NEVER, before + log_prob)
        best = self._ranked(after)
        for prefix in best:  # most of what it is came now
            if longer_now.get(prefix, NEVER) > _sum(*after[prefix]) + HALF:
                prefix.frame = self._num_frames
        self._num_frames += 1
        least = _sum(*after[best[0]]) + best[0].bonus - THRESHOLD
        settled = best[0].up_to(self._num_frames - SETTLED_MS // self._frame_ms)
        self._beam = {
            prefix: after[prefix]
            for prefix in best
            if _sum(*after[prefix]) + prefix.bonus >= least and prefix.goes_on_from(settled)
        }

    def _ranked(self, beam: Beam) -> Sequence[Prefix]:
        """The best of it, the very best one first."""
        return sorted(beam, key=lambda prefix: _sum(*beam[prefix]) + prefix.bonus, reverse=True)[:BEAM_SIZE]


def _add(beam: Beam, prefix: Prefix, with_blank: float, without: float) -> None:
    before = beam.get(prefix)
    if before is not None:
        with_blank, without = _sum(before[0], with_blank), _sum(before[1], without)
    beam[prefix] = with_blank, without


def _sum(first: float, second: float) -> float:
    """Of two probabilities, as logarithms."""
    if second > first:
        first, second = second, first
    return first if second == NEVER else first + math.log1p(math.exp(second - first))
