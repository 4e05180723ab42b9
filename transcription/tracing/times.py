"""When what happened to a segment, and what that is as the spans of a trace. Pure. All times are Unix seconds."""

from dataclasses import dataclass
from typing import Final, NamedTuple

MS_PER_S: Final = 1000


class Step(NamedTuple):
    """A span below that of the whole segment."""

    name: str
    began_s: float
    ended_s: float


@dataclass(slots=True, kw_only=True)
class SegmentTimes:
    """first_audio_s: when the first audio of the stream came; None: not here. start_ms, end_ms: of the segment in the audio.
    queue_ms, infer_ms: what inference has measured. heard_s: when the final came from there. stored_s, sent_s: None until it is
    stored, and until the socket has taken it.
    """

    session: str
    segment: int
    model: str
    language: str
    first_audio_s: float | None
    start_ms: int
    end_ms: int
    queue_ms: float
    infer_ms: float
    heard_s: float
    stored_s: float | None = None
    sent_s: float | None = None

    @property
    def whole(self) -> Step:
        """From the first of its audio until its final was stored and sent."""
        steps = self.steps()
        return Step("segment", min(step.began_s for step in steps), max(step.ended_s for step in steps))

    def steps(self) -> list[Step]:
        """Those that have happened, in the order in which they began."""
        infer_s = self.heard_s - self.infer_ms / MS_PER_S
        queued_s = infer_s - self.queue_ms / MS_PER_S
        steps = [self._receive(queued_s), Step("queue", queued_s, infer_s), Step("infer", infer_s, self.heard_s)]
        if self.stored_s is not None:
            steps.append(Step("store", self.heard_s, self.stored_s))
        if self.sent_s is not None:
            steps.append(Step("deliver", self._announced_s(self.sent_s), self.sent_s))
        return steps

    def _receive(self, queued_s: float) -> Step:
        """The coming of its audio, before it was queued also where it comes faster than it was spoken, or was begun elsewhere."""
        ended_s = queued_s if self.first_audio_s is None else min(queued_s, self.first_audio_s + self.end_ms / MS_PER_S)
        began_s = ended_s - (self.end_ms - self.start_ms) / MS_PER_S
        return Step("receive", began_s if self.first_audio_s is None else min(ended_s, max(began_s, self.first_audio_s)), ended_s)

    def _announced_s(self, sent_s: float) -> float:
        """A final waits until it is stored; when that takes too long it is sent before."""
        return self.stored_s if self.stored_s is not None and self.stored_s <= sent_s else self.heard_s
