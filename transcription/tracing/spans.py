"""Makes spans of times, with OpenTelemetry's SDK; imported only where `HARK_OTEL` is on, since its packages are an option.

What the SDK can be told by environment variables (`OTEL_*`: where to, how much, as whom) is left to it.
"""

from collections.abc import Callable
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import set_span_in_context

from inference.logs import trace_id_of
from transcription.tracing.times import SegmentTimes

SERVICE: Final = "hark-web"
NS_PER_S: Final = 1_000_000_000


class KnownTraceIds(RandomIdGenerator):
    """The next trace has the id that log lines about its segment tell."""

    trace_id = 1

    def generate_trace_id(self) -> int:
        return self.trace_id


class SpanMaker:
    """For one thread. `provider`: made with `ids`."""

    def __init__(self, provider: TracerProvider, ids: KnownTraceIds) -> None:
        self.provider = provider
        self._tracer = provider.get_tracer("hark")
        self._ids = ids

    def make(self, times: SegmentTimes) -> None:
        """The whole trace of a segment, at once."""
        self._ids.trace_id = trace_id_of(times.session, times.segment)
        whole = times.whole
        attributes: dict[str, str | int] = {
            "hark.session": times.session,
            "hark.segment": times.segment,
            "hark.model": times.model,
            "hark.language": times.language,
            "hark.speech_ms": times.end_ms - times.start_ms,
        }
        segment = self._tracer.start_span(whole.name, Context(), attributes=attributes, start_time=in_ns(whole.began_s))
        inside = set_span_in_context(segment, Context())
        for step in times.steps():
            self._tracer.start_span(step.name, inside, start_time=in_ns(step.began_s)).end(in_ns(step.ended_s))
        segment.end(in_ns(whole.ended_s))


def in_ns(unix_s: float) -> int:
    return int(unix_s * NS_PER_S)


def span_maker(make_exporter: Callable[[], SpanExporter], node: str) -> SpanMaker:
    """For this process. What is not sent yet is sent when it ends."""
    own = Resource({"service.name": SERVICE, "service.instance.id": f"web@{node}"})
    ids = KnownTraceIds()
    provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()), id_generator=ids)
    provider.add_span_processor(BatchSpanProcessor(make_exporter()))
    return SpanMaker(provider, ids)
