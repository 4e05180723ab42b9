"""The streaming Conformer engine with a transducer's head: the encoder's step is the same, what is written of its frames is not.

Predictor and joint run on the processor in float32, whatever the encoder computes with: they are small, and are asked for a token
at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from msgspec import structs
from torch import Tensor, nn

from inference.decoding.decoded import Decoded
from inference.decoding.tokens import Tokens
from inference.engines.base import Window
from inference.engines.conformer_ctc.engine import ConformerEngine
from inference.engines.conformer_ctc.rnnt import RnntHead
from inference.engines.conformer_ctc.step import made_linear
from inference.engines.conformer_ctc.weights.checkpoint import Checkpoint
from inference.engines.conformer_ctc.weights.languages import AUTO, tag_of
from inference.engines.transducer import Trace, decode

ENGINE: Final = "conformer_rnnt"


class ConformerRnntEngine(ConformerEngine):
    """As `ConformerEngine`; for checkpoints that have a transducer's head."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        knows_any = AUTO in self.outline.prompts
        self.info = structs.replace(self.info, engine=ENGINE, multilingual=self.info.multilingual and knows_any)

    def head(self, checkpoint: Checkpoint) -> nn.Module:
        """The encoder's states as the joint wants them; as they are where it is told the language, another in each row."""
        if checkpoint.prompts:
            return nn.Identity()
        parameters = checkpoint.of_rnnt()
        return made_linear(parameters["joint.enc.weight"], parameters["joint.enc.bias"])

    def open_writer(self, checkpoint: Checkpoint) -> "RnntWriter":
        head = RnntHead.from_parameters(checkpoint.of_rnnt())
        return RnntWriter(head, checkpoint.tokens, self.outline.config.frame_ms, checkpoint.prompts)


@dataclass(slots=True)
class Line:
    """prompt: the number of the language that the transducer is told, where it wants to be."""

    prompt: int | None = None
    trace: Trace = field(default_factory=Trace)


class RnntWriter:
    """All streams of a step walk through their frames together."""

    writes_together = True

    def __init__(self, head: RnntHead, tokens: Tokens, frame_ms: int, prompts: Mapping[str, int]) -> None:
        self.head = head
        self.tokens = tokens
        self.frame_ms = frame_ms
        self.usual_prompt = prompts.get(AUTO, next(iter(prompts.values()), None))
        self.prompts = {tag: number for name, number in reversed(list(prompts.items())) if (tag := tag_of(name)) is not None}

    def open(self, window: Window[Any]) -> Line:
        """Of several languages it is told none, but asked to find out."""
        language = window.languages[0] if len(window.languages) == 1 else AUTO
        return Line(self.prompts.get(language, self.usual_prompt))

    def write(self, lines: Sequence[Line], outputs: Sequence[np.ndarray]) -> None:
        frames = self._projected(lines, torch.from_numpy(np.stack(outputs)))
        decode(self.head, list(frames), [line.trace for line in lines])

    def partial(self, line: Line) -> Decoded:
        return line.trace.partial(self.tokens)

    def finish(self, line: Line, num_frames: int) -> Decoded:
        return line.trace.finish(self.tokens, self.frame_ms, num_frames)

    def _projected(self, lines: Sequence[Line], states: Tensor) -> Tensor:
        told = [line.prompt for line in lines if line.prompt is not None]
        return self.head.project(states, torch.tensor(told)) if told else states
