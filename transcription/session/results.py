"""What recognition says of one stream, as messages to its client; and what a client that comes back has missed. Pure."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from inference import messages as link
from transcription.protocol import FinalResult, Gap, Lag, PartialResult, ServerMessage, SpeechEnded, SpeechStarted, Word
from transcription.session.actions import Action, RecordFinal, Send
from transcription.session.latency import Latency

LAG_MS: Final = 3_000
LAG_EVERY_S: Final = 5.0
MAX_KEPT_FINALS: Final = 256
"""For a client that comes back: half an hour of talk. It kept half a minute of audio itself, so it lacks a few at most."""
MAX_KEPT_GAPS: Final = 256


@dataclass(slots=True)
class Promise:
    """What was `stable` in the partials of one segment, and whether one of them has broken it already: another process may have
    begun anew."""

    segment: int = -1
    text: str = ""
    is_broken: bool = False

    def hear(self, segment: int, stable: str) -> None:
        if segment != self.segment:
            self.segment, self.text, self.is_broken = segment, "", False
        self.is_broken = self.is_broken or not (stable.startswith(self.text) or self.text.startswith(stable))
        self.text = max(self.text, stable, key=len)

    def is_kept_by(self, segment: int, text: str) -> bool:
        return segment != self.segment or (text.startswith(self.text) and not self.is_broken)


@dataclass(slots=True)
class Results:
    """Args:
    clock: monotonic seconds.

    `num_finals`: how many there are by now, those before a resume included. `behind_ms`: how far recognition was behind when it
    last said so.
    """

    clock: Callable[[], float]
    latency: Latency = field(default_factory=Latency)
    wants_words: bool = True
    keeps: bool = False
    num_finals: int = 0
    behind_ms: int = 0
    gaps: list[Gap] = field(default_factory=list)
    _finals: deque[FinalResult] = field(default_factory=lambda: deque(maxlen=MAX_KEPT_FINALS))
    _partial: PartialResult | None = None
    _promise: Promise = field(default_factory=Promise)
    _last_speech_ms: int = -1
    _last_speech_end_ms: int = -1
    _lag_at_s: float = float("-inf")

    @property
    def is_speaking(self) -> bool:
        """Whether speech has begun and has not ended."""
        return self._last_speech_ms > self._last_speech_end_ms

    def speech_started(self, event: link.SpeechStarted) -> list[Action]:
        """A replay after a lost inference process tells again what was told."""
        if event.at_ms <= self._last_speech_ms:
            return []
        self._last_speech_ms = event.at_ms
        return [Send(SpeechStarted(at_ms=event.at_ms))]

    def speech_ended(self, event: link.SpeechEnded) -> list[Action]:
        if event.at_ms <= self._last_speech_end_ms:
            return []
        self._last_speech_end_ms = event.at_ms
        return [Send(SpeechEnded(at_ms=event.at_ms))]

    def updated(self, event: link.TranscriptUpdated) -> list[Action]:
        self.latency.recognised(event.timings.queue_ms, event.timings.infer_ms)
        self.latency.sent_text(self.clock(), event.start_ms)
        self._promise.hear(event.segment, event.stable)
        partial = PartialResult(
            segment=event.segment,
            text=event.text,
            stable=event.stable,
            start_ms=event.start_ms,
            end_ms=event.end_ms,
            model=event.model,
        )
        if self.keeps:
            self._partial = partial
        return [Send(partial)]

    def final(self, event: link.TranscriptFinal) -> list[Action]:
        self.latency.sent_text(self.clock(), event.start_ms)
        self.latency.recognised(event.timings.queue_ms, event.timings.infer_ms)
        self.latency.sent_final(event.timings.queue_ms, event.timings.infer_ms)
        self.num_finals = event.segment + 1
        self._partial = None
        final = _final(event, is_revised=not self._promise.is_kept_by(event.segment, event.text))
        if self.keeps:
            self._finals.append(final)
        return [RecordFinal(final, event.checkpoint, event.timings), Send(self.shown(final))]

    def lag(self, behind_ms: int) -> list[Action]:
        self.behind_ms = behind_ms
        if behind_ms < LAG_MS or self.clock() - self._lag_at_s < LAG_EVERY_S:
            return []
        self._lag_at_s = self.clock()
        return [Send(Lag(behind_ms=behind_ms))]

    def gap(self, gap: Gap) -> list[Action]:
        """One more; it is joined with the last one where the list would grow without end."""
        if len(self.gaps) < MAX_KEPT_GAPS:
            self.gaps.append(gap)
        else:
            self.gaps[-1] = Gap(from_ms=self.gaps[-1].from_ms, to_ms=gap.to_ms, reason=gap.reason)
        return [Send(gap)]

    # Coming back

    def restore(self, finals: Iterable[FinalResult], gaps: Iterable[Gap], num_finals: int) -> None:
        """As another process left it."""
        self._finals.extend(finals)
        self.gaps.extend(gaps)
        self.num_finals = num_finals

    @property
    def first_kept(self) -> int:
        """Number of the oldest final that `missed_since` can give."""
        return self._finals[0].segment if self._finals else self.num_finals

    def missed_since(self, next_segment: int) -> list[ServerMessage]:
        """Finals from that number on, every gap, and the newest text of the segment that is being spoken."""
        finals = [self.shown(final) for final in self._finals if final.segment >= next_segment]
        return [*finals, *self.gaps, *([self._partial] if self._partial is not None else [])]

    def shown(self, final: FinalResult) -> FinalResult:
        """`final` as the client wants it."""
        if self.wants_words:
            return final
        return FinalResult(**{name: getattr(final, name) for name in final.__struct_fields__ if name != "words"})


def _final(event: link.TranscriptFinal, *, is_revised: bool) -> FinalResult:
    words = [Word(text=word.text, start_ms=word.start_ms, end_ms=word.end_ms, confidence=word.confidence) for word in event.words]
    return FinalResult(
        segment=event.segment,
        text=event.text,
        start_ms=event.start_ms,
        end_ms=event.end_ms,
        language=event.language,
        confidence=event.confidence,
        model=event.model,
        words=words,
        from_finalize=event.from_finalize,
        revised=is_revised,
    )
