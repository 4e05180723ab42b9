"""The runner for GPUs: the decoder's step at a few fixed shapes, in memory that is taken once, recorded as CUDA graphs.

A step of a small decoder is some hundred tiny kernels; starting them one by one takes longer than their work. A CUDA graph
starts all at once, but only ever repeats the same kernels at the same addresses. So rows have slots in memory that stays
where it is, and a step runs at the smallest shape that holds its batch: so many slots, audio frames and text positions. What a
shape has too much is masked, or computed and not looked at.

Without CUDA the same steps are called instead of repeated, which is how tests run them. Reading what is known of a batch
(`StaticRun.read`) is not recorded, for its shapes would be too many; it runs in the same memory.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from torch import Tensor

from inference.engines.cuda_graphs import recorded
from inference.engines.whisper.network import MAX_TOKENS, AudioMemory, Decoder, Silence, TextMemory
from inference.engines.whisper.runner import (
    EagerRunner,
    Line,
    Reading,
    Rules,
    Run,
    Scores,
    begun,
    chosen,
    fetched_together,
    judged,
    logits_of,
    moved,
)
from inference.errors import ConfigError

logger = logging.getLogger(__name__)

BATCH_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
AUDIO_FRAMES: Final = (100, 200, 400, 750, 1500)
"""2, 4, 8, 15 and 30 s."""
TEXT_POSITIONS: Final = (64, 128, MAX_TOKENS)
READ_POSITIONS: Final = (4, 8, 16, 32, 64, 128, 256, MAX_TOKENS)
NUM_NUMBERS = 3
"""Of each row in the output before the attention: token, logit, norm."""
SCORED_AT_ONCE = 512
"""Places whose logits are computed together when a draft is read; 100 MB of float32 for each 512."""
GIB: Final = 2**30


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a step: slots, audio frames without the silence, text positions."""

    num_slots: int
    num_frames: int
    num_positions: int


def smallest(sizes: Sequence[int], needed: int) -> int:
    """The smallest of ascending `sizes` that is enough."""
    return next(size for size in sizes if size >= needed)


def batch_sizes(max_batch: int) -> tuple[int, ...]:
    """Up to `max_batch`, which is one itself."""
    return (*(size for size in BATCH_SIZES if size < max_batch), max_batch)


class Memory:
    """Everything that a step reads and writes. Lives as long as the runner; nothing in it moves.

    In the audio's keys and values the borrowed silence comes first, the same for every slot, and then the window's frames: so
    the first so many of both are one piece, whatever the shape.

    inputs: int64 (2, slots), tokens and their positions. output: float32, flat; for each slot NUM_NUMBERS and the attention.
    """

    def __init__(self, decoder: Decoder, num_heads_reported: int, silence: Silence, max_rows: int) -> None:
        dims, device, dtype = decoder.dims, decoder.positions.device, decoder.positions.dtype
        self.num_groups = silence.layers[0][0].shape[2]
        num_frames = self.num_groups + AUDIO_FRAMES[-1]

        def blank(length: int) -> Tensor:
            shape = (dims.num_decoder_layers, max_rows, dims.num_heads, length, dims.head_size)
            return torch.zeros(shape, dtype=dtype, device=device)

        self.audio_key, self.audio_value = blank(num_frames), blank(num_frames)
        self.text_key, self.text_value = blank(MAX_TOKENS), blank(MAX_TOKENS)
        self.bias = torch.zeros((max_rows, 1, 1, num_frames), dtype=dtype, device=device)
        self.logits = torch.zeros((max_rows, dims.num_tokens), dtype=torch.float32, device=device)
        self.inputs = torch.zeros((2, max_rows), dtype=torch.long, device=device)
        num_numbers = NUM_NUMBERS + num_heads_reported * num_frames
        self.output = torch.zeros(max_rows * num_numbers, dtype=torch.float32, device=device)
        is_pinned = device.type == "cuda"  # pages that the GPU copies from and to by itself
        self.inputs_here = torch.zeros(self.inputs.shape, dtype=torch.long, device="cpu", pin_memory=is_pinned)
        self.output_here = torch.zeros(self.output.shape, dtype=torch.float32, device="cpu", pin_memory=is_pinned)
        for layer, (key, value) in enumerate(silence.layers):
            self.audio_key[layer, :, :, : self.num_groups] = key
            self.audio_value[layer, :, :, : self.num_groups] = value

    def tensors(self) -> Iterable[Tensor]:
        return (tensor for tensor in vars(self).values() if isinstance(tensor, Tensor))

    def audio(self, num_slots: int, num_frames: int) -> AudioMemory:
        length = self.num_groups + num_frames
        layers = zip(self.audio_key[:, :num_slots, :, :length], self.audio_value[:, :num_slots, :, :length], strict=True)
        return AudioMemory(list(layers), self.bias[:num_slots, :, :, :length])

    def text(self, num_slots: int, num_positions: int) -> TextMemory:
        return TextMemory(self.text_key[:, :num_slots, :, :num_positions], self.text_value[:, :num_slots, :, :num_positions])

    def store(self, audio: AudioMemory) -> int:
        """Put each row into the slot of its number, and out of sight what lies behind. How many frames the longest has."""
        num_rows, num_groups = len(audio), self.num_groups
        longest = audio.layers[0][0].shape[2] - num_groups
        for layer, (key, value) in enumerate(audio.layers):
            self.audio_key[layer, :num_rows, :, num_groups : num_groups + longest] = key[:, :, :longest]
            self.audio_value[layer, :num_rows, :, num_groups : num_groups + longest] = value[:, :, :longest]
        self.bias[:num_rows, :, :, :num_groups] = audio.bias[..., longest:]
        self.bias[:num_rows, :, :, num_groups : num_groups + longest] = audio.bias[..., :longest]
        self.bias[:num_rows, :, :, num_groups + longest :] = -torch.inf
        return longest

    def move(self, sources: Sequence[int], targets: Sequence[int], num_frames: int, num_positions: int) -> None:
        """Copy slots; the two sets have none in common."""
        device = self.inputs.device
        taken, put = moved(sources, device), moved(targets, device)
        frames = slice(self.num_groups, self.num_groups + num_frames)
        for audio in (self.audio_key, self.audio_value):
            audio[:, put, :, frames] = audio[:, taken, :, frames]
        for text in (self.text_key, self.text_value):
            text[:, put, :, :num_positions] = text[:, taken, :, :num_positions]
        self.bias[put] = self.bias[taken]


class StaticRunner(EagerRunner):
    """Args:
    silence: what every window is followed by. max_batch: rows for which there is memory; more go in several runs.
    has_graphs: False: call each step's function instead of repeating its graph. Without CUDA it is never repeated.

    Raises:
        ConfigError: the memory is not to be had.
    """

    def __init__(self, decoder: Decoder, rules: Rules, silence: Silence, max_batch: int, *, has_graphs: bool = True) -> None:
        super().__init__(decoder, rules)
        self.max_rows = max_batch
        self.sizes = batch_sizes(max_batch)
        self.memory = _taken(decoder, rules, silence, max_batch)
        self.has_graphs = has_graphs and decoder.positions.device.type == "cuda"
        self.repeats: dict[Shape, Callable[[], None]] = {}

    def run(self, audio: AudioMemory, max_tokens: int) -> Run:
        return StaticRun(self, audio)

    def record(self) -> None:
        """Record every shape, the largest first, so that the others find room in what it took."""
        if not self.has_graphs:
            return
        started_s = time.monotonic()
        with torch.cuda.device(self.memory.inputs.device):
            pool = torch.cuda.graph_pool_handle()
            for shape in reversed(self.shapes()):
                self.repeats[shape] = recorded(partial(self.compute, shape), pool)
        logger.info("%d CUDA graphs recorded in %.1f s", len(self.repeats), time.monotonic() - started_s)

    def shapes(self) -> list[Shape]:
        """Small ones first."""
        return [Shape(slots, frames, text) for slots in self.sizes for frames in AUDIO_FRAMES for text in TEXT_POSITIONS]

    def compute(self, shape: Shape) -> None:
        """One step, from `memory.inputs` to `memory.output` and `memory.logits`. No memory of its own leaves it."""
        memory, slots = self.memory, shape.num_slots
        states, attention = self.decoder(
            memory.inputs[0, :slots, None],
            memory.inputs[1, :slots],
            memory.audio(slots, shape.num_frames),
            memory.text(slots, shape.num_positions),
        )
        logits = memory.logits[:slots].copy_(self.decoder.logits(states[:, 0]))
        self.rules.forbid(logits)
        output = self.output(shape)
        for place, numbers in enumerate(judged(logits)):
            output[:, place] = numbers
        output[:, NUM_NUMBERS:] = self.silence_last(self.rules.alignment(attention)).flatten(1)

    def output(self, shape: Shape, *, is_here: bool = False) -> Tensor:
        """The part of the output that a shape uses, (slots, numbers and attention); `is_here`: of its copy on the CPU."""
        width = NUM_NUMBERS + len(self.rules.heads) * (self.memory.num_groups + shape.num_frames)
        flat = self.memory.output_here if is_here else self.memory.output
        return flat[: shape.num_slots * width].view(shape.num_slots, width)

    def silence_last(self, attention: Tensor) -> Tensor:
        """(…, frames), a window's own before those of silence, as other runners have it."""
        groups = self.memory.num_groups
        return torch.cat([attention[..., groups:], attention[..., :groups]], dim=-1)

    def step(self, shape: Shape) -> Tensor:
        """Inputs there, compute, output here: one transfer each way. float32 (slots, numbers and attention)."""
        memory, slots = self.memory, shape.num_slots
        memory.inputs.copy_(memory.inputs_here, non_blocking=True)
        repeat = self.repeats.get(shape)
        if repeat is None:
            self.compute(shape)
        else:
            repeat()
        output = self.output(shape, is_here=True)
        output.copy_(self.output(shape))  # waits for the GPU
        return output[:slots]


def _taken(decoder: Decoder, rules: Rules, silence: Silence, max_batch: int) -> Memory:
    try:
        return Memory(decoder, len(rules.heads), silence, max_batch)
    except torch.OutOfMemoryError as err:
        raise ConfigError(
            f"HARK_MAX_BATCH is {max_batch}, and {decoder.positions.device} has no memory for so many windows of this model. "
            "Set it lower, or load fewer models."
        ) from err


class StaticRun:
    """A batch in the runner's memory. `slots`: where each row is; rows keep theirs until fewer slots are enough."""

    def __init__(self, runner: StaticRunner, audio: AudioMemory) -> None:
        self.runner = runner
        self.memory = runner.memory
        self.device = audio.bias.device
        self.slots = list(range(len(audio)))
        self.num_slots = smallest(runner.sizes, len(audio))
        self.num_frames = smallest(AUDIO_FRAMES, self.memory.store(audio))
        self.num_positions = 0

    def read(self, lines: Sequence[Line]) -> Reading:
        runner, width = self.runner, smallest(READ_POSITIONS, max(len(line.tokens) for line in lines))
        self.num_positions = width
        tokens = np.full((self.num_slots, width), runner.rules.end)
        for row, line in zip(tokens, lines, strict=False):
            row[: len(line.tokens)] = line.tokens
        states, attention = runner.decoder(
            torch.from_numpy(tokens).to(self.device),
            torch.zeros(self.num_slots, dtype=torch.long, device=self.device),
            self.memory.audio(self.num_slots, self.num_frames),
            self.memory.text(self.num_slots, smallest(TEXT_POSITIONS, width)),
        )
        no_speech = runner.decoder.logits(states[: len(lines), 0]).softmax(dim=-1)[:, runner.rules.no_speech]
        aligned = runner.silence_last(runner.rules.alignment(attention)[: len(lines)])
        open_places = [row * width + place for row, line in enumerate(lines) for place in range(line.first, len(line.tokens))]
        scored = self._scored(states.flatten(0, 1)[moved(open_places, self.device)], begun(lines), chosen(lines))
        tensors = [no_speech, aligned, *(numbers for part in scored for numbers in part.numbers)]
        no_speech, aligned, *numbers = fetched_together(tensors)
        likeliest, highest, norms = (torch.cat(numbers[kind::NUM_NUMBERS]).tolist() for kind in range(NUM_NUMBERS))
        logits = {place: row for part in scored for place, row in part.logits.items()}
        return Reading(Scores(likeliest, highest, norms, logits), aligned.numpy(), no_speech.tolist())

    def _scored(self, states: Tensor, begins: Sequence[int], choosing: Sequence[int]) -> list["Scored"]:
        """Open places, as many at a time as there is memory for their logits."""
        found = []
        for first in range(0, len(states), SCORED_AT_ONCE):
            part = range(first, min(first + SCORED_AT_ONCE, len(states)))
            logits = self.runner.decoder.logits(states[part.start : part.stop])
            self.runner.rules.forbid(logits, [place - first for place in begins if place in part])
            wanted = [place for place in choosing if place in part]
            rows = logits_of(logits, [place - first for place in wanted])
            found.append(Scored(judged(logits), {place: rows[place - first] for place in wanted}))
        return found

    def step(self, tokens: Sequence[int], positions: Sequence[int], choosing: Sequence[int]) -> Reading:
        self.num_positions = max(self.num_positions, max(positions) + 1)
        inputs = self.memory.inputs_here.numpy()
        inputs[0, : self.num_slots], inputs[1, : self.num_slots] = self.runner.rules.end, 0
        inputs[0, self.slots], inputs[1, self.slots] = tokens, positions
        shape = Shape(self.num_slots, self.num_frames, smallest(TEXT_POSITIONS, max(positions) + 1))
        output = self.runner.step(shape).numpy()[self.slots]
        logits = logits_of(self.memory.logits, [self.slots[row] for row in choosing])
        scores = Scores(
            likeliest=output[:, 0].astype(np.int64).tolist(),
            highest=output[:, 1].tolist(),
            norms=output[:, 2].tolist(),
            logits={row: logits[self.slots[row]] for row in choosing},
        )
        attention = output[:, NUM_NUMBERS:].reshape(len(self.slots), len(self.runner.rules.heads), 1, -1)
        return Reading(scores, attention)

    def keep(self, rows: Sequence[int]) -> None:
        """When fewer slots are enough, rows in slots beyond them move into free ones."""
        self.slots = [self.slots[row] for row in rows]
        self.num_slots = smallest(self.runner.sizes, len(self.slots))
        outside = [index for index, slot in enumerate(self.slots) if slot >= self.num_slots]
        if not outside:
            return
        free = sorted(set(range(self.num_slots)) - set(self.slots))[: len(outside)]
        self.memory.move([self.slots[index] for index in outside], free, self.num_frames, self.num_positions)
        for index, slot in zip(outside, free, strict=True):
            self.slots[index] = slot


@dataclass(frozen=True, slots=True)
class Scored:
    """Some places: token, logit and norm (n,) each, on the network's device; logits on the CPU, by place."""

    numbers: tuple[Tensor, Tensor, Tensor]
    logits: dict[int, Tensor]
