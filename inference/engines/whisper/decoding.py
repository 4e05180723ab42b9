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

from inference.engines.whisper.network import MAX_TOKENS, AudioMemory, TextMemory, WhisperNetwork
from inference.engines.whisper.vocabulary import Vocabulary

MAX_LOOP_TOKENS = 12
MAX_REPEATS = 3
RESTART_TOKENS = 4
SAME_PLACE_FRAMES = 25


class Chooser(Protocol):
    """Picks the next token of a row where that is not simply the likeliest."""

    def choose(self, log_probs: Tensor, written: Sequence[int]) -> int:
        """Of one place, given the row's text so far. log_probs: float32 (tokens,), not to be changed."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to write for one window. Tokens only; `max_tokens` counts the text, prefix and draft included."""

    prompt: tuple[int, ...]
    prefix: tuple[int, ...]
    draft: tuple[int, ...]
    max_tokens: int
    chooser: Chooser | None = None

    def choice(self, likeliest: int, log_probs: Tensor, written: Sequence[int]) -> int:
        return likeliest if self.chooser is None else self.chooser.choose(log_probs, written)


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


class Writer:
    """Decodes batches with one network. Not thread-safe: belongs to the thread that owns the network."""

    def __init__(self, network: WhisperNetwork, vocabulary: Vocabulary) -> None:
        self.decoder = network.decoder
        self.vocabulary = vocabulary
        self.heads = vocabulary.alignment_heads
        self.forbidden = vocabulary.forbidden(network.dims.num_tokens)
        self.forbidden_first = self.forbidden | vocabulary.forbidden_first(network.dims.num_tokens)

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
        no_speech = self.decoder.logits(states[:, 0]).softmax(dim=-1)[:, self.vocabulary.no_speech]
        for index, row in enumerate(rows):
            row.no_speech = float(no_speech[index])
            first = len(row.task.prompt) - 1
            log_probs = self._log_probs(states[index, first : len(known[index])], is_first=True)
            self._accept(row, log_probs, aligned[index, :, first : len(known[index])])

    def _accept(self, row: Row, log_probs: Tensor, attention: np.ndarray) -> None:
        """Take the prefix as it is, the draft while the model agrees, then the model's own next token.

        Args:
            log_probs: (known text tokens + 1, tokens). attention: (heads, known text tokens + 1, frames).
        """
        choices = log_probs.argmax(dim=-1).tolist()
        guesses = (*row.task.prefix, *row.task.draft)
        for place, likeliest in enumerate(choices):
            is_forced = place < len(row.task.prefix)
            token = guesses[place] if is_forced else row.task.choice(likeliest, log_probs[place], row.tokens)
            self._append(row, token, float(log_probs[place, token]), attention[:, place])
            if row.is_done or (place < len(guesses) and token != guesses[place]):
                return

    def _step(self, rows: list[Row], audio: AudioMemory, text: TextMemory) -> None:
        """Write one more token in every row."""
        tokens = torch.tensor([[row.tokens[-1]] for row in rows])
        states, attention = self.decoder(tokens, torch.tensor([row.position for row in rows]), audio, text)
        log_probs = self._log_probs(states[:, 0], is_first=False)
        chosen = log_probs.max(dim=-1)
        aligned = self._alignment(attention)
        for index, row in enumerate(rows):
            token = row.task.choice(int(chosen.indices[index]), log_probs[index], row.tokens)
            self._append(row, token, float(log_probs[index, token]), aligned[index, :, 0])

    def _append(self, row: Row, token: int, log_prob: float, attention: np.ndarray) -> None:
        row.log_probs.append(log_prob)
        if token == self.vocabulary.end:
            row.is_done = True
            return
        row.tokens.append(token)
        row.attention.append(attention[:, : row.num_frames])
        row.places.append(int(attention.mean(axis=0).argmax()))
        surplus = max(repeated_tail(row.tokens), restarted_tail(row.tokens, row.places))
        if surplus:
            del row.tokens[-surplus:], row.log_probs[-surplus:], row.attention[-surplus:], row.places[-surplus:]
        row.is_cut = bool(surplus) or len(row.tokens) >= row.task.max_tokens
        row.is_done = row.is_cut

    def _log_probs(self, states: Tensor, *, is_first: bool) -> Tensor:
        """(n, states) → (n, tokens); forbidden tokens at -inf. With `is_first` the first row starts the text."""
        logits = self.decoder.logits(states)
        logits[:, self.forbidden] = -torch.inf
        if is_first:
            logits[0, self.forbidden_first] = -torch.inf
        return logits.log_softmax(dim=-1)

    def _alignment(self, attention: list[Tensor]) -> np.ndarray:
        """Attention of the alignment heads: (batch, alignment heads, length, frames)."""
        return torch.stack([attention[layer][:, head] for layer, head in self.heads], dim=1).numpy()
