"""One speaker's state between steps: segments on their way through models.

A stream knows no model and no socket. The loop hands it audio and speech probabilities, asks it which window it wants
recognised, and hands it the hypothesis; the stream answers with events. Where segments lie is for `inference.segmenting` to say.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from inference.audio import to_samples
from inference.gate import EnergyGate
from inference.heard import Heard as Heard
from inference.messages import Checkpoint, ModelChanged, StreamOptions
from inference.segment import STEP_SAMPLES, Segment, Stride
from inference.segmenting import Segmenter

FIRST_STEP_SAMPLES: Final = to_samples(400)
"""A shorter beginning makes the engine guess."""
BEGINNING: Final = Checkpoint()


def no_stride(_model: str) -> Stride | None:
    """All models hear whole segments."""
    return None


class Stream(Segmenter):
    """`model` is the name of the engine that serves it now. `session`: what log lines about it call it. `stride_of`: a model's;
    None of one that hears whole segments."""

    __slots__ = ("model", "session", "stride_of")

    def __init__(
        self,
        stream_id: int,
        model: str,
        options: StreamOptions,
        checkpoint: Checkpoint = BEGINNING,
        *,
        gate: EnergyGate | None = None,
        session: str = "",
        stride_of: Callable[[str], Stride | None] = no_stride,
    ) -> None:
        super().__init__(stream_id, model, options, checkpoint, gate or EnergyGate())
        self.model = model
        self.session = session
        self.stride_of = stride_of

    # Models

    def change_model(self, model: str) -> None:
        """From the next segment on; at once where there is none."""
        self.next_model = model
        self._follow_model()

    def give_up_partial_model(self) -> None:
        """It cannot hear this stream: the model of finals writes all texts."""
        self.next_partial_model = ""
        if self._segments.open is not None:
            self._segments.open.partial_model = ""

    @property
    def models(self) -> set[str]:
        """All that it still needs."""
        of_partials = {self.next_partial_model, self.partial_model} - {""}
        return {self.model, self.next_model, *of_partials, *self._segments.models}

    @property
    def partial_model(self) -> str:
        """That writes the partial texts of the open segment, where it is not the one that will write its final; else empty."""
        return "" if self._segments.open is None else self._segments.open.partial_model

    @property
    def num_begun(self) -> int:
        """How many segments have begun."""
        return self._segments.num_begun

    def _follow_model(self) -> None:
        """Go over to the model of the segment to be recognised next, when everything before it is final."""
        segment = self._segments.current
        model = self.next_model if segment is None else segment.model
        if model != self.model:
            self.model = model
            self.events.append(ModelChanged(stream=self.stream_id, model=model, from_segment=self._segments.next_number))

    # Windows out, hypotheses in

    @property
    def has_work(self) -> bool:
        """Whether there is a frame to judge or a window to recognise."""
        return self._voice.has_frame or self.wants_final or self.wants_partial

    @property
    def wants_final(self) -> bool:
        return bool(self._segments.closed)

    @property
    def wants_partial(self) -> bool:
        segment = self._segments.open
        return segment is not None and not self._segments.closed and self._is_worth_a_step(segment)

    def _is_worth_a_step(self, segment: Segment) -> bool:
        """Whether enough is new of it. A model that remembers hears it as it is spoken, though nobody wants partial texts."""
        stride = self.stride_of(segment.partial_model or segment.model)
        if not self.options.interim and (stride is None or segment.partial_model):
            return False
        if stride is None:
            seen = self._voice.seen
            return seen - segment.voiced_from >= FIRST_STEP_SAMPLES and seen - segment.stepped >= STEP_SAMPLES
        num_heard = max(0, segment.stepped - segment.start)
        return self.num_wanted_samples >= stride.next_after(num_heard)

    def window(self, num_heard: int = 0, num_wanted: int | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
        """Audio of the segment to be recognised now, float32 (num_samples,), and its languages. num_heard: so many samples at its
        beginning are left out, if it has so many. num_wanted: of its beginning only so many, if it has so many; None: all.

        No samples: nothing is new, or it is a finalize with nothing said.
        """
        segment = self._segments.current
        assert segment is not None
        num_samples = self.num_wanted_samples if num_wanted is None else min(num_wanted, self.num_wanted_samples)
        segment.stepped = segment.start + num_samples
        return self.buffer.read(segment.start + min(num_heard, num_samples), segment.stepped), segment.languages

    @property
    def hotwords(self) -> tuple[str, ...]:
        """Of the segment to be recognised now."""
        segment = self._segments.current
        return () if segment is None else segment.hotwords

    @property
    def language_model(self) -> str:
        """The same."""
        segment = self._segments.current
        return "" if segment is None else segment.language_model

    @property
    def is_unseen(self) -> bool:
        """Whether nobody has seen any text of the open segment yet."""
        return self._segments.open is not None and self._segments.open.stepped == 0

    @property
    def num_wanted_samples(self) -> int:
        """All that there is now of the segment to be recognised. Of one that is spoken, a model that remembers is also given what
        voice activity was not judged of yet: put off, the end of a chunk might wait for the next audio to come."""
        segment = self._segments.current
        if segment is None:
            return 0
        if segment.end is not None:
            return segment.end - segment.start
        has_stride = self.stride_of(segment.partial_model or segment.model) is not None
        return (self.buffer.end if has_stride else self._voice.seen) - segment.start

    def update(self, heard: Heard) -> None:
        """Text of the open segment."""
        segment = self._segments.open
        assert segment is not None
        if self.options.interim and (heard.text or segment.number is not None):
            self.events.append(heard.partial(self.stream_id, self._segments.number(segment), segment))

    def complete(self, heard: Heard) -> None:
        """Text of the oldest closed segment."""
        segment = self._segments.closed.popleft()
        assert segment.end is not None
        number = None
        if heard.text or segment.number is not None or segment.from_finalize:
            number = self._segments.number(segment)
            self._account.go_on_with(self._segments.next_number)
        self._count(segment.start, is_speech=False)
        self._count(segment.end, is_speech=True)
        if number is not None:
            self.events.append(heard.final(self.stream_id, number, segment, self.checkpoint))
        self._follow_model()
        self._settle_silence()
        self.report()
