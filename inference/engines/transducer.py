"""Greedy decoding of transducers, batched over streams whose segments are of any age.

A transducer writes, at each frame of its encoder, tokens until it writes the blank; what it wrote before is in the state of its
predictor. `decode` lets each row walk at its own pace, so that one call of the network serves all rows, wherever they are.
Whatever concerns a stream is in its `Trace`.

Source: Graves 2012, "Sequence Transduction with Recurrent Neural Networks"; the walk by tokens instead of frames: Bataev et al.
2024, "Label-Looping: Highly Efficient Decoding for Transducers".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import torch
from torch import Tensor

from inference.decoding.decoded import Decoded
from inference.decoding.spans import Span, confidence, words_of
from inference.decoding.tokens import Tokens

State = tuple[Tensor, ...]
"""Of a predictor; rows come first in each tensor."""
MAX_TOKENS_PER_FRAME: Final = 10
"""Beyond it the frame is left: what goes on writing without listening would never end. NeMo's and transformers' limit."""


class Transducer(Protocol):
    """blank: its number among the outputs."""

    @property
    def blank(self) -> int: ...

    def start(self, num_rows: int) -> State:
        """The predictor before the first token."""

    def advance(self, tokens: Tensor, state: State) -> State:
        """The predictor after another token of each row. tokens: int64 (rows,)."""

    def logits(self, frames: Tensor, state: State) -> Tensor:
        """frames: (rows, features), one of each row. Returns (rows, outputs)."""


@dataclass(slots=True)
class Trace:
    """What was written of a segment, and where the next frame finds the predictor. state: None: before the first frame."""

    spans: list[Span] = field(default_factory=list)
    num_frames: int = 0
    state: State | None = None

    def partial(self, tokens: Tokens) -> Decoded:
        """Nothing of it changes any more; but its last word may go on."""
        ids = [span.token for span in self.spans]
        num_stable = tokens.num_complete(ids)
        stable = tokens.text(ids[: tokens.groups(ids)[num_stable - 1].stop]) if num_stable else ""
        return Decoded(tokens.text(ids), stable, confidence(self.spans))

    def finish(self, tokens: Tokens, frame_ms: int, num_frames: int | None = None) -> Decoded:
        """The segment is over, and only its first `num_frames` count."""
        end = self.num_frames if num_frames is None else num_frames
        spans = [replace(span, end_frame=min(span.end_frame, end)) for span in self.spans if span.first_frame < end]
        text = tokens.text(span.token for span in spans)
        return Decoded(text, text, confidence(spans), words_of(spans, tokens, frame_ms))


def decode(transducer: Transducer, frames: Sequence[Tensor], traces: Sequence[Trace]) -> None:
    """Go on with each trace by its new frames; with none of them where this raises.

    Args:
        frames: of each row (its frames, features); none is fine.
    """
    rows = [row for row, own in enumerate(frames) if len(own)]
    if rows:
        _Walk(transducer, [frames[row] for row in rows], [traces[row] for row in rows]).run()


class _Walk:
    """Of a few rows through their frames. places: the frame that each row is at, of those that are new. spans: what is written of
    them."""

    def __init__(self, transducer: Transducer, frames: Sequence[Tensor], traces: Sequence[Trace]) -> None:
        self.transducer = transducer
        self.traces = traces
        self.frames = torch.nn.utils.rnn.pad_sequence(list(frames), batch_first=True)
        self.lengths = [len(own) for own in frames]
        self.places = [0] * len(frames)
        self.num_here = [0] * len(frames)
        self.spans: list[list[Span]] = [[] for _ in frames]
        self.state = _stacked(transducer, traces)

    def run(self) -> None:
        active = list(range(len(self.traces)))
        while active:
            self._write(active)
            active = [row for row in active if self.places[row] < self.lengths[row]]
        for row, trace in enumerate(self.traces):
            trace.spans += self.spans[row]
            trace.num_frames += self.lengths[row]
            trace.state = tuple(part[row : row + 1].clone() for part in self.state)

    def _write(self, active: list[int]) -> None:
        """One output of each active row: the blank leads it to its next frame, a token its predictor one further."""
        chosen = torch.tensor(active)
        here = self.frames[chosen, torch.tensor([self.places[row] for row in active])]
        log_probs = self.transducer.logits(here, tuple(part[chosen] for part in self.state)).float().log_softmax(dim=-1)
        best = log_probs.max(dim=-1)
        written = []
        for row, token, log_prob in zip(active, best.indices.tolist(), best.values.tolist(), strict=True):
            if token == self.transducer.blank:
                self._move_on(row)
            else:
                self._take(row, token, log_prob)
                written.append((row, token))
        if written:
            self._advance([row for row, _ in written], [token for _, token in written])

    def _take(self, row: int, token: int, log_prob: float) -> None:
        frame = self.traces[row].num_frames + self.places[row]
        self.spans[row].append(Span(token, frame, frame + 1, log_prob))
        self.num_here[row] += 1
        if self.num_here[row] == MAX_TOKENS_PER_FRAME:
            self._move_on(row)

    def _move_on(self, row: int) -> None:
        self.places[row] += 1
        self.num_here[row] = 0

    def _advance(self, rows: list[int], tokens: list[int]) -> None:
        chosen = torch.tensor(rows)
        after = self.transducer.advance(torch.tensor(tokens), tuple(part[chosen] for part in self.state))
        for part, new in zip(self.state, after, strict=True):
            part[chosen] = new


def _stacked(transducer: Transducer, traces: Sequence[Trace]) -> State:
    """A copy; rows that have not begun start."""
    start = transducer.start(1)
    states = [start if trace.state is None else trace.state for trace in traces]
    return tuple(torch.cat(parts) for parts in zip(*states, strict=True))
