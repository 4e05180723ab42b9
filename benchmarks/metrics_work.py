"""What the processes of a server do for their metrics, done alone and timed. A program of its own: Django is set up for it.

Prints JSON: milliseconds of processor time for a second of the server. Of several rounds the least counts: what others do on the
machine only adds.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from unittest import mock

import django
import psutil

django.setup()

from django.core.management import call_command  # noqa: E402  # as all below: Django is set up first
from django.db import connection  # noqa: E402

from benchmarks.recorded import fill_samples  # noqa: E402
from inference.messages import Checkpoint, ReadMetrics, Timings, WorkerLoad, encoder  # noqa: E402
from inference.observing import Observer  # noqa: E402
from transcription.metrics import meters  # noqa: E402
from transcription.metrics.process import Reporter  # noqa: E402
from transcription.metrics.rollup import roll_up  # noqa: E402
from transcription.metrics.store import Store  # noqa: E402
from transcription.protocol import FinalResult, PartialResult, SpeechEnded  # noqa: E402
from transcription.session.actions import RecordFinal  # noqa: E402
from transcription.session.stream_session import Phase, StreamSession  # noqa: E402
from transcription.session.terms import Terms  # noqa: E402
from transcription.streaming import gauges  # noqa: E402
from transcription.streaming.measuring import StreamMeasures  # noqa: E402

ROUNDS: Final = 5
NUM_STREAMS: Final = 16
PARTIALS_PER_S: Final = 3
SECONDS: Final = 60
FINAL_EVERY_S: Final = 5
STEPS_PER_S: Final = 12
STREAMS_PER_STEP: Final = 4
LOOK_EVERY_S: Final = 5
LOOKS: Final = SECONDS // LOOK_EVERY_S
ROLL_UPS: Final = 2
NUM_INFERENCE: Final = 2
NUM_QUIET: Final = 2_000
FRAMES_PER_S: Final = 5


class Speaker:
    """A session that is being spoken, and what is said of it."""

    def __init__(self, number: int) -> None:
        self.session = StreamSession(f"speaker-{number}", Terms("en", tuple), time.monotonic)
        self.session.terms.model, self.session.terms.language, self.session.phase = "whisper-base", "en", Phase.LIVE
        self.session.results.latency.first_audio_s = time.monotonic()
        self.measures = StreamMeasures(self.session)

    def says(self, segment: int, at_ms: int) -> None:
        self._send(PartialResult(segment=segment, text="alpha", stable="", start_ms=0, end_ms=at_ms))

    def ends(self, segment: int, at_ms: int) -> None:
        final = FinalResult(
            segment=segment, text="alpha", start_ms=at_ms - 4_000, end_ms=at_ms, language="en", confidence=0.9,
            model="whisper-base", words=[], from_finalize=False,
        )  # fmt: skip
        self._send(SpeechEnded(at_ms=at_ms))
        self.measures.recorded(RecordFinal(final, Checkpoint(), Timings(queue_ms=1.0, infer_ms=2.0)))
        self._send(final)

    def _send(self, message: PartialResult | FinalResult | SpeechEnded) -> None:
        sent = self.measures.sending(message, time.monotonic(), is_stored=True)
        if sent is not None:
            sent()


def talk() -> None:
    """A minute of sixteen speakers."""
    speakers = [Speaker(number) for number in range(NUM_STREAMS)]
    for second in range(SECONDS):
        for speaker in speakers:
            for part in range(PARTIALS_PER_S):
                speaker.says(second // FINAL_EVERY_S, second * 1000 + part)
            if second % FINAL_EVERY_S == FINAL_EVERY_S - 1:
                speaker.ends(second // FINAL_EVERY_S, second * 1000)


def least_s(work: Callable[[], None]) -> float:
    """Processor time of this process."""
    found = []
    for _ in range(ROUNDS):
        began_s = time.process_time()
        work()
        found.append(time.process_time() - began_s)
    return min(found)


def postgres_s() -> float:
    """Processor time of the connection's other end, up to now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def quiet_crowd_s() -> float:
    """One look at the living objects, with two thousand quiet sessions."""
    crowd = [Speaker(number) for number in range(NUM_QUIET)]
    with mock.patch.object(gauges, "every_live_stream", return_value=crowd):
        return least_s(look_at_the_living)


def look_at_the_living() -> None:
    gauges.sessions_live()
    gauges.streams_speaking()
    gauges.audio_received()


class Server:
    """A minute of what each part of it does for its metrics."""

    def __init__(self) -> None:
        self.observer = Observer(WorkerLoad)
        self.reporter = Reporter("web", meters.web)

    def step(self) -> None:
        for _ in range(SECONDS * STEPS_PER_S):
            self.observer.meters.stepped("whisper-base", [0.01] * STREAMS_PER_STEP, 0.1)

    def look_and_tell(self) -> None:
        """An inference process."""
        for _ in range(LOOKS):
            self.observer.sampler.look()
            encoder.encode(self.observer.snapshot(ReadMetrics()))

    def look_and_store(self) -> None:
        """A web process, or the worker."""
        for _ in range(LOOKS):
            self.reporter.once()

    def fetch_and_roll_up(self) -> None:
        """The worker, for the inference processes and for all."""
        for _ in range(LOOKS):
            for number in range(NUM_INFERENCE):
                Store(f"inference-{number}").write(self.observer.snapshot(ReadMetrics(since_s=time.time() - 20)).intervals)
        for _ in range(ROLL_UPS):
            roll_up()


def fill() -> None:
    """An hour of samples of five processes, so that rolling up has something to do."""
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        fill_samples(cursor.cursor, datetime.now(UTC), timedelta(hours=1))
        cursor.execute("ANALYZE")


def measured() -> dict[str, float]:
    server = Server()
    taken_s = {"texts": least_s(talk), "steps": least_s(server.step)}
    taken_s["inference"] = NUM_INFERENCE * least_s(server.look_and_tell)
    before_s = postgres_s()
    taken_s["web"] = least_s(server.look_and_store)
    taken_s["worker"] = taken_s["web"] + least_s(server.fetch_and_roll_up)
    taken_s["postgres"] = (postgres_s() - before_s) / ROUNDS
    taken_s["whole"] = sum(taken_s.values())
    found = {f"{name}_ms_per_s": each_s / SECONDS * 1000 for name, each_s in taken_s.items()}
    return found | {"quiet_frame_us": quiet_crowd_s() / (NUM_QUIET * FRAMES_PER_S * LOOK_EVERY_S) * 1e6}


if __name__ == "__main__":
    fill()
    json.dump(measured(), sys.stdout)
