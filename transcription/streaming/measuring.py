"""What one live stream tells the meters: when it begins and ends, and how late its texts are. Nothing for a frame of audio.

How late a text is counts from when its audio came. Of audio that comes as it is spoken that is known in two ways: by the clock,
from the first sample on, and by how much has come behind it since; a pause of the client spoils the first, a burst the second,
so the later moment counts. Of a file that is sent faster than it was spoken it means nothing: there counts what recognition took.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from transcription.metrics.meters import web
from transcription.protocol import FinalResult, Gap, PartialResult, ServerMessage, SessionError, SpeechEnded
from transcription.session.actions import RecordAction, RecordEnd, RecordFinal
from transcription.session.stream_session import StreamSession

ENDED_BEHIND_MS: Final = 300
"""`speech_ended` may name a place a little behind the end of the final that it belongs to."""
MAX_ENDS: Final = 8

OnSent = Callable[[], None]
_lock: Final = threading.Lock()
_audio_s: Final = [0.0]


class StreamMeasures:
    """One for each live stream; for the event loop, but for `tally`."""

    __slots__ = (
        "_clock", "_counted_s", "_ends_ms", "_finalized_s", "_gaps_until_ms", "_has_begun", "_has_ended", "_has_text",
        "_is_restored", "_newest_partial", "_session",
    )  # fmt: skip

    def __init__(self, session: StreamSession, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self._ends_ms: deque[int] = deque(maxlen=MAX_ENDS)
        self._finalized_s: float | None = None
        self._newest_partial: tuple[int, int] | None = None
        self._gaps_until_ms = 0
        self._counted_s = 0.0
        self._has_begun = self._has_ended = self._has_text = self._is_restored = False

    # What happens to the session

    def restored(self) -> None:
        """Another process began it, and counted what was until now."""
        self._is_restored = self._has_begun = self._has_text = True
        self._counted_s = self._received_s()
        gaps = self._session.results.gaps
        self._gaps_until_ms = gaps[-1].to_ms if gaps else 0

    def began(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            web.sessions_started.inc()

    def finalized(self) -> None:
        self._finalized_s = self._clock()

    def recorded(self, action: RecordAction) -> None:
        if isinstance(action, RecordFinal):
            final = action.final
            web.segments.labels(web.model(final.model), web.language(final.language)).inc()
            if final.text:
                web.confidence.observe(final.confidence)
        elif isinstance(action, RecordEnd):
            self._ended(action.status)

    def _ended(self, outcome: str) -> None:
        if not self._has_ended:
            self._has_ended = True
            web.sessions_ended.labels(outcome).inc()

    def tally(self) -> None:
        """Count the audio that has come since the last time. From any thread."""
        with _lock:
            received_s = self._received_s()
            _audio_s[0] += max(0.0, received_s - self._counted_s)
            self._counted_s = received_s

    # What the client is told

    def sending(self, message: ServerMessage, heard_s: float, *, is_stored: bool) -> OnSent | None:
        """A message is about to be queued; what is returned is to be called when it was sent.

        heard_s: when the client last sent something. is_stored: it is stored with this message, so it is told for the first time.
        """
        handler = HANDLERS.get(type(message))
        return None if handler is None else handler(self, message, heard_s, is_stored=is_stored)

    def _on_error(self, error: SessionError, _heard_s: float, *, is_stored: bool) -> None:
        self.began()
        web.session_errors.labels(web.code(error.code)).inc()
        if not self._session.model:
            web.refused(error.code)
        self._ended("failed")

    def _on_gap(self, gap: Gap, _heard_s: float, *, is_stored: bool) -> None:
        """A client that comes back is told of all gaps once more."""
        missing_ms = gap.to_ms - max(gap.from_ms, self._gaps_until_ms)
        if missing_ms > 0:
            web.gap_s.labels(gap.reason).inc(missing_ms / 1000)
            self._gaps_until_ms = gap.to_ms

    def _on_speech_ended(self, event: SpeechEnded, _heard_s: float, *, is_stored: bool) -> None:
        self._ends_ms.append(event.at_ms)

    def _on_partial(self, partial: PartialResult, heard_s: float, *, is_stored: bool) -> OnSent | None:
        key = partial.segment, partial.end_ms
        if key == self._newest_partial:
            return None  # told again to a client that came back
        self._newest_partial = key
        came_s = min(self._came_s(partial.end_ms, heard_s), self._wished_s())
        first_s = self._first_text_since_s()

        def sent() -> None:
            now_s = self._clock()
            web.partial_age_s.observe(now_s - came_s)
            if first_s is not None:
                web.first_text_s.observe(now_s - first_s)

        return sent

    def _on_final(self, final: FinalResult, heard_s: float, *, is_stored: bool) -> OnSent | None:
        first_s = self._first_text_since_s()
        if not is_stored or not final.text:
            return None
        spoken_s, over_s = self._end_of(final, heard_s)
        model = web.model(final.model)

        def sent() -> None:
            now_s = self._clock()
            web.final_s.labels(model).observe(now_s - over_s)
            if spoken_s is not None:
                web.speech_to_final_s.labels(model).observe(now_s - spoken_s)
            if first_s is not None:
                web.first_text_s.observe(now_s - first_s)

        return sent

    # When it was said

    def _end_of(self, final: FinalResult, heard_s: float) -> tuple[float | None, float]:
        """When the last word of a final came, and when the server could know that nothing more would; the former is None where
        speech went on, as at the longest segment."""
        wished_s = self._wished_s()
        end_ms = next((at_ms for at_ms in self._ends_ms if final.start_ms <= at_ms <= final.end_ms + ENDED_BEHIND_MS), None)
        if final.from_finalize:
            over_s = wished_s if self._finalized_s is None else self._finalized_s
            return min(self._came_s(final.end_ms, heard_s), wished_s), min(over_s, wished_s)
        if end_ms is None:
            return None, wished_s
        over_s = self._came_s(end_ms + self._session.start.endpoint_ms, heard_s)
        return min(self._came_s(end_ms, heard_s), wished_s), min(over_s, wished_s)

    def _came_s(self, at_ms: int, heard_s: float) -> float:
        """When the audio at `at_ms` of the session came, at most now."""
        by_amount_s = heard_s - self._received_s() + at_ms / 1000
        first_s = self._session.results.latency.first_audio_s
        by_clock_s = first_s + at_ms / 1000 if first_s is not None and not self._is_restored else by_amount_s
        return min(self._clock(), max(by_amount_s, by_clock_s))

    def _wished_s(self) -> float:
        """Since when recognition had to do with the newest text."""
        return self._clock() - self._session.results.latency.newest_took_ms / 1000

    def _first_text_since_s(self) -> float | None:
        """When the speech of the session's first text began, once."""
        first_text_ms = self._session.results.latency.first_text_ms
        if self._has_text or first_text_ms is None:
            return None
        self._has_text = True
        return self._clock() - first_text_ms / 1000

    def _received_s(self) -> float:
        arrival = self._session.arrival
        return arrival.intake.num_frames / arrival.format.sample_rate_hz


HANDLERS: Final[dict[type[ServerMessage], Callable[..., Any]]] = {
    PartialResult: StreamMeasures._on_partial,
    FinalResult: StreamMeasures._on_final,
    SpeechEnded: StreamMeasures._on_speech_ended,
    SessionError: StreamMeasures._on_error,
    Gap: StreamMeasures._on_gap,
}


def both(first: OnSent | None, second: OnSent | None) -> OnSent | None:
    """One call for whoever wants to know that a message was sent."""
    if first is None or second is None:
        return first or second

    def sent() -> None:
        first()
        second()

    return sent


def audio_seconds() -> float:
    """All that was tallied in this process."""
    with _lock:
        return _audio_s[0]
