"""The WebSocket connection as uvicorn shall keep it: `uvicorn --ws asr_project.websocket:StreamSocket`.

uvicorn's own class is made for pages that exchange a message now and then. A stream sends five frames of audio a second for
hours, from machines that vanish without a word. What is different here, and why, is told in docs/decisions/0013; everything
else, the handshake and the rules of the protocol above all, is left to uvicorn and to the websockets library.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import OPEN

from asr_project.frames import MASK_BYTES, FrameCutter, payload_start

try:
    from websockets.speedups import apply_mask
except ImportError:  # where it was installed without its C part
    from websockets.utils import apply_mask

MAX_WAITING_BYTES: Final = 256 * 1024
"""Of messages that wait for the application: eight seconds of 16 kHz audio. With more, the client has to wait."""
MAX_WAITING_EVENTS: Final = 256
"""The same for messages that are small."""
DRAIN_WITHIN_S: Final = 15.0
"""How long a client may take nothing of what waits to be written, and how long a last message may take to leave."""
EVENT_BYTES: Final = 256
"""What an event weighs beside its payload."""

AUDIO_EXTENSION: Final = "hark.audio"
"""In `scope["extensions"]`: `{"give_to": …}`, see `StreamSocket.give_to`."""

WHOLE_BINARY: Final = 0x82
"""First byte of a binary message in one frame, not compressed."""

quiet_logger = logging.getLogger("asr_project.websocket")
quiet_logger.setLevel(logging.WARNING)  # below that, addresses with tickets in them, headers and text would be written


class Inbox:
    """What waits for the application, for one reader; in the place of uvicorn's queue."""

    __slots__ = ("_events", "_waiter", "num_bytes")

    def __init__(self) -> None:
        self.num_bytes = 0
        self._events: deque[ASGIReceiveEvent] = deque()
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_full(self) -> bool:
        return self.num_bytes > MAX_WAITING_BYTES or len(self._events) > MAX_WAITING_EVENTS

    @property
    def is_awaited(self) -> bool:
        """Whether the application has had all there was, and waits for more."""
        return self._waiter is not None and not self._waiter.done()

    def empty(self) -> bool:
        return not self._events

    def put_nowait(self, event: ASGIReceiveEvent) -> None:
        self._events.append(event)
        self.num_bytes += _weight(event)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)  # from now on it is not awaited: what comes next stays behind this event

    async def get(self) -> ASGIReceiveEvent:
        while not self._events:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        event = self._events.popleft()
        self.num_bytes -= _weight(event)
        return event


def _weight(event: Any) -> int:
    return EVENT_BYTES + len(event.get("bytes") or event.get("text") or b"")


class StreamSocket(WebSocketsSansIOProtocol):
    """One connection. uvicorn makes it for a request that asks for a WebSocket and calls it on the event loop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inbox = Inbox()
        self.queue = self.inbox  # type: ignore[assignment]  # put_nowait, get and empty are all that is used of it
        self.logger = self.conn.logger = quiet_logger
        self.conn.debug = False
        self._drain_timer: asyncio.TimerHandle | None = None
        self._cutter = FrameCutter(self.config.ws_max_size)
        self._heard_s = self.loop.time()
        self._taker: Callable[[bytes], bool] | None = None

    # A client that vanished or does not read is let go

    def keepalive_timeout(self) -> None:
        """No answer to a ping. It may wait behind audio that we did not read yet, and that is no fault of the client: while we do
        not read, and while audio still comes."""
        assert self.ping_timeout is not None
        if self.read_paused or self.loop.time() - self._heard_s < self.ping_timeout:
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        self.transport.abort()  # close() would wait until the client has taken what lies in the buffer

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._drain_timer is None:
            self._drain_timer = self.loop.call_later(DRAIN_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget_drain()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget_drain()
        self._cutter.clear()
        self._taker = None

    async def run_asgi(self) -> None:
        """The application; when it is done, what is still to be written has `DRAIN_WITHIN_S` to leave."""
        self.scope["extensions"][AUDIO_EXTENSION] = {"give_to": self.give_to}
        await super().run_asgi()
        self._forget_drain()
        if not self.disconnected:
            self._drain_timer = self.loop.call_later(DRAIN_WITHIN_S, self.transport.abort)

    def _forget_drain(self) -> None:
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None

    # Reading goes on while the application works

    def send_receive_event_to_app(self) -> None:
        """A message that the library has put together."""
        was_paused, self.read_paused = self.read_paused, True  # uvicorn would stop reading at every message
        try:
            super().send_receive_event_to_app()
        finally:
            self.read_paused = was_paused
        self._pause_if_full()

    async def receive(self) -> ASGIReceiveEvent:
        event = await self.inbox.get()
        if self.read_paused and not self.inbox.is_full:
            self.read_paused = False
            self.transport.resume_reading()
        return event

    def _pause_if_full(self) -> None:
        if self.inbox.is_full and not self.read_paused and not self.close_sent:
            self.read_paused = True
            self.transport.pause_reading()

    # A frame of audio takes a short way

    def data_received(self, data: bytes) -> None:
        """The handshake is the library's. Then whole binary messages need nothing of it, and every other frame is its again."""
        self._heard_s = self.loop.time()
        if not self.handshake_complete:
            # Frames before our answer would end in the library, a part of one perhaps: where the next begins cannot be known.
            self._cutter.is_broken |= self.handshake_initiated
            super().data_received(data)
            return
        for frame in self._cutter.cut(data):
            if frame[0] == WHOLE_BINARY and self._is_plain:
                self._take_audio(frame)
            else:
                super().data_received(frame)

    @property
    def _is_plain(self) -> bool:
        """Whether a binary message may come now, as far as the library knows: none is open, and nobody has said farewell."""
        conn = self.conn
        return conn.state is OPEN and conn.current_size is None and not self._cutter.is_broken and not self.close_sent

    def give_to(self, taker: Callable[[bytes], bool]) -> None:
        """Binary messages go to `taker` at once, on the event loop, while the application awaits `receive` and nothing waits.

        It returns whether it took the message; what it did not take comes through `receive`. It must not raise.
        """
        self._taker = taker

    def _take_audio(self, frame: bytes) -> None:
        start = payload_start(frame)
        payload = apply_mask(memoryview(frame)[start:], frame[start - MASK_BYTES : start])
        if self._taker is not None and self.inbox.is_awaited and self._taker(payload):
            return
        self.inbox.put_nowait({"type": "websocket.receive", "bytes": payload})
        self._pause_if_full()
