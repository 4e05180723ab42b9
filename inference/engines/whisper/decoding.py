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
from torch import Tensor

from inference.engines.whisper.guards import repeated_tail, restarted_tail, rewound_tail
from inference.engines.whisper.network import MAX_FRAMES, AudioMemory
from inference.engines.whisper.runner import Line, Run, Runner, Scores
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

    def choice(self, scores: Scores, place: int, written: Sequence[int]) -> int:
        return scores.likeliest[place] if self.chooser is None else self.chooser.choose(scores.logits[place], written)


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


class Writer:
    """Decodes batches with one network. Not thread-safe: belongs to the thread that owns the network."""

    def __init__(self, runner: Runner, vocabulary: Vocabulary) -> None:
        self.runner = runner
        self.vocabulary = vocabulary

    def language_probs(self, audio: AudioMemory) -> np.ndarray:
        """Probability of each language of the vocabulary, in its order: float32 (batch, languages)."""
        return self.runner.language_probs(audio, self.vocabulary.start, list(self.vocabulary.languages.values()))

    def write(self, audio: AudioMemory, num_frames: Sequence[int], tasks: Sequence[Task]) -> list[Row]:
        """Text of every window.

        Args:
            num_frames: how many frames of each row are its own; attention is reported for these.
        """
        rows = [Row(task, length) for task, length in zip(tasks, num_frames, strict=True)]
        for portion in self._portions(len(rows)):
            self._write(rows[portion.start : portion.stop], audio if len(portion) == len(rows) else audio.keep(portion))
        return rows

    def _portions(self, num_rows: int) -> list[range]:
        """As many rows at a time as the runner takes."""
        size = self.runner.max_rows or num_rows
        return [range(first, min(first + size, num_rows)) for first in range(0, num_rows, size)]

    def _write(self, rows: list[Row], audio: AudioMemory) -> None:
        tasks = [row.task for row in rows]
        max_tokens = max(len(task.prompt) + max(task.max_tokens, len(task.prefix) + len(task.draft)) for task in tasks)
        run = self.runner.run(audio, max_tokens + 1)
        self._read_known(rows, run)
        active = rows
        while True:
            alive = [index for index, row in enumerate(active) if not row.is_done]
            if not alive:
                return
            if len(alive) < len(active):
                active = [active[index] for index in alive]
                run.keep(alive)
            self._step(active, run)

    def _read_known(self, rows: list[Row], run: Run) -> None:
        """One pass over prompt, prefix and draft; leaves each row with its prefix, the accepted draft and one token more."""
        lines = [_line(row.task) for row in rows]
        reading = run.read(lines)
        place = 0
        for index, (row, line) in enumerate(zip(rows, lines, strict=True)):
            row.no_speech = reading.no_speech[index]
            first = len(row.task.prompt) - 1
            self._accept(row, reading.scores, place, reading.attention[index, :, first : len(line.tokens)])
            place += line.num_open

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
            token = row.task.choice(scores, first + place, row.tokens)
            self._append(row, token, scores.log_prob(first + place, token), attention[:, num_prefix + place])
            if row.is_done or (place < len(row.task.draft) and token != row.task.draft[place]):
                return

    def _step(self, rows: list[Row], run: Run) -> None:
        """Write one more token in every row."""
        choosing = [index for index, row in enumerate(rows) if row.task.chooser is not None]
        reading = run.step([row.tokens[-1] for row in rows], [row.position for row in rows], choosing)
        for index, row in enumerate(rows):
            token = row.task.choice(reading.scores, index, row.tokens)
            self._append(row, token, reading.scores.log_prob(index, token), reading.attention[index, :, 0])

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


def _line(task: Task) -> Line:
    return Line(
        tokens=(*task.prompt, *task.prefix, *task.draft),
        first=len(task.prompt) - 1 + len(task.prefix),
        begins=not task.prefix,
        chooses=task.chooser is not None,
    )
