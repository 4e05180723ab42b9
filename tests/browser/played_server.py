"""A server that a test plays: the page is real, the other end of its socket is not."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from playwright.async_api import Page, WebSocketRoute

from tests.browser.conftest import Browser, Visit

Talk = Callable[[WebSocketRoute, dict[str, Any]], Awaitable[None]]
MODEL = {"model": "m", "language": "en", "sample_rate": 16_000, "window_ms": 60_000, "heartbeat_s": 30}


def ready(*, can_resume: bool = True) -> str:
    token = uuid4().hex if can_resume else None
    return json.dumps({"type": "ready", "session": str(uuid4()), "resume_token": token} | MODEL)


def resumed() -> str:
    return json.dumps({"type": "resumed", "session": str(uuid4()), "offset": 0, "credit_ms": 60_000} | MODEL)


def done() -> str:
    accounting = {"received_ms": 0, "transcribed_ms": 0, "silence_ms": 0, "gap_ms": 0, "num_segments": 0, "complete": True}
    return json.dumps({"type": "done", "session": str(uuid4()), **accounting})


def final(segment: int, text: str) -> str:
    times = {"start_ms": 1_000 * segment, "end_ms": 1_000 * segment + 900}
    heard = {"language": "en", "confidence": 0.9, "model": "m", "words": [], "from_finalize": False, "revised": False}
    return json.dumps({"type": "final", "segment": segment, "text": text} | times | heard)


async def play_server(page: Page, talk: Talk) -> None:
    """Answers the page's socket: `talk` gets each text message, and may send and close."""

    def connect(socket: WebSocketRoute) -> None:
        async def receive(message: str | bytes) -> None:
            if isinstance(message, str):
                await talk(socket, json.loads(message))

        socket.on_message(receive)

    await page.route_web_socket("**/stream", connect)


async def polite_server(socket: WebSocketRoute, message: dict[str, Any]) -> None:
    if message["type"] == "start":
        socket.send(ready())
    if message["type"] == "end":
        socket.send(done())


async def record(browser: Browser, visit: Visit, talk: Talk = polite_server) -> Page:
    page = await browser.prepare(visit)
    await play_server(page, talk)
    await page.goto(browser.base_url)
    await page.click("#record")
    return page
