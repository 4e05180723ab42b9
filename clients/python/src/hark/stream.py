"""A stream over real sockets: one task connects, reads, writes, and connects again; the caller sends and iterates.

What is said and what it means is in `hark.conversation`; here are only sockets, time and waiting.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from hark.backoff import Backoff
from hark.conversation import Conversation
from hark.dialing import CLOSE_WITHIN_S, Dialer
from hark.errors import HarkError
from hark.events import Event, Lag, Partial, Reconnecting, Warning
from hark.options import StreamOptions

RESUMABLE_CODES = frozenset({1001, 1005, 1006, 1011, 1012, 1013})
UNKNOWN_SESSION_CODE = 4404
ANSWER_WITHIN_S = 30.0
"""For `ready` or `resumed`; a server that waits for a model says so itself before."""
FAREWELL_WITHIN_S = 2.0
STOP_AGAIN_S = FAREWELL_WITHIN_S + CLOSE_WITHIN_S + 1.0
HELD_S = 5.0
"""A connection that held so long was a good one: the next wait is short again."""
PROBE_EVERY_S = 2.0
AHEAD_S = 1.0
"""How much `send` takes before what came earlier has gone out."""


class BrokenConnection(Exception):
    """The socket is of no use any more, but the session may go on over another. `error`: what to raise when it does not."""

    def __init__(self, error: HarkError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stream is, in milliseconds of its audio. `received_ms`: the server has it; `heard_ms`: recognition was there."""

    sent_ms: int
    received_ms: int
    heard_ms: int
    num_reconnects: int
    is_connected: bool

    @property
    def behind_ms(self) -> int:
        return max(self.sent_ms - self.heard_ms, 0)


class Stream:
    """One stream of audio and its events; made by `hark.connect`, used as an asynchronous context manager.

    Send from one task and iterate in another, or in the same one after `end`. The iteration ends after `Done`, or raises
    HarkError: one of the two, once. Not for several threads: see `hark.sync`.
    """

    def __init__(self, urls: Sequence[str], key: str | None, options: StreamOptions) -> None:
        self._options = options
        self._talk = Conversation(options, time.monotonic)
        self._dialer = Dialer(urls, key, options.reliable, options.open_timeout_s)
        self._backoff = Backoff(random.random)
        self._events: deque[Event] = deque()
        self._remainder = b""
        self._num_reconnects = 0
        self._work = asyncio.Event()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._hello_at_s = self._opened_at_s = 0.0
        self._broken_since_s: float | None = None
        self._num_tries = 0

    # The caller

    @property
    def session(self) -> str:
        """Identifier of the session, as in the server's REST API."""
        return self._talk.session

    @property
    def progress(self) -> Progress:
        talk, ms_of = self._talk, self._options.format.ms_of
        return Progress(ms_of(talk.buffer.end), ms_of(talk.received), talk.heard_ms, self._num_reconnects, self._talk.is_open)

    @property
    def is_over(self) -> bool:
        """Whether `Done` or a failure has come."""
        return self._task is None or self._task.done()

    async def send(self, audio: bytes) -> None:
        """Send audio, cut anywhere. Waits until the server and the buffer have room, unless `when_full` is "drop_oldest".

        Raises:
            HarkError: the session is over.
        """
        piece_bytes = max(int(self._options.format.frames_in(AHEAD_S)), 1) * self._options.format.frame_bytes
        for start in range(0, len(audio), piece_bytes):
            await self._send_piece(audio[start : start + piece_bytes])

    async def _send_piece(self, audio: bytes) -> None:
        frame_bytes = self._options.format.frame_bytes
        joined = self._remainder + audio
        surplus = len(joined) % frame_bytes
        whole, self._remainder = (joined[:-surplus], joined[-surplus:]) if surplus else (joined, b"")
        if self._options.when_full == "wait":
            await self._wait_for_room(len(whole) // frame_bytes)
        else:
            self._talk.try_room(len(whole) // frame_bytes)
        self._check_running()
        self._talk.push(whole)
        self._work.set()

    async def finalize(self) -> None:
        """Ask for what was sent so far to become final now: exactly one `Final` with `from_finalize` follows.

        One more may come, without text, when the connection broke just then.
        """
        self._check_running()
        self._talk.finalize()
        self._work.set()

    async def configure(self, **changes: Any) -> None:
        """Change `language`, `language_model`, `hotwords`, `endpoint_ms`, `max_segment_s`, `interim` or `words` from the next
        segment on."""
        self._check_running()
        self._talk.configure(changes)
        self._work.set()

    async def end(self) -> None:
        """No more audio. The last events, and `Done`, are still to be read."""
        if self._remainder and not self._talk.has_ended:
            self._emit(Warning(code="incomplete_sample", message="The audio ends within a sample; its bytes were dropped."))
        self._talk.end()
        self._work.set()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self.is_over:
                self._raise_failure()
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._events.popleft()

    async def __aenter__(self) -> "Stream":
        self._task = asyncio.create_task(self._run(), name="hark-stream")
        self._task.add_done_callback(self._ended)
        try:
            while not self._talk.is_open and not self.is_over:
                self._news.clear()
                await self._news.wait()
        except asyncio.CancelledError:
            await self._stop()
            raise
        if not self._talk.is_open:
            self._raise_failure()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        """Leave now. The server is told, so that it finishes the session at once instead of waiting for us."""
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=STOP_AGAIN_S)

    def _check_running(self) -> None:
        if self.is_over or self._talk.has_ended:
            self._raise_failure()
            raise HarkError("session_over", "The session is over; open a new one to send more.")

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _wait_for_room(self, num_frames: int) -> None:
        while not self.is_over and not self._has_room(num_frames):
            self._room.clear()
            await self._room.wait()

    def _has_room(self, num_frames: int) -> bool:
        is_behind = self._talk.is_open and self._talk.num_unsent >= self._options.format.frames_in(AHEAD_S)
        return not is_behind and self._talk.try_room(num_frames)

    # The task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._failure = None if task.cancelled() else task.exception()
        self._wake()

    def _wake(self) -> None:
        for event in (self._work, self._news, self._room):
            event.set()

    def _emit(self, event: Event) -> None:
        """Queue for the reader. Nobody needs an older partial or lag than the newest."""
        if self._events and type(self._events[-1]) is type(event) and isinstance(event, Partial | Lag):
            self._events.pop()
        self._events.append(event)
        self._wake()

    async def _run(self) -> None:
        """Connect and converse until the session is over; when the connection breaks, wait and begin again."""
        while True:
            try:
                return await self._attempt()
            except BrokenConnection as broken:
                await self._pause(broken.error)

    async def _attempt(self) -> None:
        """One socket, from dialling to its end; returns when the session is over."""
        try:
            socket = await self._dialer.dial()
        except HarkError as err:
            raise (BrokenConnection(err) if err.retryable else err) from err
        writer: asyncio.Task[None] | None = None
        self._hello_at_s = time.monotonic()
        self._answer_timer = asyncio.get_running_loop().call_later(ANSWER_WITHIN_S, socket.transport.abort)
        try:
            await socket.send(self._talk.hello())
            writer = asyncio.create_task(self._write(socket), name="hark-writer")
            await self._read(socket)
        except ConnectionClosed as closed:
            raise self._meaning_of(closed) from closed
        except asyncio.CancelledError:
            await self._say_farewell(socket)
            raise
        finally:
            self._answer_timer.cancel()
            if writer is not None:
                writer.cancel()
            await socket.close()

    async def _read(self, socket: ClientConnection) -> None:
        while not self._talk.is_over:
            for event in self._take(await socket.recv()):
                self._emit(event)
            self._wake()
            if self._talk.needs_new_socket:
                raise self._change_of_socket(self._talk.needs_new_socket)

    def _take(self, message: str | bytes) -> list[Event]:
        if isinstance(message, bytes):
            raise HarkError("bad_answer", "The server sent a binary message. Is the address that of a Hark server?")
        was_open = self._talk.is_open
        try:
            events = self._talk.on_text(message)
        except HarkError as err:
            if err.retryable and not was_open:
                self._dialer.turn()  # full, or about to stop: another may not be
                raise BrokenConnection(err) from err
            raise
        if self._talk.is_open and not was_open and self._answer_timer is not None:
            self._answer_timer.cancel()
            self._opened_at_s, self._broken_since_s = time.monotonic(), None
        return events

    def _change_of_socket(self, reason: str) -> BrokenConnection:
        if reason == "going_away":
            self._dialer.turn()  # another process of the same server, where we know of one
        return BrokenConnection(HarkError(reason, f"A new connection is needed: {reason}.", retryable=True))

    def _meaning_of(self, closed: ConnectionClosed) -> Exception:
        """Whether a closed socket ends the session."""
        code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
        if code == UNKNOWN_SESSION_CODE and self._talk.can_resume:
            self._talk.on_unknown_session()
            return self._change_of_socket("unknown_session")
        if closed.rcvd is None and not self._talk.is_open and time.monotonic() - self._hello_at_s >= ANSWER_WITHIN_S:
            sentence = f"The server did not answer within {ANSWER_WITHIN_S:g} s."
            return BrokenConnection(HarkError("no_answer", sentence, retryable=True))
        if code in RESUMABLE_CODES:
            what = f"closed by the server with {code} {reason}".rstrip() if closed.rcvd else "cut"
            return BrokenConnection(HarkError("connection_lost", f"The connection was {what}.", retryable=True))
        return HarkError(reason or "connection_closed", f"The server closed the connection with {code} {reason}".rstrip() + ".")

    async def _write(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):  # the reader says so
            while True:
                self._work.clear()
                while (message := self._talk.next_message()) is not None:
                    await socket.send(message)
                    self._room.set()
                if (probe := self._talk.probe()) is None:
                    await self._work.wait()
                elif not await self._work_within(PROBE_EVERY_S):
                    await socket.send(probe)

    async def _work_within(self, seconds: float) -> bool:
        """Wait for something to send; False when nothing came in time. (`wait_for` may lose a cancellation before 3.12.)"""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + seconds
        timer = loop.call_at(due_s, self._work.set)
        try:
            await self._work.wait()
        finally:
            timer.cancel()
        return loop.time() < due_s

    async def _say_farewell(self, socket: ClientConnection) -> None:
        if (text := self._talk.farewell()) is not None:
            with suppress(ConnectionClosed, asyncio.TimeoutError):
                await asyncio.wait_for(socket.send(text), FAREWELL_WITHIN_S)

    # Broken connections

    async def _pause(self, error: HarkError) -> None:
        """Wait before the next try.

        Raises:
            HarkError: when there is nothing to go on with, or no more time for it.
        """
        now_s = time.monotonic()
        if self._talk.is_open and now_s - self._opened_at_s > HELD_S:
            self._backoff.reset()
        self._talk.on_broken()
        if self._broken_since_s is None:
            self._broken_since_s, self._num_tries = now_s, 0
        patience_s = self._patience_s(error)
        if error.code == "unknown_session":
            return
        self._num_tries += 1
        delay_s = self._backoff.next_s(error.retry_after_s or 0.0)
        if now_s - self._broken_since_s + delay_s > patience_s:
            raise self._giving_up(error)
        if self._was_ready:
            self._num_reconnects += self._num_tries == 1
            self._emit(Reconnecting(reason=error.code, attempt=self._num_tries, delay_s=round(delay_s, 3)))
        await asyncio.sleep(delay_s)

    @property
    def _was_ready(self) -> bool:
        return bool(self._talk.session) or self._talk.has_lost_session

    def _patience_s(self, error: HarkError) -> float:
        """How long to try to get on."""
        if not self._was_ready:
            return 0.0 if error.code == "unreachable" else self._options.wait_s
        if not self._options.reliable:
            return 0.0  # nobody knows what of the audio came
        if not self._talk.can_resume and not self._talk.has_lost_session:
            self._talk.on_unknown_session()  # a server that keeps no broken sessions
        return self._options.reconnect_s

    def _giving_up(self, error: HarkError) -> HarkError:
        if not self._was_ready or not self._options.reliable:
            return error
        return HarkError(
            "connection_lost",
            f"The connection was lost and did not come back within {self._options.reconnect_s:g} s. {error.message}",
            retryable=True,
        )
