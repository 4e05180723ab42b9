"""What an inference process tells of itself: its meters, looked at every five seconds, over links and on a port of its own."""

import time
from collections.abc import Callable
from http.server import HTTPServer
from typing import Final

from prometheus_client import start_http_server

from inference import metrics
from inference.audio import SAMPLE_RATE_HZ
from inference.gpu import Gpu, gpu_of
from inference.loop import RecognitionLoop
from inference.messages import MetricsSnapshot, ReadMetrics, WorkerLoad
from inference.meters import InferenceMeters
from inference.sampling import LOOK_EVERY_S, Sampler

SLACK_S: Final = 0.5
"""Whoever looks once a second may come a little early."""


class Observer:
    """Args:
    load: what the process reports of itself.

    All but `export` is for the event loop. `sampler`: cuts what was counted into intervals.
    """

    def __init__(self, load: Callable[[], WorkerLoad]) -> None:
        self.meters = InferenceMeters()
        self.meters.watch(metrics.BUSY, lambda: {(): load().busy})
        self.sampler = Sampler(self.meters.registry)
        self._looked_s = time.monotonic()
        self._server: HTTPServer | None = None

    def watch(self, loop: RecognitionLoop, device: str = "cpu") -> None:
        """Measure recognition too, which has begun. device: as torch writes it."""
        self.meters.watch(metrics.STREAMS_OPEN, lambda: {(): float(len(loop.clients))})
        self.meters.watch(metrics.REAL_TIME_FACTOR, lambda: real_time_factors(loop))
        self.meters.watch(metrics.MODEL_MEMORY, lambda: model_memories(loop))
        gpu = gpu_of(device)
        if gpu is not None:
            self._watch_gpu(gpu)

    def _watch_gpu(self, gpu: Gpu) -> None:
        self.meters.watch(metrics.GPU_UTILISATION, gpu.utilisation)
        self.meters.watch(metrics.GPU_MEMORY, gpu.memory_bytes)

    def look(self) -> None:
        """Called about once a second."""
        if time.monotonic() - self._looked_s >= LOOK_EVERY_S - SLACK_S:
            self._looked_s = time.monotonic()
            self.sampler.look()

    def snapshot(self, request: ReadMetrics) -> MetricsSnapshot:
        return MetricsSnapshot(intervals=self.sampler.since(request.since_s))

    def export(self, host: str, port: int) -> None:
        """Answer at `port` on a thread; 0: nowhere.

        Raises:
            OSError: the address cannot be bound.
        """
        if port:
            self._server, _thread = start_http_server(port, host, self.meters.registry)

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def real_time_factors(loop: RecognitionLoop) -> dict[tuple[str, ...], float]:
    """By model, of those that have recognised something. Called from any thread."""
    rates = {name: pace.samples_per_s for name, pace in tuple(loop.lineup.paces.items())}
    return {(name,): SAMPLE_RATE_HZ / rate for name, rate in rates.items() if rate}


def model_memories(loop: RecognitionLoop) -> dict[tuple[str, ...], float]:
    return {(name,): float(engine.info.memory_bytes) for name, engine in tuple(loop.engines.items())}
