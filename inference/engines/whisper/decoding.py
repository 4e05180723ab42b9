"""Writes the text of a batch of windows: greedy, all rows stepped together, finished rows dropped.

A window may bring a `prefix` that must stand (text already shown as stable) and a `draft` (what the last step wrote
after it). Both are read in one pass; the draft is kept as far as the model would have written the same, so the result is
exactly that of decoding without a draft, at the price of the words that changed.

Source of the idea of a draft: Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from inference.engines.whisper.guards import repeated_tail, restarted_tail, rewound_tail
from inference.engines.whisper.network import MAX_FRAMES, MAX_TOKENS, AudioMemory, TextMemory, WhisperNetwork
from inference.engines.whisper.vocabulary import Vocabulary


class Chooser(Protocol):
    """Picks the next token of a row where that is not simply the likeliest."""

    def choose(self, logits: Tensor, written: Sequence[int]) -> int:
        """Of one place, given the row's text so far. logits: float32 (tokens,), -inf what is forbidden; not to be changed."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to write for one window. Tokens only; `max_tokens` counts the text, prefix and draft included.

    prefix_log_probs: what was found for the prefix when it was written. num_audio_frames: frames of the window before its
    padding begins.
    """

    prompt: tuple[int, ...]
    prefix: tuple[int, ...]
    draft: tuple[int, ...]
    max_tokens: int
    chooser: Chooser | None = None
    prefix_log_probs: tuple[float, ...] = ()
    num_audio_frames: int = MAX_FRAMES

    def choice(self, likeliest: int, logits: Tensor, written: Sequence[int]) -> int:
        return likeliest if self.chooser is None else self.chooser.choose(logits, written)


@dataclass(slots=True)
class Row:
    """One window while it is written.

    attention: per token float32 (alignment heads, frames). places: per token the frame it was heard at.
    """

    task: Task
    num_frames: int
    tokens: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    attention: list[np.ndarray] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    no_speech: float = 0.0
    is_done: bool = False
    is_cut: bool = False

    @property
    def position(self) -> int:
        """Where the next token to be read stands in the decoder's memory."""
        return len(self.task.prompt) + len(self.tokens) - 1

    def shorten(self, num_tokens: int) -> None:
        """Keep the first `num_tokens` of the text only."""
        for kept in (self.tokens, self.log_probs, self.attention, self.places):
            del kept[num_tokens:]


@dataclass(frozen=True, slots=True)
class Scores:
    """Of n places: logits (n, tokens), float32, forbidden tokens at -inf; the likeliest token; the log of the sum of exp."""

    logits: Tensor
    likeliest: list[int]
    norms: list[float]

    def log_prob(self, place: int, token: int) -> float:
        return float(self.logits[place, token]) - self.norms[place]


class Writer:
    """Decodes batches with one network. Not thread-safe: belongs to the thread that owns the network."""

    def __init__(self, network: WhisperNetwork, vocabulary: Vocabulary) -> None:
        self.decoder = network.decoder
        self.vocabulary = vocabulary
        self.heads = vocabulary.alignment_heads
        self.forbidden = vocabulary.forbidden(network.dims.num_tokens).nonzero()[:, 0]
        self.forbidden_first = vocabulary.forbidden_first(network.dims.num_tokens).nonzero()[:, 0]

    def language_probs(self, audio: AudioMemory) -> np.ndarray:
        """Probability of each language of the vocabulary, in its order: float32 (batch, languages)."""
        batch_size = len(audio.bias)
        start = torch.full((batch_size, 1), self.vocabulary.start)
        text = self.decoder.blank(batch_size, max_tokens=1)
        states, _attention = self.decoder(start, torch.zeros(batch_size, dtype=torch.long), audio, text)
        logits = self.decoder.logits(states[:, 0])[:, list(self.vocabulary.languages.values())]
        return np.asarray(logits.softmax(dim=-1).numpy())

    def write(self, audio: AudioMemory, num_frames: Sequence[int], tasks: Sequence[Task]) -> list[Row]:
        """Text of every window.

        Args:
            num_frames: how many frames of each row are its own; attention is reported for these.
        """
        rows = [Row(task, length) for task, length in zip(tasks, num_frames, strict=True)]
        max_tokens = max(len(task.prompt) + max(task.max_tokens, len(task.prefix) + len(task.draft)) for task in tasks)
        text = self.decoder.blank(len(rows), min(MAX_TOKENS, max_tokens + 1))
        self._read_known(rows, audio, text)
        active = rows
        while True:
            alive = [index for index, row in enumerate(active) if not row.is_done]
            if not alive:
                return rows
            if len(alive) < len(active):
                active = [active[index] for index in alive]
                kept = torch.tensor(alive)
                audio, text = audio.keep(kept), text.keep(kept)
            self._step(active, audio, text)

    def _read_known(self, rows: list[Row], audio: AudioMemory, text: TextMemory) -> None:
        """One pass over prompt, prefix and draft; leaves each row with its prefix, the accepted draft and one token more."""
        known = [(*row.task.prompt, *row.task.prefix, *row.task.draft) for row in rows]
        width = max(map(len, known))
        tokens = torch.tensor([list(line) + [self.vocabulary.end] * (width - len(line)) for line in known])
        states, attention = self.decoder(tokens, torch.zeros(len(rows), dtype=torch.long), audio, text)
        aligned = self._alignment(attention)
        scores = self._scores_of_known(rows, states, [len(line) for line in known])
        place = 0
        for index, row in enumerate(rows):
            first = len(row.task.prompt) - 1
            num_open = len(row.task.draft) + 1
            self._accept(row, scores, place, aligned[index, :, first : len(known[index])])
            place += num_open

    def _scores_of_known(self, rows: list[Row], states: Tensor, lengths: list[int]) -> Scores:
        """Scores behind the prefix and behind each token of the draft, row after row; notes each row's no-speech probability.

        One product for all rows: reading the vocabulary's matrix costs more than multiplying by it.
        """
        starts = [len(row.task.prompt) - 1 + len(row.task.prefix) for row in rows]
        open_states = [states[index, first:last] for index, (first, last) in enumerate(zip(starts, lengths, strict=True))]
        logits = self.decoder.logits(torch.cat([states[:, 0], *open_states]))
        no_speech = logits[: len(rows)].softmax(dim=-1)[:, self.vocabulary.no_speech].tolist()
        for row, prob in zip(rows, no_speech, strict=True):
            row.no_speech = prob
        num_open = [len(row.task.draft) + 1 for row in rows]
        begins = [sum(num_open[:index]) for index, row in enumerate(rows) if not row.task.prefix]
        return self._scores(logits[len(rows) :], begins)

    def _accept(self, row: Row, scores: Scores, first: int, attention: np.ndarray) -> None:
        """Take the prefix as it is, the draft while the model agrees, then the model's own next token.

        Args:
            first: where the row's scores begin. attention: (heads, known text tokens + 1, frames).
        """
        num_prefix = len(row.task.prefix)
        for place, (token, log_prob) in enumerate(zip(row.task.prefix, row.task.prefix_log_probs, strict=True)):
            self._append(row, token, log_prob, attention[:, place])
            if row.is_done:
                return
        for place in range(len(row.task.draft) + 1):
            token = row.task.choice(scores.likeliest[first + place], scores.logits[first + place], row.tokens)
            self._append(row, token, scores.log_prob(first + place, token), attention[:, num_prefix + place])
            if row.is_done or (place < len(row.task.draft) and token != row.task.draft[place]):
                return

    def _step(self, rows: list[Row], audio: AudioMemory, text: TextMemory) -> None:
        """Write one more token in every row."""
        tokens = torch.tensor([[row.tokens[-1]] for row in rows])
        states, attention = self.decoder(tokens, torch.tensor([row.position for row in rows]), audio, text)
        scores = self._scores(self.decoder.logits(states[:, 0]), begins=[])
        aligned = self._alignment(attention)
        for index, row in enumerate(rows):
            token = row.task.choice(scores.likeliest[index], scores.logits[index], row.tokens)
            self._append(row, token, scores.log_prob(index, token), aligned[index, :, 0])

    def _append(self, row: Row, token: int, log_prob: float, attention: np.ndarray) -> None:
        row.log_probs.append(log_prob)
        if token == self.vocabulary.end:
            row.is_done = True
            return
        row.tokens.append(token)
        row.attention.append(attention[:, : row.num_frames])
        row.places.append(int(attention.mean(axis=0).argmax()))
        rewound = rewound_tail(row.places, row.task.num_audio_frames)
        surplus = max(repeated_tail(row.tokens), restarted_tail(row.tokens, row.places), rewound)
        if surplus:
            row.shorten(len(row.tokens) - surplus)
        row.is_cut = bool(surplus) or len(row.tokens) >= row.task.max_tokens
        row.is_done = row.is_cut

    def _scores(self, logits: Tensor, begins: list[int]) -> Scores:
        """What may be written, from (n, tokens) logits, which are changed. `begins`: rows that start a text."""
        logits.index_fill_(1, self.forbidden, -torch.inf)
        for index in begins:
            logits[index].index_fill_(0, self.forbidden_first, -torch.inf)
        highest = logits.max(dim=-1)
        norms = (logits - highest.values[:, None]).exp_().sum(dim=-1).log_() + highest.values
        return Scores(logits, highest.indices.tolist(), norms.tolist())

    def _alignment(self, attention: list[Tensor]) -> np.ndarray:
        """Attention of the alignment heads: (batch, alignment heads, length, frames)."""
        return torch.stack([attention[layer][:, head] for layer, head in self.heads], dim=1).numpy()
