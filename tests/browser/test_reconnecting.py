"""The live page while its connection is away: what it says, what it keeps, and how it goes on. The socket is played."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import WebSocketRoute, expect

from tests.browser.conftest import Browser, Visit
from tests.browser.live_page import expect_state, shown_lines
from tests.browser.played_server import done, final, ready, record, resumed

FULL = {"type": "error", "code": "server_full", "message": "All streams are taken.", "retryable": True, "retry_after_s": None}
UNKNOWN = {"type": "error", "code": "unknown_session", "message": "None.", "retryable": False, "retry_after_s": None}
AWAY = {"type": "going_away", "reason": "restart", "resume_within_s": 120, "closes_in_s": 20}


class LeavingServer:
    """Writes a sentence, then leaves. Whoever comes back meets `welcome`, or nobody."""

    def __init__(self, welcome: list[str] | None = None) -> None:
        self.welcome = welcome
        self.messages: list[dict[str, Any]] = []

    async def talk(self, socket: WebSocketRoute, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if message["type"] == "start" and not self.of("resume"):
            socket.send(ready())
            socket.send(final(0, "What was said before."))
            await socket.close(code=1012)
        elif message["type"] == "start":
            socket.send(ready())
        elif message["type"] == "resume":
            await self._welcome(socket)
        elif message["type"] == "end":
            socket.send(done())

    async def _welcome(self, socket: WebSocketRoute) -> None:
        if self.welcome is None:
            await socket.close(code=1012)
            return
        for text in self.welcome:
            socket.send(text)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]


@pytest.mark.parametrize(
    ("visit", "status", "sentence"),
    [
        ({"colors": "light"}, "Reconnecting…", "Go on speaking"),
        ({"colors": "dark"}, "Reconnecting…", "Go on speaking"),
        ({"width": 390, "height": 844}, "Reconnecting…", "Go on speaking"),
        ({"locale": "zh-CN", "width": 390, "height": 844, "colors": "dark"}, "正在重新连接…", "请继续说话"),
        ({"locale": "zh-CN"}, "正在重新连接…", "请继续说话"),
    ],
    ids=["light", "dark", "phone", "Chinese phone, dark", "Chinese"],
)
async def test_while_away_the_page_says_so_in_words_and_keeps_what_it_shows(
    browser: Browser, silence: Path, visit: dict[str, Any], status: str, sentence: str
) -> None:
    page = await record(browser, Visit(microphone=silence, **visit), LeavingServer().talk)
    await expect_state(page, "reconnecting")
    await expect(page.locator("#status")).to_have_text(status)
    await expect(page.locator('[data-key="reconnecting"]')).to_contain_text(sentence)
    assert await shown_lines(page) == ["What was said before."]
    assert await page.evaluate("document.documentElement.scrollWidth") <= visit.get("width", 1280)


async def test_the_microphone_goes_on_while_away(browser: Browser, silence: Path) -> None:
    page = await record(browser, Visit(microphone=silence), LeavingServer().talk)
    await expect_state(page, "reconnecting")
    await expect(page.locator("#clock")).to_have_text("0:03", timeout=10_000)


async def test_back_again_the_page_goes_on_as_if_nothing_had_been(browser: Browser, silence: Path) -> None:
    server = LeavingServer([resumed(), final(0, "What was said before."), final(1, "What came after.")])
    page = await record(browser, Visit(microphone=silence), server.talk)
    await expect(page.locator("#lines")).to_contain_text("What came after.")
    await expect_state(page, "live")
    await expect(page.locator('[data-key="reconnecting"]')).to_have_count(0)
    assert await shown_lines(page) == ["What was said before.", "What came after."]
    assert server.of("resume")[0]["next_segment"] == 1


async def test_a_server_that_is_full_for_the_moment_is_asked_again(browser: Browser, silence: Path) -> None:
    server = LeavingServer([json.dumps(FULL)])
    page = await record(browser, Visit(microphone=silence), server.talk)
    await expect_state(page, "reconnecting")
    server.welcome = [resumed()]
    await expect_state(page, "live")


async def test_a_session_that_nobody_knows_goes_on_as_a_new_one_and_the_reader_is_told(browser: Browser, silence: Path) -> None:
    server = LeavingServer([json.dumps(UNKNOWN)])
    page = await record(browser, Visit(microphone=silence), server.talk)
    await expect(page.locator('[data-key="continued"]')).to_contain_text("a new one goes on here", timeout=15_000)
    await expect_state(page, "live")
    assert await shown_lines(page) == ["What was said before."]


async def test_stopping_while_away_waits_for_the_last_words_and_a_second_press_does_not(browser: Browser, silence: Path) -> None:
    page = await record(browser, Visit(microphone=silence), LeavingServer().talk)
    await expect_state(page, "reconnecting")
    await page.click("#record")
    await expect(page.locator('[data-key="reconnecting"]')).to_contain_text("The last words appear when it is back")
    await page.get_by_role("button", name="Stop waiting for the connection").click()
    await expect(page.get_by_role("alert")).to_contain_text("You stopped waiting")
    await expect(page.locator("#summary-link")).to_have_attribute("href", re.compile("/history/.+/"))


async def test_stopping_while_away_ends_the_recording_once_the_connection_is_back(browser: Browser, silence: Path) -> None:
    server = LeavingServer()
    page = await record(browser, Visit(microphone=silence), server.talk)
    await expect_state(page, "reconnecting")
    await page.click("#record")
    server.welcome = [resumed()]
    await expect_state(page, "done")
    assert server.of("end")[0]["samples"] > 0


async def test_after_the_time_that_the_server_names_the_page_gives_up_with_a_sentence(browser: Browser, silence: Path) -> None:
    async def leave_for_good(socket: WebSocketRoute, message: dict[str, Any]) -> None:
        if message["type"] == "start":
            socket.send(ready())
            socket.send(json.dumps(AWAY | {"resume_within_s": 1}))
        else:
            await socket.close(code=1012)

    page = await record(browser, Visit(microphone=silence), leave_for_good)
    await expect(page.get_by_role("alert")).to_contain_text("What was recognised so far is saved", timeout=15_000)
    await expect_state(page, "failed")


async def test_a_page_that_goes_offline_reconnects_instead_of_failing(browser: Browser, silence: Path) -> None:
    server = LeavingServer([resumed()])

    async def stay(socket: WebSocketRoute, message: dict[str, Any]) -> None:
        if message["type"] == "start":
            server.messages.append(message)
            socket.send(ready())
        else:
            await server.talk(socket, message)

    page = await record(browser, Visit(microphone=silence), stay)
    await expect_state(page, "live")
    await page.context.set_offline(True)
    await page.context.set_offline(False)
    await expect_state(page, "live")
    await expect(page.get_by_role("alert")).to_have_count(0)
    assert server.of("resume")
