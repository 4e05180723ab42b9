"""Keeps the audio of those sessions that want it kept, beside the event loop.

Streams hand over what has come in pieces of a second or two; one thread for all of them writes it. What waits for that thread
is bounded: where the disk is too slow, the stretch is given up, and neither the session nor its memory suffers. A stretch is
noted in the database when it is whole, behind the last word of its session, over the recorder's connection.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

import soundfile
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from inference.audio import to_ms
from inference.logs import about
from inference.messages import Checkpoint, StreamOptions
from transcription.listeners import Listener, Scope
from transcription.privacy.stretches import Form, Stretch, note_stored, quota_bytes, stored_bytes
from transcription.session.storing import Storing
from transcription.streaming.recorder import current_recorder

logger = logging.getLogger(__name__)

PIECE_BYTES: Final = 64 * 1024
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Half an hour of 16-bit audio at 16 kHz, of all sessions together: a disk that is that far behind does not catch up."""
LOOK_EVERY_S: Final = 60.0
RETRY_S: Final = 5.0
LAST_STRETCHES_S: Final = 5.0
"""How long a server that stops waits for the last files to be noted."""

UNWRITABLE: Final = (OSError, soundfile.LibsndfileError)
Stored = asyncio.Future[None] | None


class AudioSink(Protocol):
    """Where a stream's audio goes."""

    def send_audio(self, payload: bytes) -> None: ...


class Keeping:
    """One session's stretch, as the event loop sees it. Its end comes once: `finish`, `discard`, or `give_up`."""

    def __init__(self, keeper: "AudioKeeper", stretch: Stretch) -> None:
        self.stretch = stretch
        self.num_bytes = 0
        self._keeper = keeper
        self._waiting = bytearray()
        self._takes_more = True
        self._is_over = False

    def write(self, payload: bytes) -> None:
        """Whole frames in the stream's encoding."""
        if self._takes_more:
            self._waiting += payload
            if len(self._waiting) >= PIECE_BYTES:
                self._hand_over()

    def write_gap(self, num_frames: int) -> None:
        """Audio that will never come: silence stands for it, so that times stay right."""
        self._hand_over()
        if self._takes_more:
            self._keeper.submit(self, 0, partial(self.stretch.write_silence, num_frames))

    def finish(self, after: Stored) -> None:
        """No more comes. It is noted when `after`, the storing of the session's last entry, is done."""
        self._hand_over()
        if self._end():
            self._keeper.complete(self.stretch, after)

    def discard(self) -> None:
        """It is not wanted after all."""
        if self._end():
            self._keeper.throw_away(self.stretch)

    def give_up(self, reason: str) -> None:
        """It cannot be kept."""
        session_id = self.stretch.session_id
        logger.warning("session %s: its audio is not stored: %s", session_id, reason, extra=about(session_id))
        self.discard()

    def stop(self) -> None:
        """There is no room for more; what there is stays."""
        session_id = self.stretch.session_id
        logger.warning("session %s: no more of its audio is stored: HARK_AUDIO_MAX_MB", session_id, extra=about(session_id))
        self._takes_more = False

    def _hand_over(self) -> None:
        if self._waiting and self._takes_more:
            payload = bytes(self._waiting)
            self._waiting.clear()
            self._keeper.submit(self, len(payload), partial(self.stretch.write, payload))

    def _end(self) -> bool:
        """Whether this is the end, and not one that comes after it."""
        was_over, self._is_over, self._takes_more = self._is_over, True, False
        self._waiting.clear()
        self._keeper.growing.discard(self)
        return not was_over


class Tee:
    """Hands audio on and keeps it."""

    def __init__(self, onward: AudioSink, keeping: Keeping) -> None:
        self._onward = onward
        self._keeping = keeping

    def send_audio(self, payload: bytes) -> None:
        self._onward.send_audio(payload)
        self._keeping.write(payload)


class AudioKeeper:
    """One for each event loop."""

    def __init__(self) -> None:
        self.growing: set[Keeping] = set()
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audio")
        self._tasks: set[asyncio.Task[None]] = set()
        self._num_waiting_bytes = 0
        self._stored_bytes = 0
        self._looked_at_s = float("-inf")

    @property
    def is_full(self) -> bool:
        """No room for more, as far as is known: what others have stored is looked up once a minute while anybody asks."""
        if time.monotonic() - self._looked_at_s > LOOK_EVERY_S:
            self._looked_at_s = time.monotonic()
            self._start(self._look())
        return self._stored_bytes + sum(keeping.num_bytes for keeping in self.growing) >= quota_bytes()

    def begin(self, session_id: UUID, number: int, options: StreamOptions, checkpoint: Checkpoint) -> Keeping:
        """Keep the audio of a session from `checkpoint` on. number: its epoch."""
        form = Form(options.encoding, options.num_channels, options.sample_rate_hz)
        keeping = Keeping(self, Stretch(session_id, number, to_ms(checkpoint.settled_samples), form))
        self.growing.add(keeping)
        return keeping

    def submit(self, keeping: Keeping, num_bytes: int, write: Callable[[], int]) -> None:
        """Let the thread write; `write` returns how large the file is then. num_bytes: what waits in memory until it has."""
        if self._num_waiting_bytes + num_bytes > MAX_WAITING_BYTES:
            keeping.give_up("the disk is too slow")
            return
        self._num_waiting_bytes += num_bytes
        written = self._loop.run_in_executor(self._thread, write)
        written.add_done_callback(partial(self._on_written, keeping, num_bytes))

    def complete(self, stretch: Stretch, after: Stored) -> None:
        self._start(self._complete(stretch, after))

    def throw_away(self, stretch: Stretch) -> None:
        self._start(self._throw_away(stretch))

    async def close(self) -> None:
        """Give what was begun its time. A file that is not noted by then is removed by a sweep."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_STRETCHES_S)
        self._thread.shutdown(wait=False)

    def _on_written(self, keeping: Keeping, num_bytes: int, written: "asyncio.Future[int]") -> None:
        self._num_waiting_bytes -= num_bytes
        error = written.exception()
        if error is not None:
            keeping.give_up(f"it cannot be written ({type(error).__name__})")
            return
        keeping.num_bytes = written.result()
        if keeping in self.growing and self.is_full:
            keeping.stop()

    async def _complete(self, stretch: Stretch, after: Stored) -> None:
        try:
            if not await self._loop.run_in_executor(self._thread, stretch.close):
                return
        except UNWRITABLE as err:
            logger.error("session %s: its audio cannot be written (%s)", stretch.session_id, type(err).__name__)
            await self._throw_away(stretch)
            return
        if after is not None:
            await asyncio.wait([after])
        self._stored_bytes += await self._until_noted(stretch)

    async def _until_noted(self, stretch: Stretch) -> int:
        """Its size in bytes. While PostgreSQL is away it is tried again."""
        while True:
            try:
                return await current_recorder().run(note_stored, stretch)
            except (DatabaseError, InterfaceError):
                await asyncio.sleep(RETRY_S)

    async def _throw_away(self, stretch: Stretch) -> None:
        await self._loop.run_in_executor(self._thread, stretch.throw_away)

    async def _look(self) -> None:
        try:
            self._stored_bytes = await current_recorder().run(stored_bytes)
        except (DatabaseError, InterfaceError):
            self._looked_at_s = float("-inf")

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (err := task.exception()) is not None:
            logger.error("stored audio got lost", exc_info=err)


_keepers: WeakKeyDictionary[asyncio.AbstractEventLoop, AudioKeeper] = WeakKeyDictionary()


def current_keeper() -> AudioKeeper:
    """The keeper of the running event loop, made at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _keepers:
        _keepers[loop] = AudioKeeper()
    return _keepers[loop]


def storing_for(listener: Listener) -> Storing:
    """What audio of this listener's sessions may be kept now."""
    if not settings.HARK_AUDIO_TTL_DAYS:
        return Storing.OFF
    if not (listener.stores_audio or Scope.STORE_AUDIO in listener.scopes):
        return Storing.FORBIDDEN
    if current_keeper().is_full:
        return Storing.FULL
    return Storing.ALWAYS if listener.stores_audio else Storing.ON_REQUEST


async def close_keeper() -> None:
    """Close the running loop's keeper, if it has one; before its recorder."""
    keeper = _keepers.pop(asyncio.get_running_loop(), None)
    if keeper is not None:
        await keeper.close()
