"""HTTP requests on a fixed number of threads, so that pages and REST cannot take the database away from live sessions.

Left to itself Django gives every request a thread of its own, and each of them opens a connection to PostgreSQL: a burst
of slow requests would open as many as there are visitors. Here they wait in line, on the event loop, for one of a few
threads; each thread keeps its connection for the requests that follow. Sockets never stand in this line, nor do probes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Final

from asgiref.sync import ThreadSensitiveContext

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PROBES: Final = ("/healthz", "/readyz", "/metrics")
"""They use no thread and no connection of Django's, and must answer when everything else is busy."""


class HttpSlots:
    """ASGI application: `application` for at most `num_threads` HTTP requests at once.

    Django's handler opens a `ThreadSensitiveContext` for each request; the one that is open already wins, and with it the
    thread that is chosen here.
    """

    def __init__(self, application: Application, num_threads: int) -> None:
        self._application = application
        self._free: asyncio.Queue[Executor] = asyncio.Queue()
        for number in range(num_threads):
            self._free.put_nowait(ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"http-{number}"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith(PROBES):
            await self._application(scope, receive, send)
            return
        executor = await self._free.get()
        with ExitStack() as held:
            held.callback(self._free.put_nowait, executor)

            async def send_on(message: Message) -> None:
                if message["type"] == "http.response.start":
                    held.close()  # the answer is made: somebody who reads it slowly keeps nobody waiting
                await send(message)

            async with ThreadSensitiveContext(executor=executor):
                await self._application(scope, receive, send_on)
