"""A second look at text that does not read like speech: which windows are written again, how, and which try is kept.

A final that was cut for repeating itself, shrinks like a repetition or holds more words than fit into its audio is
written a few times more, with chance in the choice of tokens. All tries of a batch are written together, from the audio
that is encoded already, so a speaker waits for one decoding more, whatever the number of tries.

Source of falling back to higher temperatures: openai/whisper `whisper/transcribe.py`, MIT.
"""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from inference.engines.whisper.decoding import Row, Task, Writer
from inference.engines.whisper.network import AudioMemory

TEMPERATURES: Final = (0.2, 0.4, 0.6)
"""Three tries. Higher ones write nonsense: docs/decisions/0009-hotwords.md."""


class Dice:
    """Chooses tokens by chance, likelier ones more often. The same seed throws the same, whatever else is in the batch."""

    def __init__(self, temperature: float, seed: int) -> None:
        self.temperature = temperature
        self.random = np.random.default_rng((seed, round(temperature * 100)))

    def choose(self, logits: Tensor, written: Sequence[int]) -> int:
        """By the Gumbel-max trick; forbidden tokens stay at -inf."""
        noise = self.random.gumbel(size=logits.shape[0]).astype(np.float32)
        return int((logits / self.temperature + torch.from_numpy(noise).to(logits.device)).argmax())


def seed_of(audio: np.ndarray) -> int:
    """The same audio falls back to the same text."""
    return zlib.crc32(np.ascontiguousarray(audio).tobytes())


def tries(task: Task, audio: np.ndarray) -> list[Task]:
    """`task` again, once for each temperature, with nothing taken as given."""
    seed = seed_of(audio)
    return [
        replace(task, prefix=(), prefix_log_probs=(), draft=(), chooser=Dice(temperature, seed)) for temperature in TEMPERATURES
    ]


def rewritten(
    writer: Writer, audio: AudioMemory, num_frames: Sequence[int], tasks: dict[int, list[Task]]
) -> dict[int, list[Row]]:
    """What `tasks`, by row of `audio`, write; all of them in one batch."""
    if not tasks:
        return {}
    places = [index for index, again in tasks.items() for _ in again]
    wanted = [task for again in tasks.values() for task in again]
    rows = iter(writer.write(audio.keep(places), [num_frames[place] for place in places], wanted))
    return {index: [next(rows) for _ in again] for index, again in tasks.items()}


def likeliest(rows: Sequence[Row]) -> Row:
    """The try with the best mean log probability."""
    return max(rows, key=lambda row: float(np.mean(row.log_probs)))
