"""HTTP requests take turns on a few threads; who reads slowly, fails or only probes takes no turn away."""

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async

from asr_project.http_slots import HttpSlots, Message, Scope
from tests.inference.worker import wait_until

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"text"}


class Site:
    """Stands for Django: works on a thread of its own context, then answers. Work lasts until `may_end` is set."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.working: set[str] = set()
        self.most_at_once = 0
        self.threads: set[str] = set()

    async def __call__(self, scope: Scope, _receive: Any, send: Any) -> None:
        if scope["path"] != "/readyz":
            async with ThreadSensitiveContext():
                await sync_to_async(self.work)(scope["path"])
        await send(START)
        await send(BODY)

    def work(self, path: str) -> None:
        if path == "/broken":
            raise RuntimeError(path)
        self.threads.add(threading.current_thread().name)
        self.working.add(path)
        self.most_at_once = max(self.most_at_once, len(self.working))
        self.may_end.wait(20)
        self.working.discard(path)


async def ask(site: HttpSlots, path: str, sent: list[str]) -> None:
    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            sent.append(path)

    await site({"type": "http", "path": path}, nothing_comes, send)


async def nothing_comes() -> dict[str, Any]:
    await asyncio.Event().wait()
    return {}


async def until_working(site: Site, number: int) -> None:
    await asyncio.to_thread(wait_until, lambda: len(site.working) >= number)


async def test_requests_beyond_the_threads_wait_in_line() -> None:
    site, sent = Site(), list[str]()
    slots = HttpSlots(site, num_threads=2)
    requests = [asyncio.create_task(ask(slots, f"/{number}", sent)) for number in range(6)]
    await until_working(site, 2)
    site.may_end.set()
    await asyncio.gather(*requests)

    assert len(sent) == 6
    assert (site.most_at_once, len(site.threads)) == (2, 2)


async def test_a_probe_is_answered_while_every_thread_is_busy() -> None:
    site, sent = Site(), list[str]()
    slots = HttpSlots(site, num_threads=1)
    request = asyncio.create_task(ask(slots, "/slow", sent))
    await until_working(site, 1)

    await ask(slots, "/readyz", sent)

    assert sent == ["/readyz"]
    site.may_end.set()
    await request


async def test_a_request_that_fails_makes_room_for_the_next() -> None:
    site, sent = Site(), list[str]()
    site.may_end.set()
    slots = HttpSlots(site, num_threads=1)
    with pytest.raises(RuntimeError, match="/broken"):
        await ask(slots, "/broken", sent)

    async with asyncio.timeout(20):
        await ask(slots, "/next", sent)

    assert sent == ["/next"]


async def test_somebody_who_does_not_read_the_answer_keeps_nobody_waiting() -> None:
    site, sent = Site(), list[str]()
    site.may_end.set()
    slots = HttpSlots(site, num_threads=1)
    is_reading = asyncio.Event()

    async def send_slowly(message: Message) -> None:
        if message["type"] == "http.response.body":
            await is_reading.wait()

    slow = asyncio.create_task(slots({"type": "http", "path": "/slow"}, nothing_comes, send_slowly))
    async with asyncio.timeout(20):
        await ask(slots, "/next", sent)

    assert sent == ["/next"]
    assert not slow.done()
    is_reading.set()
    await slow
