"""What a listener waited for text, summed up for the stored session. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class Latency:
    """Milliseconds; `first_audio_s` is the clock's time when the first audio came. None: it did not happen."""

    first_audio_s: float | None = None
    first_text_ms: float | None = None
    final_queue_ms_max: float | None = None
    final_infer_ms_max: float | None = None
    newest_took_ms: float = 0.0

    def heard_audio(self, now_s: float) -> None:
        if self.first_audio_s is None:
            self.first_audio_s = now_s

    def sent_text(self, now_s: float, start_ms: int) -> None:
        """Text left whose speech began at `start_ms` of the audio; right for audio that comes as it is spoken."""
        if self.first_text_ms is None and self.first_audio_s is not None:
            self.first_text_ms = max(0.0, (now_s - self.first_audio_s) * 1000 - start_ms)

    def recognised(self, queue_ms: float, infer_ms: float) -> None:
        """A text came; it waited and was worked on for so long."""
        self.newest_took_ms = queue_ms + infer_ms

    def sent_final(self, queue_ms: float, infer_ms: float) -> None:
        self.final_queue_ms_max = max(queue_ms, self.final_queue_ms_max or 0.0)
        self.final_infer_ms_max = max(infer_ms, self.final_infer_ms_max or 0.0)

    def summary(self) -> dict[str, float]:
        """What is known, to a tenth."""
        known = {
            "first_text_ms": self.first_text_ms,
            "final_queue_ms_max": self.final_queue_ms_max,
            "final_infer_ms_max": self.final_infer_ms_max,
        }
        return {name: round(value, 1) for name, value in known.items() if value is not None}
