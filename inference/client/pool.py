"""All inference processes of a web process, and which of them has which stream.

A stream whose place is lost goes on at another process at once, or waits for one: there it is opened at its last checkpoint
and what is not settled is sent once more. Only the process that has a stream is listened to about it.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Iterable
from functools import partial
from typing import Final

from msgspec import structs

from inference.client.handle import OnEvents, StreamHandle
from inference.client.placement import best_fitting, least_loaded
from inference.client.quarantine import RELAPSE_S, CrashError, Quarantine
from inference.client.worker_link import NO_WORKER, WorkerLink
from inference.errors import FullError, OverloadedError
from inference.logs import about
from inference.messages import (
    LAG_MS,
    AnyStreamEvent,
    AnyStreamRequest,
    Checkpoint,
    ModelInfo,
    StreamFailed,
    StreamOptions,
    WorkerStatus,
)

logger = logging.getLogger(__name__)

OPEN_PATIENCE_S: Final = 10.0
"""How long a new stream waits for an inference process that is ready."""
LOST_PATIENCE_S: Final = 120.0
"""How long a stream waits for its inference process to come back: a model load and some."""
BEGINNING: Final = Checkpoint()


class InferenceClient:
    """Keeps a link to the inference process at each of `addresses`; they are called inference-0, inference-1, …"""

    def __init__(self, *addresses: str) -> None:
        self._handles: dict[int, StreamHandle] = {}
        self._places: dict[int, WorkerLink] = {}
        self._waiting: dict[int, StreamHandle] = {}
        self._quarantine = Quarantine()
        self._numbers = itertools.count()
        self._heard_status = asyncio.Event()
        self._models: dict[str, frozenset[str]] = {}
        self.workers = [WorkerLink(f"inference-{number}", address, self) for number, address in enumerate(addresses)]

    @property
    def status(self) -> WorkerStatus:
        """What the processes said last, as of one: it is ready when one of them is, and has the models of all that are."""
        ready = [link.status for link in self.workers if link.can_take]
        if ready:
            models = [model for status in ready for model in status.models]
            return WorkerStatus(node=", ".join(status.node for status in ready), is_ready=True, models=_merged(models))
        return next((_held_up(link.status) for link in self.workers if link.status is not NO_WORKER), NO_WORKER)

    def open_stream(
        self, options: StreamOptions, on_events: OnEvents, checkpoint: Checkpoint = BEGINNING, session: str = ""
    ) -> StreamHandle:
        """Open a stream at the least loaded process; StreamOpened or StreamFailed comes first.

        `checkpoint`: how far the stream was settled elsewhere; it goes on from there. When every process has too much to do, a
        new stream is refused at once, and one that goes on is let in. `session`: what log lines about it call it.
        """
        handle = StreamHandle(self, next(self._numbers), options, on_events, checkpoint, session=session)
        self._handles[handle.number] = handle
        if not handle.goes_on and self._are_overloaded(options):
            asyncio.get_running_loop().call_soon(handle.fail, OverloadedError())
            return handle
        handle.allow(LOST_PATIENCE_S if handle.goes_on else OPEN_PATIENCE_S)
        self._place_or_wait(handle)
        return handle

    async def heard_status(self, patience_s: float) -> WorkerStatus:
        """The status; waits up to `patience_s` for the first word of links that are just being opened."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._heard_status.wait(), patience_s)
        return self.status

    async def close(self) -> None:
        await asyncio.gather(*(link.close() for link in self.workers))

    # For handles

    def put(self, request: AnyStreamRequest, *, can_wait: bool = False) -> None:
        """Send `request`, soon or, if it `can_wait`, with others; a stream that waits for its replay is not told twice."""
        link = self._places.get(request.stream)
        if link is not None:
            link.put(request, can_wait=can_wait)

    def forget(self, handle: StreamHandle) -> None:
        self._handles.pop(handle.number, None)
        self._quarantine.forget(handle)
        self._waiting.pop(handle.number, None)
        link = self._places.pop(handle.number, None)
        if link is not None:
            link.forget(handle.number)
        self._try_next_suspect()

    # For links

    def on_news(self, link: WorkerLink) -> None:
        if link.status.is_ready or all(each.was_tried for each in self.workers):
            self._heard_status.set()
        if link.can_take:
            for handle in list(self._waiting.values()):
                self._place_or_wait(handle)
        self._ask_again(link)
        self._tell_lags(link)

    def on_events(self, link: WorkerLink, stream: int, events: list[AnyStreamEvent]) -> None:
        handle = self._handles.get(stream)
        if handle is None or self._places.get(stream) is not link:
            return
        *earlier, last = events
        if not isinstance(last, StreamFailed) or last.code != FullError.code:
            self._hear(handle, events)
            return
        if earlier:  # what it has said before it made room
            self._hear(handle, earlier)
        if not handle.is_over and not self._is_taken_elsewhere(link, handle):
            self._hear(handle, [last])

    def on_lost(self, link: WorkerLink) -> None:
        lost = [self._handles[stream] for stream, place in self._places.items() if place is link]
        guilty = self._quarantine.judge(lost)
        for handle in lost:
            handle.allow(LOST_PATIENCE_S)
            if handle is guilty or handle in self._quarantine.waiting:
                self._places.pop(handle.number)
            else:
                self._place_or_wait(handle, only_with_room=True)
        if guilty is not None:
            subject = about(guilty.session, stream=guilty.number)
            logger.error("stream %d ended %s and another process before it", guilty.number, link.name, extra=subject)
            guilty.fail(CrashError())
        self._try_next_suspect()
        if lost:
            num_waiting = sum(handle.number in self._waiting for handle in lost)
            logger.warning(
                "%s is gone; %d of its streams go on elsewhere, %d wait", link.name, len(lost) - num_waiting, num_waiting
            )
        self._tell_lags(link)

    # Inside

    def _hear(self, handle: StreamHandle, events: list[AnyStreamEvent]) -> None:
        self._quarantine.hear(handle, events)
        handle.take(events)
        if handle is self._quarantine.trial and self._quarantine.has_got_through(handle):
            self._acquit(handle)

    def _ask_again(self, link: WorkerLink) -> None:
        """A process that lacks a model keeps streams that were to go over to it as they are: tell them when it has it."""
        present = frozenset(model.name for model in link.status.models if not model.is_draining)
        fresh, self._models[link.name] = present - self._models.get(link.name, frozenset()), present
        if fresh:
            for stream in [stream for stream, place in self._places.items() if place is link]:
                self._handles[stream].ask_again(fresh)

    def _try_next_suspect(self) -> None:
        """One stream at a time of those of which one ends processes; the others wait."""
        if self._quarantine.trial is None and self._quarantine.waiting:
            handle = self._quarantine.waiting.popleft()
            self._quarantine.trial = handle
            self._place_or_wait(handle, only_with_room=True)
            self._look_at_trial(handle, has_lived=False)

    def _look_at_trial(self, handle: StreamHandle, *, has_lived: bool) -> None:
        """`has_lived`: it had a place when it was last looked at, and would not be on trial if it had lost that."""
        if handle is not self._quarantine.trial:
            return
        if has_lived:
            self._acquit(handle)
            return
        look = partial(self._look_at_trial, handle, has_lived=handle.number in self._places)
        asyncio.get_running_loop().call_later(RELAPSE_S, look)

    def _acquit(self, handle: StreamHandle) -> None:
        self._quarantine.acquit(handle)
        self._try_next_suspect()

    def _tell_lags(self, link: WorkerLink) -> None:
        """Of streams that wait for a process, and of those at one whose recognition does not turn."""
        for handle in [*self._waiting.values(), *self._quarantine.waiting]:
            handle.tell_lag(handle.unsettled_ms)
        if link.load.stalled_ms >= LAG_MS:
            for stream in [stream for stream, place in self._places.items() if place is link]:
                self._handles[stream].tell_lag(link.load.stalled_ms)

    def _place_or_wait(self, handle: StreamHandle, *, only_with_room: bool = False) -> None:
        """Give the stream a place and tell the process there what it must know."""
        link = self._choose(handle, only_with_room=only_with_room or handle.goes_on)
        if link is None:
            self._places.pop(handle.number, None)
            self._waiting[handle.number] = handle
            return
        self._waiting.pop(handle.number, None)
        self._places[handle.number] = link
        link.open(handle.number, handle.replay())

    def _choose(self, handle: StreamHandle, *, only_with_room: bool) -> WorkerLink | None:
        """A full process is asked all the same when a refusal would be news; so is one without the model, when none has it."""
        links = [link for link in self.workers if link.can_take and (link.has_room_for(handle) or not only_with_room)]
        fitting = [links[position] for position in best_fitting([link.candidate for link in links], handle.options)]
        if not fitting and not only_with_room and all(link.can_take for link in self.workers):
            fitting = links
        position = least_loaded([link.candidate for link in fitting])
        return None if position is None else fitting[position]

    def _are_overloaded(self, options: StreamOptions) -> bool:
        """Whether every process that could take the stream would refuse it, as far as is known."""
        fitting = [link for link in self.workers if link.status.is_ready and link.candidate.can_serve(options)]
        return bool(fitting) and all(link.load.is_overloaded for link in fitting)

    def _is_taken_elsewhere(self, link: WorkerLink, handle: StreamHandle) -> bool:
        """Whether it need not be told that its process has no room: another one takes the stream, or it waits for room."""
        link.mark_full()
        link.forget(handle.number)
        if self._choose(handle, only_with_room=True) is None and not handle.goes_on:
            return False
        if not handle.is_awaited:
            handle.allow(LOST_PATIENCE_S)
        self._place_or_wait(handle, only_with_room=True)
        return True


def _merged(models: Iterable[ModelInfo]) -> tuple[ModelInfo, ...]:
    """Each once, in whatever precision; it is being unloaded where that is so everywhere."""
    found: dict[ModelInfo, ModelInfo] = {}
    for model in models:
        kind = structs.replace(model, precision="", memory_bytes=0, is_draining=False, replaces=())
        if kind not in found or found[kind].is_draining:
            found[kind] = model
    return tuple(found.values())


def _held_up(status: WorkerStatus) -> WorkerStatus:
    """The status of a process that takes no streams now."""
    if not status.is_ready:
        return status
    return WorkerStatus(node=status.node, is_ready=False, detail="Speech recognition is held up.")
