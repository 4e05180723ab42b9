"""What the writer asks of the decoder, and the plain way to answer it.

`decoding.py` decides what is written and knows no tensor of the network; a runner owns the tensors of a batch while it is
written and hands back plain numbers. `EagerRunner` is the specification: shapes as they come, memory made for each batch. On a
processor it is the only one in use; `graphs.py` has the one for GPUs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from inference.engines.whisper.network import MAX_TOKENS, AudioMemory, Decoder
from inference.engines.whisper.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Line:
    """What is known of a row before it is written on: prompt, prefix and draft.

    first: scores are wanted behind this place and all after it. begins: the first of them begins a text. chooses: a chooser
    looks at the logits.
    """

    tokens: tuple[int, ...]
    first: int
    begins: bool
    chooses: bool

    @property
    def num_open(self) -> int:
        return len(self.tokens) - self.first


@dataclass(frozen=True, slots=True)
class Scores:
    """Of n places, forbidden tokens left out: the likeliest token, its logit, and the log of the sum of exp of all logits.

    logits: by place, float32 (tokens,), forbidden tokens at -inf; on a GPU on those places only that were asked for.
    """

    likeliest: list[int]
    highest: list[float]
    norms: list[float]
    logits: Tensor | Mapping[int, Tensor]

    def log_prob(self, place: int, token: int) -> float:
        """Of the likeliest token, or of another one at a place whose logits are there."""
        logit = self.highest[place] if token == self.likeliest[place] else float(self.logits[place][token])
        return logit - self.norms[place]


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading tokens. `scores`: row after row.

    attention: of the alignment heads, float32 (rows, heads, length, frames); frames beyond a row's own are silence, or not
    seen. no_speech: the probability by row, where lines were read.
    """

    scores: Scores
    attention: np.ndarray
    no_speech: Sequence[float] = ()


class Run(Protocol):
    """One batch, from the first token read to the last one written."""

    def read(self, lines: Sequence[Line]) -> Reading:
        """All that is known, in one pass. Comes first, and once."""

    def step(self, tokens: Sequence[int], positions: Sequence[int], choosing: Sequence[int]) -> Reading:
        """One more token of every row.

        Args:
            positions: where the tokens stand. choosing: rows whose logits are asked for.
        """

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in this order."""


class Runner(Protocol):
    """max_rows: of one batch; None: any number."""

    max_rows: int | None

    def record(self) -> None:
        """What can be prepared before the first batch."""

    def run(self, audio: AudioMemory, max_tokens: int) -> Run:
        """Begin a batch of the rows of `audio`; texts grow to `max_tokens` at most, prompts included. Ends the run before."""

    def language_probs(self, audio: AudioMemory, start: int, languages: list[int]) -> np.ndarray:
        """float32 (rows, languages): how likely each of these tokens is behind `start`, among each other."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What of the network's output is of interest. Tensors on its device.

    forbidden: tokens that are never written; forbidden_first: that may not come first. heads: (layer, head) to report.
    """

    forbidden: Tensor
    forbidden_first: Tensor
    heads: tuple[tuple[int, int], ...]
    end: int
    no_speech: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, num_tokens: int, device: torch.device) -> "Rules":
        return cls(
            forbidden=vocabulary.forbidden(num_tokens).nonzero()[:, 0].to(device),
            forbidden_first=vocabulary.forbidden_first(num_tokens).nonzero()[:, 0].to(device),
            heads=tuple(vocabulary.alignment_heads),
            end=vocabulary.end,
            no_speech=vocabulary.no_speech,
        )

    def alignment(self, attention: Sequence[Tensor]) -> Tensor:
        """Attention of the alignment heads: (batch, alignment heads, length, frames)."""
        return torch.stack([attention[layer][:, head] for layer, head in self.heads], dim=1)

    def forbid(self, logits: Tensor, begins: Sequence[int] = ()) -> None:
        """Put what may not be written at -inf, in (n, tokens). `begins`: rows that begin a text."""
        logits.index_fill_(1, self.forbidden, -torch.inf)
        if begins:
            logits[moved(begins, logits.device)[:, None], self.forbidden_first] = -torch.inf


def judged(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Likeliest token, its logit, log of the sum of exp: (n,) each, of (n, tokens)."""
    highest = logits.max(dim=-1)
    norms = (logits - highest.values[:, None]).exp_().sum(dim=-1).log_() + highest.values
    return highest.indices, highest.values, norms


def fetched(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Float32 or whole numbers below 2^24, on the CPU, by one transfer; what is there already stays as it is."""
    return tensors if tensors[0].device.type == "cpu" else fetched_together(tensors)


def fetched_together(tensors: Sequence[Tensor]) -> list[Tensor]:
    """One behind the other as float32, and apart again."""
    together = torch.cat([tensor.flatten().float() for tensor in tensors]).cpu()
    parts = torch.split(together, [tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape).to(tensor.dtype) for part, tensor in zip(parts, tensors, strict=True)]


def logits_of(logits: Tensor, places: Sequence[int]) -> Tensor | Mapping[int, Tensor]:
    """By place, on the CPU; from a GPU only `places` come, by one transfer."""
    if logits.device.type == "cpu":
        return logits
    return dict(zip(places, logits[moved(places, logits.device)].cpu(), strict=True)) if places else {}


def moved(numbers: Sequence[int] | Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """int64, on the device."""
    return torch.from_numpy(np.array(numbers, dtype=np.int64)).to(device)


class EagerRunner:
    def __init__(self, decoder: Decoder, rules: Rules) -> None:
        self.decoder = decoder
        self.rules = rules
        self.max_rows: int | None = None

    def record(self) -> None:
        """Nothing: shapes are taken as they come."""

    def run(self, audio: AudioMemory, max_tokens: int) -> Run:
        return EagerRun(self, audio, max_tokens)

    def language_probs(self, audio: AudioMemory, start: int, languages: list[int]) -> np.ndarray:
        device = audio.bias.device
        tokens = torch.full((len(audio), 1), start, device=device)
        first = torch.zeros(len(audio), dtype=torch.long, device=device)
        states, _attention = self.decoder(tokens, first, audio, self.decoder.blank(len(audio), max_tokens=1))
        logits = self.decoder.logits(states[:, 0])[:, moved(languages, device)]
        return np.asarray(logits.softmax(dim=-1).cpu().numpy())


class EagerRun:
    def __init__(self, runner: EagerRunner, audio: AudioMemory, max_tokens: int) -> None:
        self.decoder = runner.decoder
        self.rules = runner.rules
        self.audio = audio
        self.text = self.decoder.blank(len(audio), min(MAX_TOKENS, max_tokens))
        self.device = audio.bias.device

    def read(self, lines: Sequence[Line]) -> Reading:
        """One product with the vocabulary for all rows: reading its matrix costs more than multiplying by it."""
        width = max(len(line.tokens) for line in lines)
        tokens = moved([list(line.tokens) + [self.rules.end] * (width - len(line.tokens)) for line in lines], self.device)
        first = torch.zeros(len(lines), dtype=torch.long, device=self.device)
        states, attention = self.decoder(tokens, first, self.audio, self.text)
        open_states = [states[index, line.first : len(line.tokens)] for index, line in enumerate(lines)]
        logits = self.decoder.logits(torch.cat([states[:, 0], *open_states]))
        no_speech = logits[: len(lines)].softmax(dim=-1)[:, self.rules.no_speech]
        return self._reading(logits[len(lines) :], attention, begun(lines), chosen(lines), no_speech)

    def step(self, tokens: Sequence[int], positions: Sequence[int], choosing: Sequence[int]) -> Reading:
        states, attention = self.decoder(
            moved(tokens, self.device)[:, None], moved(positions, self.device), self.audio, self.text
        )
        return self._reading(self.decoder.logits(states[:, 0]), attention, (), choosing)

    def keep(self, rows: Sequence[int]) -> None:
        self.audio, self.text = self.audio.keep(rows), self.text.keep(rows)

    def _reading(
        self,
        logits: Tensor,
        attention: Sequence[Tensor],
        begins: Sequence[int],
        choosing: Sequence[int],
        no_speech: Tensor | None = None,
    ) -> Reading:
        """Of (n, tokens) logits, which are changed."""
        self.rules.forbid(logits, begins)
        results = [*judged(logits), self.rules.alignment(attention), *([] if no_speech is None else [no_speech])]
        likeliest, highest, norms, aligned, *rest = fetched(results)
        scores = Scores(likeliest.tolist(), highest.tolist(), norms.tolist(), logits_of(logits, choosing))
        return Reading(scores, aligned.numpy(), rest[0].tolist() if rest else ())


def begun(lines: Sequence[Line]) -> list[int]:
    """Of all open places, row after row: those that begin a text."""
    return [place for place, line in zip(starts(lines), lines, strict=True) if line.begins]


def chosen(lines: Sequence[Line]) -> list[int]:
    """Of all open places, row after row: those that a chooser looks at."""
    return [
        place + index for place, line in zip(starts(lines), lines, strict=True) if line.chooses for index in range(line.num_open)
    ]


def starts(lines: Sequence[Line]) -> list[int]:
    """Where each row's open places begin."""
    places = [0]
    for line in lines:
        places.append(places[-1] + line.num_open)
    return places[:-1]
