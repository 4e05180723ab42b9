"""The inference process: links in, the recognition loop on its own thread, signals, and an orderly end.

Once a second it tells every link its load, which is its sign of life too. A process whose recognition thread hangs ends
itself: the web processes then take their streams elsewhere, and whoever started it starts it again.
"""

import asyncio
import contextlib
import faulthandler
import itertools
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import structs

from inference import memory
from inference.config import InferenceConfig, split_model
from inference.decoding.lms import language_models_in
from inference.engines.base import Engine
from inference.errors import NotReadyError
from inference.keeper import ModelKeeper
from inference.link import local
from inference.load import LoadMeter
from inference.loading import device_of
from inference.loop import RecognitionLoop
from inference.messages import (
    AnyEvent,
    AnyModelEvent,
    AnyModelRequest,
    AnyRequest,
    AnyStreamEvent,
    AnyStreamRequest,
    LoadModel,
    ModelFailed,
    ModelInfo,
    ReadMetrics,
    UnloadModel,
    WorkerLoad,
    WorkerStatus,
    encoder,
    request_decoder,
)
from inference.observing import Observer
from inference.vad import LevelVad, SpeechDetector

logger = logging.getLogger(__name__)

CreateEngine = Callable[[str], Engine[Any]]
REPORT_EVERY_S: Final = 1.0
EXIT_STUCK: Final = 4
MAX_UNREAD_BYTES: Final = 16 * 1024 * 1024
"""Events that a web process has not read yet, some fifty thousand. One that reads no more is given up; when it wakes, it
sends again what it does not know to be settled."""


class InferenceServer:
    """Args:
    engines: not loaded yet; loading happens on the loop's thread while links already learn that it goes on.
    """

    def __init__(self, config: InferenceConfig, engines: list[Engine[Any]]) -> None:
        self.config = config
        self.engines = engines
        self.status = WorkerStatus(node=f"{socket.gethostname()}:{os.getpid()}", is_ready=False, detail="Models are loading.")
        self.load = WorkerLoad()
        self.failure: Exception | None = None
        self.observer = Observer(lambda: self.load)
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._link_ids = itertools.count()
        self._stopping = asyncio.Event()
        self._has_room = asyncio.Event()
        self._events = asyncio.get_running_loop()
        self._recognition: RecognitionLoop | None = None
        self._meter: LoadMeter | None = None
        self._keeper: ModelKeeper | None = None
        self._loop: RecognitionLoop | None = None

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, or until loading or recognition fails; whatever failed is raised here.

        Raises:
            InferenceError: a model could not be loaded.
            OSError: the address cannot be bound.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            self._events.add_signal_handler(number, self._stopping.set)
        server = await local.listen(self.config.address, self._serve_link)
        self.observer.export(self.config.metrics_host, self.config.metrics_port)
        thread = threading.Thread(target=self._recognise, name="recognition")
        thread.start()
        reporting = self._events.create_task(self._report(), name="load-report")
        reporting.add_done_callback(self._stop_if_broken)
        logger.info("listening on %s", self.config.address)
        await self._stopping.wait()
        reporting.cancel()
        await self._shut_down(server, thread)
        if self.failure is not None:
            raise self.failure

    async def _shut_down(self, server: asyncio.Server, thread: threading.Thread) -> None:
        server.close()
        self.observer.close()
        if self._keeper is not None:
            self._keeper.close()
        if self._recognition is not None:
            self._recognition.stop()
        await asyncio.to_thread(thread.join)
        for writer in self._writers.values():
            writer.close()

    # Links, on the event loop

    async def _serve_link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link_id = next(self._link_ids)
        self._writers[link_id] = writer
        self._write(link_id, [self.load, self.status])
        try:
            while (body := await local.read_frame(reader)) is not None:
                await self._take(link_id, request_decoder.decode(body), len(body))
        except ValueError:
            logger.exception("link %d sent what cannot be read; closing it", link_id)
        finally:
            del self._writers[link_id]
            if self._recognition is not None:
                self._recognition.drop_link(link_id)
            await local.close(writer)

    async def _take(self, link_id: int, requests: list[AnyRequest], num_bytes: int) -> None:
        for_streams: list[AnyStreamRequest] = []
        for request in requests:
            if isinstance(request, LoadModel | UnloadModel):
                self._take_for_model(link_id, request)
            elif isinstance(request, ReadMetrics):
                self._write(link_id, [self.observer.snapshot(request)])
            else:
                for_streams.append(request)
        if self._recognition is not None:
            self._recognition.submit(link_id, for_streams, num_bytes)
            await self._wait_for_room(self._recognition)

    def _take_for_model(self, link_id: int, request: AnyModelRequest) -> None:
        if self._keeper is not None:
            self._keeper.take(link_id, request)
            return
        model = request.spec.name if isinstance(request, LoadModel) else request.model
        err = NotReadyError("This inference process is still loading its first models. Try again in a moment.")
        self._write(link_id, [ModelFailed(model=model, stage="checking", code=err.code, message=err.message)])

    async def _wait_for_room(self, recognition: RecognitionLoop) -> None:
        """While recognition does not take what comes, no more is read: it waits in the web processes, which keep it anyway."""
        while not recognition.has_room:
            self._has_room.clear()
            await self._has_room.wait()

    def _write(self, link_id: int, events: Sequence[AnyEvent]) -> None:
        writer = self._writers.get(link_id)
        if writer is None or writer.is_closing():
            return
        writer.write(local.pack(encoder.encode(events)))
        if writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            logger.error("link %d does not read what it is told; it is given up", link_id)
            writer.transport.abort()

    def _announce(self, event: WorkerStatus | WorkerLoad) -> None:
        for link_id in self._writers:
            self._write(link_id, [event])

    async def _report(self) -> None:
        while True:
            self._check_pulse()
            self.observer.look()
            self._announce(self.load)
            await asyncio.sleep(REPORT_EVERY_S)

    def _check_pulse(self) -> None:
        """Measure the load; end the process if its recognition thread will do no more work: no thread can be ended alone."""
        if self._recognition is None or self._meter is None:
            return
        self.load = self._meter.report(len(self._recognition.clients))
        self._recognition.is_overloaded = self.load.is_overloaded
        if self._meter.is_stuck:
            logger.critical("the recognition thread has hung for %d ms; ending this process", self.load.stalled_ms)
            faulthandler.dump_traceback()
            os._exit(EXIT_STUCK)

    def _stop_if_broken(self, reporting: asyncio.Task[None]) -> None:
        """Without reports the web processes would take this one for dead."""
        if not reporting.cancelled() and isinstance(err := reporting.exception(), Exception):
            self.failure = err
            self._stopping.set()

    # Recognition, on its own thread

    def _recognise(self) -> None:
        try:
            detector = self._load()
            loop = self._loop = RecognitionLoop(
                {engine.info.name: engine for engine in self.engines},
                detector,
                self._deliver,
                max_streams=self.config.max_streams,
                max_batch=self.config.max_batch,
                on_room=lambda: self._on_events(self._has_room.set),
                on_unused=lambda model: self._on_events(self._on_unused, model),
                meters=self.observer.meters,
                language_models=language_models_in(self.config.streaming.lm_dir),
            )
            self._on_events(self._become_ready, loop)
            loop.run()
        except Exception as err:  # noqa: BLE001  # run() raises it again: a process that broke must not end as if all was well
            self.failure = err
        finally:
            self._on_events(self._stopping.set)
            for engine in self.engines if self._loop is None else self._loop.engines.values():
                engine.close()

    def _load(self) -> SpeechDetector:
        for engine in self.engines:
            self._load_one(engine)
            logger.info("%s is warm%s", engine.info.name, f" ({engine.info.precision})" if engine.info.precision else "")
        memory.settle()
        if all(engine.info.engine == "fake" for engine in self.engines):
            return LevelVad()
        from inference.silero import SileroVad  # loads torch, which a process with the scripted engine alone does without

        return SileroVad()

    def _load_one(self, engine: Engine[Any]) -> None:
        device = device_of(engine, self.config)
        before_bytes = memory.used_bytes(device)
        engine.load()
        engine.warm_up()
        memory.give_back(device)
        engine.info = structs.replace(engine.info, memory_bytes=max(0, memory.used_bytes(device) - before_bytes))

    def _become_ready(self, loop: RecognitionLoop) -> None:
        self._recognition = loop
        self.observer.watch(loop, device_of(self.engines[0], self.config))
        self._meter = LoadMeter(loop.pulse, self.config.max_streams, self.config.max_delay_ms)
        if self._stopping.is_set():
            loop.stop()
        sources = {name: str(path or name) for name, path in map(split_model, self.config.models)}
        self._keeper = ModelKeeper(loop, self.config, sources, tell=self._tell, announce=self._announce_models)
        self.load = self._meter.report(num_streams=0)
        self._announce(self.load)  # before the models: whoever knows these knows how many places there are
        self._announce_models(tuple(engine.info for engine in self.engines))
        logger.info("ready: %s", ", ".join(engine.info.name for engine in self.engines))

    def _tell(self, link_id: int, event: AnyModelEvent) -> None:
        self._write(link_id, [event])

    def _announce_models(self, models: tuple[ModelInfo, ...]) -> None:
        self.status = WorkerStatus(node=self.status.node, is_ready=True, models=models)
        self._announce(self.status)

    def _on_unused(self, model: str) -> None:
        if self._keeper is not None:
            self._keeper.on_unused(model)

    def _deliver(self, link_id: int, events: list[AnyStreamEvent]) -> None:
        if self._recognition is not None:
            self._recognition.pulse.delivered(events)
        self._on_events(self._write, link_id, events)

    def _on_events(self, function: Callable[..., object], *args: object) -> None:
        """Call `function` on the event loop; nobody is left to hear it once that is closed."""
        with contextlib.suppress(RuntimeError):
            self._events.call_soon_threadsafe(function, *args)
