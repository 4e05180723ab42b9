"""Follows finals until they are stored and sent, and has their traces made on a thread of its own, off the audio's path."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from inference.messages import Timings
from transcription.protocol import FinalResult
from transcription.tracing.times import SegmentTimes

logger = logging.getLogger(__name__)
MakeSpans = Callable[[SegmentTimes], None]


def times_of(session: str, final: FinalResult, timings: Timings, first_audio_s: float | None) -> SegmentTimes:
    """Of a final that has just come. first_audio_s: when the stream's first audio came here, on the monotonic clock."""
    now_s = time.time()
    return SegmentTimes(
        session=session,
        segment=final.segment,
        model=final.model,
        language=final.language,
        first_audio_s=None if first_audio_s is None else now_s - (time.monotonic() - first_audio_s),
        start_ms=final.start_ms,
        end_ms=final.end_ms,
        queue_ms=timings.queue_ms,
        infer_ms=timings.infer_ms,
        heard_s=now_s,
    )


class Following:
    """One final on its way: done when it is stored and sent, or stored and nobody is there to be told."""

    def __init__(self, times: SegmentTimes, finish: MakeSpans) -> None:
        self.times = times
        self._finish = finish
        self._is_told = False

    def on_stored(self, _stored: "asyncio.Future[None]") -> None:
        self.times.stored_s = time.time()
        if self._is_told:
            self._finish(self.times)

    def on_sent(self) -> None:
        self.times.sent_s = time.time()
        self.on_nobody_there()

    def on_nobody_there(self) -> None:
        self._is_told = True
        if self.times.stored_s is not None:
            self._finish(self.times)


class Tracer:
    """One for each process."""

    def __init__(self, make_spans: MakeSpans) -> None:
        self._make_spans = make_spans
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracer")

    def follow(self, times: SegmentTimes, stored: "asyncio.Future[None]") -> Following:
        """`stored` is done when the final is stored."""
        following = Following(times, self._hand_over)
        stored.add_done_callback(following.on_stored)
        return following

    def close(self) -> None:
        """Wait until what was followed to its end is made."""
        self._thread.shutdown()

    def _hand_over(self, times: SegmentTimes) -> None:
        self._thread.submit(self._make_spans, times).add_done_callback(_log_fault)


def _log_fault(made: "Future[None]") -> None:
    if not made.cancelled() and (err := made.exception()) is not None:
        logger.error("a trace could not be made", exc_info=err)


@cache
def current_tracer() -> Tracer | None:
    """None where `HARK_OTEL` is off; then nothing of OpenTelemetry is imported either."""
    exporter = settings.HARK_OTEL_EXPORTER
    if exporter is None:
        return None
    span_maker = import_string("transcription.tracing.spans.span_maker")
    return Tracer(span_maker(exporter.load(), settings.HARK_NODE).make)
