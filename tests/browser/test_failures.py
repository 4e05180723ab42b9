"""Every failure a person can meet has a visible sentence that says what to do. The page is real; the socket is played."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Page, Route, WebSocketRoute, expect

from tests.browser.conftest import Browser, Visit
from tests.browser.played_server import polite_server, ready, record

NO_MEDIA_DEVICES = "Object.defineProperty(navigator, 'mediaDevices', { value: undefined });"
NO_WORKLET = "delete window.AudioWorkletNode;"
UNPLUGGED = """
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wishes) => {
    const stream = await ask(wishes);
    const [track] = stream.getAudioTracks();
    setTimeout(() => { track.stop(); track.dispatchEvent(new Event("ended")); }, 1000);
    return stream;
  };
"""


def refusal_with(error_name: str) -> str:
    return f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('refused', '{error_name}'); }};"


async def expect_failure(page: Page, sentence: str) -> None:
    await expect(page.get_by_role("alert")).to_contain_text(sentence, timeout=15_000)
    await expect(page.locator("#stage")).to_have_attribute("data-state", "failed")
    await expect(page.locator("#record")).to_be_enabled()


async def test_refused_permission_says_where_to_allow_it(browser: Browser) -> None:
    page = await record(browser, Visit())
    await expect_failure(page, "did not allow the microphone")


@pytest.mark.parametrize(
    ("init_script", "sentence"),
    [
        (refusal_with("NotFoundError"), "No microphone was found"),
        (refusal_with("NotReadableError"), "another program may be using it"),
        (NO_MEDIA_DEVICES, "Open this page over https"),
        (NO_WORKLET, "Use a current Chrome, Edge, Firefox or Safari"),
    ],
    ids=["no device", "device busy", "insecure origin", "old browser"],
)
async def test_a_browser_that_cannot_record_says_why(browser: Browser, init_script: str, sentence: str) -> None:
    page = await record(browser, Visit(init_script=init_script))
    await expect_failure(page, sentence)


async def test_a_microphone_that_is_pulled_out_is_noticed_and_what_was_said_is_kept(browser: Browser, silence: Path) -> None:
    page = await record(browser, Visit(microphone=silence, init_script=UNPLUGGED))
    await expect_failure(page, "The microphone was disconnected")


async def test_a_silent_microphone_is_noticed_within_seconds(browser: Browser, silence: Path) -> None:
    page = await record(browser, Visit(microphone=silence))
    await expect(page.locator(".notice-warning")).to_contain_text("The microphone sends only silence", timeout=8_000)
    await expect(page.locator("#stage")).to_have_attribute("data-state", "live")


async def test_a_very_quiet_microphone_is_noticed(browser: Browser, make_microphone: Any) -> None:
    hiss = np.random.default_rng(1).normal(0, 0.00005, 20 * 16_000).astype(np.float32)
    page = await record(browser, Visit(microphone=make_microphone(hiss, 16_000)))
    await expect(page.locator(".notice-warning")).to_contain_text("The microphone is very quiet", timeout=15_000)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [(1013, "The server is full"), (1001, "The server is restarting"), (1011, "internal problem"), (4401, "not signed in")],
)
async def test_a_server_that_closes_says_what_to_do(browser: Browser, silence: Path, code: int, sentence: str) -> None:
    async def refuse(socket: WebSocketRoute, _message: dict[str, Any]) -> None:
        await socket.close(code=code)

    page = await record(browser, Visit(microphone=silence), refuse)
    await expect_failure(page, sentence)


async def test_after_a_failure_what_was_saved_can_be_opened_and_downloaded(browser: Browser, silence: Path) -> None:
    async def break_off(socket: WebSocketRoute, _message: dict[str, Any]) -> None:
        socket.send(ready(can_resume=False))
        await socket.close(code=1011)

    page = await record(browser, Visit(microphone=silence), break_off)
    await expect_failure(page, "What was recognised so far is saved")
    await expect(page.locator("#summary-link")).to_have_attribute("href", re.compile("/history/.+/"))
    await expect(page.locator('[data-format="txt"]')).not_to_have_attribute("aria-disabled", "true")


async def test_the_servers_own_sentence_is_shown(browser: Browser, silence: Path) -> None:
    async def refuse(socket: WebSocketRoute, _message: dict[str, Any]) -> None:
        sentence = "Model 'x' is not served here; choose whisper-base."
        socket.send(json.dumps({"type": "error", "code": "model_not_served", "message": sentence, "retryable": False}))

    page = await record(browser, Visit(microphone=silence), refuse)
    await expect_failure(page, "Model 'x' is not served here; choose whisper-base.")


async def lead_astray(route: Route) -> None:
    """The page as the server gives it, but for the address of the stream."""
    response = await route.fetch()
    await route.fulfill(response=response, body=(await response.text()).replace('"/stream"', '"/no-such-stream"'))


async def test_a_server_that_cannot_be_reached_gives_hints(browser: Browser, silence: Path) -> None:
    page = await browser.prepare(Visit(microphone=silence))
    await page.route(f"{browser.base_url}/", lead_astray)
    await page.goto(browser.base_url)
    await page.click("#record")
    await expect_failure(page, "Could not connect to the server")


async def test_a_file_that_is_no_audio_says_which_files_are(browser: Browser) -> None:
    page = await browser.visit(Visit())
    await page.set_input_files("#file", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"not audio"})
    await expect_failure(page, "could not be read as audio")


async def test_a_recording_can_be_started_again_after_a_failure(browser: Browser, silence: Path) -> None:
    num_starts = 0

    async def full_at_first(socket: WebSocketRoute, message: dict[str, Any]) -> None:
        nonlocal num_starts
        num_starts += message["type"] == "start"
        if num_starts == 1:
            await socket.close(code=1013)
        else:
            await polite_server(socket, message)

    page = await record(browser, Visit(microphone=silence), full_at_first)
    await expect_failure(page, "The server is full")
    await page.click("#record")
    await expect(page.locator("#stage")).to_have_attribute("data-state", "live")
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_failures_are_explained_in_chinese_on_the_chinese_page(browser: Browser) -> None:
    page = await record(browser, Visit(locale="zh-CN", width=390, height=844, colors="dark"))
    await expect_failure(page, "浏览器未允许使用麦克风")


async def test_a_message_that_is_not_of_the_protocol_is_noticed_by_these_tests(browser: Browser) -> None:
    page = await browser.visit(Visit())

    await page.evaluate(
        """() => new Promise((resolve) => {
            const socket = new WebSocket(`ws://${location.host}/stream`);
            socket.onopen = () => socket.send('{"type": "nonsense"}');
            socket.onclose = resolve;
        })"""
    )

    assert browser.foreign_messages == ['client: {"type": "nonsense"}']
    browser.foreign_messages.clear()
