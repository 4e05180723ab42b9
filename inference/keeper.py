"""Who loads and unloads models while streams go on: one load at a time, on a thread of its own, every step announced.

`take` and everything else here belong to the event loop. What touches engines that recognise is done on the recognition
thread (`Mover`), what takes long on a fresh thread.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from inference import memory
from inference.config import InferenceConfig
from inference.engines import registry
from inference.errors import InferenceError, ModelKeptError, NameTakenError
from inference.loading import Loaded, Loader, device_of
from inference.loop import RecognitionLoop
from inference.messages import (
    AnyModelEvent,
    AnyModelRequest,
    LoadModel,
    ModelFailed,
    ModelInfo,
    ModelLoaded,
    ModelProgress,
    ModelUnloaded,
    Stage,
    UnloadModel,
)
from inference.moving import Mover, Moves

logger = logging.getLogger(__name__)

BOUNDARY_PATIENCE_S: Final = 12.0
"""After streams were told to go over: a segment lasts 9 s at most if nobody asked for longer ones, and its final is due then."""

ResultT = TypeVar("ResultT")
Tell = Callable[[int, AnyModelEvent], None]


@dataclass(slots=True)
class _Drain:
    """A model that is to be unloaded. `unused`: nobody needs it, or it stays (`is_off`)."""

    unused: asyncio.Event = field(default_factory=asyncio.Event)
    is_off: bool = False

    async def ended_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.unused.wait(), seconds)
        except TimeoutError:
            return False
        return True


class ModelKeeper:
    """Args:
    sources: where each model that is loaded comes from, by name; as `registry.source_of`.
    tell: gives an event to one link. announce: called with all models whenever they have changed.
    """

    def __init__(
        self,
        recognition: RecognitionLoop,
        config: InferenceConfig,
        sources: dict[str, str],
        *,
        tell: Tell,
        announce: Callable[[tuple[ModelInfo, ...]], None],
    ) -> None:
        self._recognition = recognition
        self._mover = Mover(recognition.roster)
        self._config = config
        self._sources = sources
        self._tell = tell
        self._announce = announce
        self._events = asyncio.get_running_loop()
        self._one_at_a_time = asyncio.Lock()
        self._drains: dict[str, _Drain] = {}
        self._unloading: dict[str, asyncio.Task[ModelUnloaded]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def take(self, link_id: int, request: AnyModelRequest) -> None:
        """Begin with it; its events go to the link that asked, if that is still there."""
        match request:
            case LoadModel():
                self._start(self._load(link_id, request))
            case UnloadModel():
                self._start(self._unload(link_id, request))

    def on_unused(self, model: str) -> None:
        """No stream needs it any more."""
        if (drain := self._drains.get(model)) is not None:
            drain.unused.set()

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    # Loading

    async def _load(self, link_id: int, request: LoadModel) -> None:
        name = request.spec.name
        async with self._one_at_a_time:
            loader = Loader(request, self._config, partial(self._progress_from_thread, link_id, name))
            try:
                answer: AnyModelEvent = await self._present(request) or await self._loaded(loader)
            except InferenceError as err:
                logger.error("%s was not loaded, and nothing has changed: %s", name, err)
                answer = ModelFailed(model=name, stage=loader.stage, code=err.code, message=err.message)
            except Exception:
                logger.exception("%s was not loaded", name)
                answer = _broken(name, loader.stage)
            if isinstance(answer, ModelFailed):
                await self._beside(partial(memory.give_back, "cpu"))
        self._tell(link_id, answer)

    async def _loaded(self, loader: Loader) -> ModelLoaded:
        loaded = await self._beside(loader.run)
        info = loaded.engine.info
        self._announce(await self._on_recognition(partial(self._mover.add, loaded.engine)))
        self._sources[info.name] = registry.source_of(loader.request.spec)
        logger.info("%s is warm (%s), loaded in %d ms", info.name, info.precision or info.engine, loaded.load_ms)
        return _answer(loaded)

    async def _present(self, request: LoadModel) -> ModelLoaded | None:
        """The model if it is there; one that is about to be unloaded stays then, unless it was taken out a moment ago.

        Raises:
            NameTakenError: another one has its name.
        """
        name = request.spec.name
        source = self._sources.get(name)
        if source is None:
            return None
        info = _of(name, await self._on_recognition(self._mover.infos))
        if info is None:
            return None
        if source != registry.source_of(request.spec) or request.spec.precision not in {"auto", info.precision or "auto"}:
            kind = f"from {source}, in {info.precision or 'no'} precision"
            raise NameTakenError(f"Another model is called {name} here: {kind}. Give this one another name.")
        infos = await self._on_recognition(partial(self._mover.restore, name))
        if (drain := self._drains.get(name)) is not None:
            drain.is_off = True
            drain.unused.set()
        self._announce(infos)
        info = _of(name, infos)
        return None if info is None else ModelLoaded(model=name, info=info, load_ms=0, memory_bytes=info.memory_bytes)

    # Unloading

    async def _unload(self, link_id: int, request: UnloadModel) -> None:
        name = request.model
        self._progress(link_id, name, "draining", "")
        running = self._unloading.get(name)
        if running is None:
            running = self._unloading[name] = self._start(self._unloaded(request))
            running.add_done_callback(lambda _task: self._unloading.pop(name))
        try:
            answer: AnyModelEvent = await asyncio.shield(running)
        except InferenceError as err:
            logger.warning("%s was not unloaded: %s", name, err)
            answer = ModelFailed(model=name, stage="draining", code=err.code, message=err.message)
        except Exception:
            logger.exception("%s was not unloaded", name)
            answer = _broken(name, "unloading")
        self._tell(link_id, answer)

    async def _unloaded(self, request: UnloadModel) -> ModelUnloaded:
        """1. no new streams, 2. wait until nobody needs it, 3. take it out, 4. close it and give its memory back."""
        name = request.model
        if name not in self._sources:
            if request.successor in self._sources:
                self._announce(await self._on_recognition(partial(self._mover.succeed, name, request.successor)))
            used_bytes = memory.used_bytes("cpu")
            return ModelUnloaded(model=name, memory_bytes_before=used_bytes, memory_bytes_after=used_bytes)
        drain = self._drains[name] = _Drain()
        try:
            retire = self._mover.retire_elsewhere if request.is_elsewhere else self._mover.retire
            self._announce(await self._on_recognition(partial(retire, name, request.successor)))
            moves = await (self._left(drain, name) if request.is_elsewhere else self._emptied(drain, request))
        finally:
            del self._drains[name]
        if drain.is_off:
            raise ModelKeptError(f"{name} was asked for again while it was being unloaded, so it stays.")
        before_bytes, after_bytes = await self._closed(name)
        logger.info("%s is unloaded; %d MB are in use", name, after_bytes // 1_000_000)
        return ModelUnloaded(
            model=name,
            memory_bytes_before=before_bytes,
            memory_bytes_after=after_bytes,
            num_moved=moves.num_moved,
            num_failed=moves.num_failed,
        )

    async def _emptied(self, drain: _Drain, request: UnloadModel) -> Moves:
        """Wait until no stream needs the model; let those that stay too long go over to another one."""
        moves = Moves()
        if await drain.ended_within(request.drain_s):
            return moves
        moves = await self._on_recognition(partial(self._mover.move_streams, request.model))
        while not await drain.ended_within(BOUNDARY_PATIENCE_S):
            await self._on_recognition(partial(self._mover.end_segments, request.model))
        return moves

    async def _left(self, drain: _Drain, name: str) -> Moves:
        """Let the streams of the model leave this process."""
        num_moved = await self._on_recognition(partial(self._mover.send_away, name))
        while not await drain.ended_within(BOUNDARY_PATIENCE_S):
            await self._on_recognition(partial(self._mover.end_segments, name))
        return Moves(num_moved=num_moved)

    async def _closed(self, name: str) -> tuple[int, int]:
        """Memory before and after."""
        engine = await self._on_recognition(partial(self._mover.remove, name))
        del self._sources[name]
        self._announce(await self._on_recognition(self._mover.infos))
        device = device_of(engine, self._config)
        before_bytes = memory.used_bytes(device)
        await self._beside(engine.close)
        del engine  # what it still holds is to be given back as well
        await self._beside(partial(memory.give_back, device))
        return before_bytes, memory.used_bytes(device)

    # Threads

    def _progress(self, link_id: int, model: str, stage: Stage, detail: str) -> None:
        self._tell(link_id, ModelProgress(model=model, stage=stage, detail=detail))

    def _progress_from_thread(self, link_id: int, model: str, stage: Stage, detail: str) -> None:
        self._events.call_soon_threadsafe(self._progress, link_id, model, stage, detail)

    async def _on_recognition(self, function: Callable[[], ResultT]) -> ResultT:
        return await _in(self._recognition.do, function)

    async def _beside(self, function: Callable[[], ResultT]) -> ResultT:
        """On a thread that does not hold up the end of the process."""
        return await _in(lambda run: threading.Thread(target=run, name="models", daemon=True).start(), function)

    def _start(self, coroutine: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        task = self._events.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._on_end)
        return task

    def _on_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it tells


async def _in(start: Callable[[Callable[[], None]], object], function: Callable[[], ResultT]) -> ResultT:
    """What `function` returns or raises elsewhere: `start` has what it is given carried out there."""
    done: Future[ResultT] = Future()

    def run() -> None:
        if not done.set_running_or_notify_cancel():
            return
        try:
            done.set_result(function())
        except Exception as err:  # noqa: BLE001  # whoever waits raises it again
            done.set_exception(err)

    start(run)
    return await asyncio.wrap_future(done)


def _of(name: str, infos: tuple[ModelInfo, ...]) -> ModelInfo | None:
    return next((info for info in infos if info.name == name), None)


def _broken(model: str, stage: Stage) -> ModelFailed:
    """Of what nobody foresaw."""
    sentence = f"Something broke while {model} was being changed. The log of the inference process has the details."
    return ModelFailed(model=model, stage=stage, code=InferenceError.code, message=sentence)


def _answer(loaded: Loaded) -> ModelLoaded:
    hearing = loaded.hearing
    return ModelLoaded(
        model=loaded.engine.info.name,
        info=loaded.engine.info,
        load_ms=loaded.load_ms,
        memory_bytes=loaded.memory_bytes,
        canary_wer=None if hearing is None else round(hearing.wer, 4),
        canary_rtf=None if hearing is None else round(hearing.rtf, 4),
    )
