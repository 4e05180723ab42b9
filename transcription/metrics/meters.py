"""What the web process and the worker count, each in a registry of its own. Whoever has something to count does it here.

`web` and `worker` exist in every process of Django; each exports and stores only its own (`transcription.metrics.process`).
"""

import time
from collections.abc import Callable
from typing import Final

from inference.meters import Bounded, Meters, Readings
from inference.metrics import Metric
from transcription.metrics import names

TOLD_FOR_S: Final = 180.0


class Flag:
    """A gauge that is 1 or 0, and missing while nobody knows."""

    def __init__(self) -> None:
        self.state: bool | None = None

    def set(self, *, state: bool) -> None:
        self.state = state

    def read(self) -> Readings:
        return {} if self.state is None else {(): float(self.state)}


class Told:
    """A gauge that somebody tells all values of now and then; missing when nobody has for a while, rather than wrong."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._readings: Readings = {}
        self._told_at_s = float("-inf")

    def tell(self, readings: Readings) -> None:
        self._readings, self._told_at_s = readings, self._clock()

    def read(self) -> Readings:
        return self._readings if self._clock() - self._told_at_s < TOLD_FOR_S else {}


class DjangoMeters(Meters):
    """Of a process that has the database."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Bounded()
        self.language = Bounded()
        self.code = Bounded()

    def told(self, metric: Metric) -> Told:
        told = Told()
        self.watch(metric, told.read)
        return told

    def flag(self, metric: Metric) -> Flag:
        flag = Flag()
        self.watch(metric, flag.read)
        return flag


class WebMeters(DjangoMeters):
    def __init__(self) -> None:
        super().__init__()
        self.connections = self.gauge(names.CONNECTIONS)
        self.sessions_started = self.counter(names.SESSIONS_STARTED)
        self.sessions_ended = self.counter(names.SESSIONS_ENDED)
        self.session_errors = self.counter(names.SESSION_ERRORS)
        self.refusals = self.counter(names.REFUSALS)
        self.resumptions = self.counter(names.RESUMPTIONS)
        self.gap_s = self.counter(names.GAPS)
        self.segments = self.counter(names.SEGMENTS)
        self.partials_dropped = self.counter(names.PARTIALS_DROPPED)
        self.first_text_s = self.histogram(names.FIRST_TEXT)
        self.partial_age_s = self.histogram(names.PARTIAL_AGE)
        self.final_s = self.histogram(names.FINAL)
        self.speech_to_final_s = self.histogram(names.SPEECH_TO_FINAL)
        self.confidence = self.histogram(names.CONFIDENCE)
        self.store_s = self.histogram(names.STORE)
        self.loop_lag_s = self.histogram(names.LOOP_LAG)
        self.database_up = self.flag(names.DATABASE_UP)
        self.channel_layer_up = self.flag(names.CHANNEL_LAYER_UP)

    def refused(self, reason: str) -> None:
        self.refusals.labels(self.code(reason)).inc()


class WorkerMeters(DjangoMeters):
    def __init__(self) -> None:
        super().__init__()
        self.canary_wer = self.told(names.CANARY_WER)
        self.correction_wer = self.told(names.CORRECTION_WER)
        self.swaps = self.counter(names.SWAPS)
        self.alerts_open = self.told(names.ALERTS_OPEN)


web: Final = WebMeters()
worker: Final = WorkerMeters()
