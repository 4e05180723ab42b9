"""What an engine made of a window, and what the stream tells of it: a partial text or a final one."""

from dataclasses import dataclass

from msgspec import structs

from inference.audio import to_ms
from inference.messages import Checkpoint, TimedWord, Timings, TranscriptFinal, TranscriptUpdated
from inference.segment import Segment


@dataclass(frozen=True, slots=True)
class Heard:
    """What the engine made of a window; word times count from the window's start."""

    text: str
    stable: str
    language: str
    confidence: float
    words: tuple[TimedWord, ...]
    model: str
    timings: Timings

    def partial(self, stream: int, number: int, segment: Segment) -> TranscriptUpdated:
        """As the text of a segment that is spoken. Where a model hears little at a time, a step may end in the quiet before the
        voice."""
        start_ms = segment.shown_ms[0]
        return TranscriptUpdated(
            stream=stream,
            segment=number,
            text=self.text,
            stable=self.stable,
            start_ms=start_ms,
            end_ms=max(start_ms, to_ms(segment.stepped)),
            timings=self.timings,
            model=self.model,
        )

    def final(self, stream: int, number: int, segment: Segment, checkpoint: Checkpoint) -> TranscriptFinal:
        """As the text of a segment that is over; `checkpoint` lies behind it."""
        start_ms, end_ms = segment.shown_ms
        assert end_ms is not None
        return TranscriptFinal(
            stream=stream,
            segment=number,
            text=self.text,
            start_ms=start_ms,
            end_ms=end_ms,
            language=self.language,
            confidence=round(self.confidence, 3),
            model=self.model,
            words=tuple(_placed(word, to_ms(segment.start), start_ms, end_ms) for word in self.words),
            from_finalize=segment.from_finalize,
            timings=self.timings,
            checkpoint=checkpoint,
        )


def _placed(word: TimedWord, offset_ms: int, first_ms: int, last_ms: int) -> TimedWord:
    """`word` moved by `offset_ms` and kept within [first_ms, last_ms]."""
    start_ms = min(max(word.start_ms + offset_ms, first_ms), last_ms)
    end_ms = min(max(word.end_ms + offset_ms, first_ms), last_ms)
    return structs.replace(word, start_ms=start_ms, end_ms=end_ms)
