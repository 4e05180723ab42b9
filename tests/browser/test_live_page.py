"""The live page against the whole running stack: sound in at the browser's microphone, words out on the page."""

import re
import struct
from asyncio import to_thread
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.async_api import WebSocketRoute, expect

from tests.browser.conftest import Audio, Browser, Visit
from tests.browser.live_page import (
    CHINESE_CLIP,
    LONG_CLIP,
    LONG_TEXT,
    RATE_HZ,
    SHORT_CLIP,
    SHORT_TEXT,
    clip,
    finish,
    pause,
    share_of_words_found,
    shown_lines,
    stored_transcript,
)

NUM_OFFSET_BYTES = 8
MakeMicrophone = Callable[[Audio, int], Path]


@pytest.fixture
def clip_base64() -> str:
    return b64encode(SHORT_CLIP.read_bytes()).decode()


@pytest.fixture
def speaking(make_microphone: MakeMicrophone) -> Path:
    """A microphone into which two sentences are spoken, a second and a half apart."""
    return make_microphone(np.concatenate([pause(0.5), clip(LONG_CLIP), pause(1.5), clip(SHORT_CLIP), pause(20)]), RATE_HZ)


async def test_spoken_words_appear_while_speaking_and_are_stored_as_shown(browser: Browser, speaking: Path) -> None:
    page = await browser.visit(Visit(microphone=speaking))
    await page.click("#record")
    await expect(page.locator(".line.is-partial").first).to_be_visible(timeout=20_000)
    await expect(page.locator("#lines")).to_contain_text(re.compile(r"the boy had said", re.IGNORECASE), timeout=30_000)
    await page.click("#record")
    await finish(page)

    shown = await shown_lines(page)
    stored = await stored_transcript(page)
    assert share_of_words_found(LONG_TEXT + SHORT_TEXT, shown) >= 0.85
    assert [segment["text"] for segment in stored["segments"] if segment["text"]] == shown
    assert stored["status"] == "complete"


async def test_a_file_is_transcribed_as_if_spoken_to_the_last_sample(browser: Browser) -> None:
    page = await browser.visit(Visit())
    await page.set_input_files("#file", LONG_CLIP)
    await expect(page.locator("#playing-name")).to_have_text(LONG_CLIP.name)
    await expect(page.locator(".line").first).to_be_visible(timeout=20_000)
    await finish(page)

    stored = await stored_transcript(page)
    assert share_of_words_found(LONG_TEXT, await shown_lines(page)) >= 0.85
    assert stored["received_ms"] == pytest.approx(soundfile.info(LONG_CLIP).duration * 1000, rel=0.001)


async def test_chinese_speech_becomes_chinese_text(browser: Browser) -> None:
    page = await browser.visit(Visit(locale="zh-CN"))
    await page.set_input_files("#file", CHINESE_CLIP)
    await finish(page)
    assert "到山地的" in "".join(await shown_lines(page))
    assert (await stored_transcript(page))["segments"][0]["language"] == "zh"


async def test_a_file_can_be_stopped_half_way(browser: Browser) -> None:
    page = await browser.visit(Visit())
    await page.set_input_files("#file", LONG_CLIP)
    await expect(page.locator("#clock")).to_contain_text("0:02 /", timeout=20_000)
    await page.click("#record")
    await finish(page)
    assert 2_000 <= (await stored_transcript(page))["received_ms"] < 6_000


async def test_a_dropped_file_is_taken_like_a_chosen_one(browser: Browser, clip_base64: str) -> None:
    page = await browser.visit(Visit())
    await page.evaluate(
        """async ([bytes, name]) => {
             const carried = new DataTransfer();
             const decoded = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
             carried.items.add(new File([decoded], name));
             window.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, cancelable: true }));
           }""",
        [clip_base64, SHORT_CLIP.name],
    )
    await expect(page.locator("#playing-name")).to_have_text(SHORT_CLIP.name)
    await expect(page.locator("#stage")).to_have_attribute("data-state", "live")


async def test_time_is_kept_between_microphone_and_socket(browser: Browser, make_microphone: MakeMicrophone) -> None:
    tone = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(10 * RATE_HZ) / RATE_HZ)).astype(np.float32)
    heard: list[bytes] = []

    def listen(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def forward(message: str | bytes) -> None:
            if isinstance(message, bytes):
                heard.append(message[NUM_OFFSET_BYTES:])
            server.send(message)

        socket.on_message(forward)

    page = await browser.prepare(Visit(microphone=make_microphone(tone, RATE_HZ)))
    await page.route_web_socket("**/stream", listen)
    await page.goto(browser.base_url)
    await page.click("#record")
    await expect(page.locator("#clock")).to_have_text("0:07", timeout=20_000)
    await page.click("#record")
    await finish(page)

    pcm = b"".join(heard)
    samples = np.array(struct.unpack(f"<{len(pcm) // 2}h", pcm), dtype=np.float64)
    assert frequency_hz(samples[RATE_HZ : 6 * RATE_HZ]) == pytest.approx(1000, rel=0.001)
    assert (await stored_transcript(page))["received_ms"] == pytest.approx(len(samples) / 16, rel=0.001)


def frequency_hz(samples: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """From the first to the last rising zero crossing."""
    rising = np.flatnonzero((samples[:-1] < 0) & (samples[1:] >= 0))
    return float((len(rising) - 1) * RATE_HZ / (rising[-1] - rising[0]))


async def test_downloads_open_only_when_the_recording_is_finished(browser: Browser) -> None:
    page = await browser.visit(Visit())
    await expect(page.locator('[data-format="srt"]')).to_have_attribute("aria-disabled", "true")
    await page.set_input_files("#file", SHORT_CLIP)
    await finish(page)
    async with page.expect_download() as waiting:
        await page.click('[data-format="srt"]')
    download = await waiting.value
    assert "00:00:0" in await to_thread(Path(await download.path()).read_text, encoding="utf-8")
    assert download.suggested_filename.endswith(".srt")


async def test_a_finished_session_is_found_in_the_history_and_can_be_deleted(browser: Browser) -> None:
    page = await browser.visit(Visit())
    await page.set_input_files("#file", SHORT_CLIP)
    await finish(page)
    shown = await shown_lines(page)
    await page.click("#summary-link")
    assert await shown_lines(page) == shown

    await page.click("#delete")
    await page.click("#delete-cancel")
    await expect(page.locator("#delete-dialog")).to_be_hidden()
    await page.click("#delete")
    address = page.url
    await page.click("#delete-dialog button[type=submit]")
    await expect(page.locator(".notice-success")).to_have_text("The session was deleted.")
    assert (await page.request.get(address)).status == 404


@pytest.mark.parametrize(("width", "height", "colors"), [(1280, 800, "dark"), (390, 844, "light")], ids=["desktop", "phone"])
async def test_the_page_is_chinese_for_chinese_readers_and_fits_its_screen(
    browser: Browser, width: int, height: int, colors: str
) -> None:
    page = await browser.visit(Visit(locale="zh-CN", width=width, height=height, colors=colors))
    await expect(page.locator("#status")).to_have_text("点按开始说话")
    await expect(page.locator("#language")).to_have_value("zh")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_the_language_switch_works_without_losing_the_page(browser: Browser) -> None:
    page = await browser.visit(Visit(path="/history/"))
    await page.get_by_role("button", name="简体中文").click()
    await expect(page.locator("h1")).to_have_text("历史记录")
    await page.get_by_role("button", name="English").click()
    await expect(page.locator("h1")).to_have_text("History")


async def test_the_page_can_be_used_with_the_keyboard_alone(browser: Browser, speaking: Path) -> None:
    page = await browser.visit(Visit(microphone=speaking))
    await page.locator("#record").focus()
    await page.keyboard.press("Space")
    await expect(page.locator("#stage")).to_have_attribute("data-state", "live", timeout=20_000)
    await page.keyboard.press("Space")
    await finish(page)
    await page.keyboard.press("Enter")
    await expect(page.locator("#stage")).to_have_attribute("data-state", "live", timeout=20_000)
