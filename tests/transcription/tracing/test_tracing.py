"""Traces of finals: what they hold, when they are made, and where they go. A real process of the scripted engine recognises."""

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from asr_project import telemetry
from asr_project.serve.config import PROJECT_DIR
from asr_project.telemetry import trace_exporter
from inference.logs import trace_id_of
from tests.inference.worker import Worker, running_worker
from tests.transcription.test_consumers import Socket
from tests.transcription.tracing.test_times import LIVE
from tests.transcription.web_process import running_web_process
from transcription.streaming import live
from transcription.tracing.spans import KnownTraceIds, SpanMaker, span_maker
from transcription.tracing.times import SegmentTimes
from transcription.tracing.tracer import Following, Tracer

STEPS = ["receive", "queue", "infer", "store", "deliver"]


class Exporter(InMemorySpanExporter):
    """Knows which threads have made spans."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[str] = set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.threads.add(threading.current_thread().name)
        return super().export(spans)


@pytest.fixture
def exporter() -> Exporter:
    return Exporter()


@pytest.fixture
def maker(exporter: Exporter) -> SpanMaker:
    ids = KnownTraceIds()
    provider = TracerProvider(id_generator=ids, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return SpanMaker(provider, ids)


def traces_of(exporter: Exporter) -> dict[int, dict[str, ReadableSpan]]:
    """Trace id → name → span."""
    traces: dict[int, dict[str, ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        traces.setdefault(span.context.trace_id, {})[span.name] = span
    return traces


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with running_worker(f"unix:{tmp_path_factory.mktemp('worker') / 'i.sock'}") as started:
        yield started


@pytest.fixture
async def web_process(worker: Worker, settings: Any) -> AsyncIterator[None]:
    async with running_web_process(worker, settings):
        yield


@pytest.mark.django_db(transaction=True)
@pytest.mark.integration
async def test_inference_is_told_what_the_session_is_called_in_logs(web_process: None) -> None:
    socket = await Socket().open()
    await socket.say("alpha bravo")
    ready = await socket.expect("ready")

    (stream,) = live.live_streams().values()
    assert stream.handle is not None
    assert stream.handle.session == ready["session"]
    await socket.finish()


@pytest.mark.django_db(transaction=True)
@pytest.mark.integration
async def test_each_segment_becomes_a_trace_of_its_own_and_a_line_of_the_log(
    web_process: None,
    exporter: Exporter,
    maker: SpanMaker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "transcription.streaming.live")
    tracer = Tracer(maker.make)
    monkeypatch.setattr(live, "current_tracer", lambda: tracer)
    socket = await Socket().open()
    await socket.say("alpha bravo", 1.0)
    await socket.say("charlie delta")
    await socket.finish()
    tracer.close()

    session = socket.of("ready")[0]["session"]
    finals = socket.of("final")
    traces = traces_of(exporter)
    assert len(finals) == 2
    assert set(traces) == {trace_id_of(session, final["segment"]) for final in finals}
    for final in finals:
        spans = traces[trace_id_of(session, final["segment"])]
        assert_is_trace_of(final, session, spans)
    assert all(name.startswith("tracer") for name in exporter.threads), "not on the thread of the event loop"
    lines = [(vars(record).get("session"), vars(record).get("segment")) for record in caplog.records if "session" in vars(record)]
    assert lines == [(session, 0), (session, 1), (session, None)], "each segment, and the end"
    assert f"session {session} is over: complete, " in caplog.text
    assert "alpha" not in caplog.text


def assert_is_trace_of(final: dict[str, Any], session: str, spans: dict[str, ReadableSpan]) -> None:
    assert sorted(spans) == sorted(["segment", *STEPS])
    whole = spans["segment"]
    assert whole.parent is None
    assert {span.parent.span_id for name, span in spans.items() if name != "segment" and span.parent} == {whole.context.span_id}
    assert whole.attributes == {
        "hark.session": session,
        "hark.segment": final["segment"],
        "hark.model": final["model"],
        "hark.language": final["language"],
        "hark.speech_ms": final["end_ms"] - final["start_ms"],
    }
    began, ended = ({name: at or 0 for name, at in times} for times in both_ends(spans))
    assert began["segment"] == began["receive"] <= ended["receive"] <= began["queue"]
    assert ended["queue"] == began["infer"] < ended["infer"] == began["store"]
    assert ended["store"] == began["deliver"] < ended["deliver"] == ended["segment"]


def both_ends(spans: dict[str, ReadableSpan]) -> tuple[list[tuple[str, int | None]], list[tuple[str, int | None]]]:
    """Nanoseconds."""
    return [(name, span.start_time) for name, span in spans.items()], [(name, span.end_time) for name, span in spans.items()]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """It does not run: what it would call is called by the tests."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def on_its_way(tracer: Tracer, loop: asyncio.AbstractEventLoop) -> "tuple[Following, asyncio.Future[None]]":
    """A final that is neither stored nor sent."""
    stored = loop.create_future()
    return tracer.follow(replace(LIVE, stored_s=None, sent_s=None), stored), stored


@pytest.mark.parametrize("is_sent_first", [False, True])
def test_a_trace_is_made_when_the_final_is_both_stored_and_sent(loop: asyncio.AbstractEventLoop, is_sent_first: bool) -> None:
    made: list[SegmentTimes] = []
    tracer = Tracer(made.append)
    following, stored = on_its_way(tracer, loop)

    following.on_sent() if is_sent_first else following.on_stored(stored)
    num_made_before = len(made)
    following.on_stored(stored) if is_sent_first else following.on_sent()
    tracer.close()

    assert (num_made_before, len(made)) == (0, 1)
    assert made[0].stored_s is not None
    assert made[0].sent_s is not None


def test_where_nobody_is_there_the_trace_ends_with_storing(loop: asyncio.AbstractEventLoop) -> None:
    made: list[SegmentTimes] = []
    tracer = Tracer(made.append)
    following, stored = on_its_way(tracer, loop)

    following.on_nobody_there()
    following.on_stored(stored)
    tracer.close()

    assert [times.sent_s for times in made] == [None]


def test_a_trace_that_cannot_be_made_is_logged(loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_times: SegmentTimes) -> None:
        raise RuntimeError("on purpose")

    tracer = Tracer(fail)
    following, stored = on_its_way(tracer, loop)
    following.on_sent()
    following.on_stored(stored)
    tracer.close()

    assert caplog.record_tuples == [("transcription.tracing.tracer", logging.ERROR, "a trace could not be made")]


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """An address, and what was sent there."""
    sent: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()
        thread.join()


def test_a_collector_gets_the_spans_with_the_name_of_the_service(
    collector: tuple[str, list[ExportTraceServiceRequest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, sent = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=tests")
    maker = span_maker(trace_exporter("otlp", "http/protobuf").load(), "north")
    maker.make(LIVE)
    maker.provider.shutdown()

    (request,) = sent
    (resource,) = request.resource_spans
    about = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert (about["service.name"], about["service.instance.id"]) == ("hark-web", "web@north")
    assert about["deployment.environment.name"] == "tests"
    assert {span.name for span in resource.scope_spans[0].spans} == {"segment", *STEPS}


def test_without_its_packages_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "entry_points", lambda **_which: ())

    with pytest.raises(ImproperlyConfigured, match="otlp-proto-http is not installed: run `pip install -r requirements-otel"):
        trace_exporter("otlp", "http/protobuf")


def test_a_process_that_makes_no_traces_does_not_load_what_makes_them() -> None:
    code = (
        "import sys, asr_project.asgi; from transcription.tracing.tracer import current_tracer; "
        "sys.exit(current_tracer() is not None or 'transcription.tracing.spans' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT_DIR, check=False).returncode == 0
