"""Streams for programs without an event loop: the same methods, blocking; the asynchronous stream runs in a thread.

`send` and iterating may be called from two threads: a recorder sends while the main program reads.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from hark import stream as asynchronous
from hark.connecting import connect as connect_asynchronously
from hark.events import Event
from hark.stream import Progress

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Stream:
    """One stream of audio and its events; made by `hark.sync.connect`, used as a context manager."""

    def __init__(self, make: Callable[[], asynchronous.Stream]) -> None:
        self._make = make
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hark-stream", daemon=True)
        self._stream: asynchronous.Stream | None = None

    def __enter__(self) -> "Stream":
        self._thread.start()
        try:
            self._stream = self._wait_for(self._open())
        except BaseException:
            self._close_loop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        try:
            self._wait_for(self._opened.__aexit__(kind, error, traceback))
        finally:
            self._close_loop()

    @property
    def session(self) -> str:
        """Identifier of the session, as in the server's REST API."""
        return self._opened.session

    @property
    def progress(self) -> Progress:
        return self._opened.progress

    def send(self, audio: bytes) -> None:
        """Send audio, cut anywhere; waits until there is room, unless `when_full` is "drop_oldest"."""
        self._wait_for(self._opened.send(audio))

    def finalize(self) -> None:
        """Ask for what was sent so far to become final now."""
        self._wait_for(self._opened.finalize())

    def configure(self, **changes: Any) -> None:
        """Change language, hotwords … from the next segment on."""
        self._wait_for(self._opened.configure(**changes))

    def end(self) -> None:
        """No more audio. The last events, and `Done`, are still to be read."""
        self._wait_for(self._opened.end())

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = self._wait_for(self._next())
        if event is None:
            raise StopIteration
        return event

    @property
    def _opened(self) -> asynchronous.Stream:
        if self._stream is None:
            raise RuntimeError("Use the stream in a `with` block: it is open there.")
        return self._stream

    async def _open(self) -> asynchronous.Stream:
        return await self._make().__aenter__()

    async def _next(self) -> Event | None:
        """None at the end: StopAsyncIteration does not cross threads."""
        return await anext(self._opened, None)

    def _wait_for(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run it on the thread's loop; an interrupt of ours cancels it there."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _close_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _blocking(make: Callable[_Arguments, asynchronous.Stream]) -> Callable[_Arguments, Stream]:
    def connect(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Stream:
        return Stream(lambda: make(*args, **kwargs))

    connect.__doc__ = make.__doc__
    return connect


connect = _blocking(connect_asynchronously)
