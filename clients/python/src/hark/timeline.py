"""Where one session's offsets, times and numbers lie in what the caller sent: a session that was lost has a successor. Pure."""

from dataclasses import dataclass, replace

from hark.events import Done, Final, Gap, ModelChanged, Partial, SpeechEnded, SpeechStarted
from hark.options import AudioFormat


@dataclass(slots=True)
class Timeline:
    """`base`: the frame at which the present session began, 0 unless an earlier one was lost. `next_segment`, `final_ms`: how far
    finals have come. `lost_frames`: what no session has.
    """

    format: AudioFormat
    base: int = 0
    base_segment: int = 0
    next_segment: int = 0
    final_ms: int = 0
    lost_frames: int = 0
    _transcribed_ms: int = 0
    _base_transcribed_ms: int = 0

    def begin_again(self, wanted: int, available: int) -> None:
        """A new session goes on at `available`; the frames from `wanted` to there are lost."""
        self.base = max(wanted, available)
        self.lost_frames += self.base - wanted
        self.base_segment = self.next_segment
        self._base_transcribed_ms = self._transcribed_ms

    @property
    def base_ms(self) -> int:
        return self.format.ms_of(self.base)

    @property
    def lost_ms(self) -> int:
        return self.format.ms_of(self.lost_frames)

    def count(self, final: Final) -> None:
        """A final, in the caller's numbers and times, is told."""
        self.next_segment = final.segment + 1
        self.final_ms = final.end_ms
        self._transcribed_ms += final.end_ms - final.start_ms

    def of_final(self, final: Final) -> Final:
        """In the caller's numbers and times; so do the others."""
        if self.base == 0:
            return final
        base_ms = self.base_ms
        words = tuple(replace(word, start_ms=word.start_ms + base_ms, end_ms=word.end_ms + base_ms) for word in final.words)
        return replace(
            final,
            segment=final.segment + self.base_segment,
            start_ms=final.start_ms + base_ms,
            end_ms=final.end_ms + base_ms,
            words=words,
        )

    def of_partial(self, partial: Partial) -> Partial:
        return replace(
            partial,
            segment=partial.segment + self.base_segment,
            start_ms=partial.start_ms + self.base_ms,
            end_ms=partial.end_ms + self.base_ms,
        )

    def of_gap(self, gap: Gap) -> Gap:
        return replace(gap, from_ms=gap.from_ms + self.base_ms, to_ms=gap.to_ms + self.base_ms)

    def of_model(self, changed: ModelChanged) -> ModelChanged:
        return replace(changed, from_segment=changed.from_segment + self.base_segment)

    def of_speech(self, event: SpeechStarted | SpeechEnded) -> SpeechStarted | SpeechEnded:
        return replace(event, at_ms=event.at_ms + self.base_ms)

    def of_done(self, done: Done) -> Done:
        """With what earlier sessions settled; the sum stays exact."""
        before_ms = self.base_ms - self.lost_ms
        transcribed_ms = min(self._base_transcribed_ms, before_ms)
        return replace(
            done,
            received_ms=done.received_ms + self.base_ms,
            transcribed_ms=done.transcribed_ms + transcribed_ms,
            silence_ms=done.silence_ms + before_ms - transcribed_ms,
            gap_ms=done.gap_ms + self.lost_ms,
            num_segments=done.num_segments + self.base_segment,
            complete=done.complete and self.lost_ms == 0,
        )
