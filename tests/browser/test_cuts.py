"""The live page on a network that breaks, against the whole running stack: no word is lost, and none comes twice."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

import numpy as np
import pytest
from playwright.async_api import Page, Route, expect

from tests.acceptance.web_processes import another_web
from tests.browser.conftest import Audio, Browser, Visit
from tests.browser.live_page import (
    LONG_CLIP,
    LONG_TEXT,
    RATE_HZ,
    SHORT_CLIP,
    SHORT_TEXT,
    clip,
    expect_state,
    finish,
    pause,
    shown_lines,
    stored_transcript,
    words_of,
)
from tests.browser.wire import Wire, wire_to
from tests.stack import Stack

LAST_WORDS = re.compile(r"the boy had said", re.IGNORECASE)
MakeMicrophone = Callable[[Audio, int], Path]
UNDISTURBED = pytest.StashKey[list[str]]()


@pytest.fixture
async def wire(browser: Browser, hark_server: Stack) -> AsyncIterator[Wire]:
    """All that the browser does goes over it."""
    async with wire_to(hark_server.port) as wire:
        browser.base_url = wire.http_url
        yield wire


@pytest.fixture
def speaking(make_microphone: MakeMicrophone) -> Path:
    """A microphone into which two sentences are spoken, and which then is silent for long."""
    audio = [pause(0.5), clip(LONG_CLIP), pause(1.5), clip(SHORT_CLIP), pause(60)]
    return make_microphone(np.concatenate(audio), RATE_HZ)


@pytest.fixture
async def undisturbed_words(browser: Browser, speaking: Path, request: pytest.FixtureRequest) -> list[str]:
    """What the page shows of the same microphone when nothing breaks. Recorded once."""
    if UNDISTURBED not in request.session.stash:
        words = await end(await begin(browser, speaking))
        assert len(set(words) & set(words_of(LONG_TEXT + SHORT_TEXT))) >= 12
        request.session.stash[UNDISTURBED] = words
    return request.session.stash[UNDISTURBED]


async def begin(browser: Browser, microphone: Path) -> Page:
    """A page that hears the first words."""
    page = await browser.visit(Visit(microphone=microphone))
    await page.click("#record")
    await expect(page.locator(".line.is-partial").first).to_be_visible(timeout=20_000)
    return page


async def end(page: Page) -> list[str]:
    """Everything was said and shown; what is left is the words, in order."""
    await expect(page.locator("#lines")).to_contain_text(LAST_WORDS, timeout=40_000)
    await page.click("#record")
    await finish(page)
    shown = await shown_lines(page)
    stored = await stored_transcript(page)
    assert [segment["text"] for segment in stored["segments"] if segment["text"]] == shown
    assert stored["status"] == "complete"
    assert stored["gap_ms"] == 0
    return words_of(" ".join(shown))


@pytest.mark.parametrize("cut_s", [1, 5])
async def test_a_cut_costs_no_word_and_doubles_none(
    browser: Browser, wire: Wire, speaking: Path, undisturbed_words: list[str], cut_s: int
) -> None:
    page = await begin(browser, speaking)
    wire.cut()
    await expect_state(page, "reconnecting")
    await asyncio.sleep(cut_s)
    wire.mend()
    await expect_state(page, "live")
    assert await end(page) == undisturbed_words


async def test_a_network_that_breaks_again_and_again_costs_no_word(
    browser: Browser, wire: Wire, speaking: Path, undisturbed_words: list[str]
) -> None:
    page = await begin(browser, speaking)
    for _ in range(5):
        await wire.cut_for(0.3)
        await asyncio.sleep(1.2)
    assert await end(page) == undisturbed_words


async def test_a_file_gives_the_same_text_through_cuts_as_without(browser: Browser, wire: Wire) -> None:
    texts = []
    for disturb in (False, True):
        page = await browser.visit(Visit())
        await page.set_input_files("#file", LONG_CLIP)
        await expect(page.locator("#clock")).to_contain_text("0:01 /", timeout=20_000)
        if disturb:
            await wire.cut_for(3)
        await finish(page)
        texts.append((await shown_lines(page), (await stored_transcript(page))["received_ms"]))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("signal", [SIGTERM, SIGKILL])
async def test_a_restart_of_the_web_process_is_survived(
    browser: Browser, hark_server: Stack, speaking: Path, undisturbed_words: list[str], signal: Signals
) -> None:
    page = await begin(browser, speaking)
    await asyncio.to_thread(hark_server.signal, "web", signal)
    await expect_state(page, "reconnecting")
    hark_server.start_web()
    await asyncio.to_thread(hark_server.wait_until_ready)
    await expect_state(page, "live")
    assert await end(page) == undisturbed_words


async def test_a_page_that_comes_back_at_another_web_process_goes_on_there(
    browser: Browser, wire: Wire, hark_server: Stack, speaking: Path, undisturbed_words: list[str]
) -> None:
    with another_web(hark_server, "other") as other:
        page = await begin(browser, speaking)
        wire.cut()
        wire.server_port = other.port
        wire.mend()
        assert await end(page) == undisturbed_words
        assert "goes on here" in hark_server.log_of("other").read_text()


async def shorten_memory(route: Route) -> None:
    """The page as it is, but it keeps three seconds of audio instead of sixty."""
    response = await route.fetch()
    script = await response.text()
    assert "KEPT_S = 60;" in script
    await route.fulfill(response=response, body=script.replace("KEPT_S = 60;", "KEPT_S = 3;"))


async def test_a_cut_longer_than_the_memory_leaves_a_gap_that_is_shown(browser: Browser, wire: Wire, speaking: Path) -> None:
    page = await browser.prepare(Visit(microphone=speaking))
    await page.route("**/audio-sender*.js", shorten_memory)
    await page.goto(browser.base_url)
    await page.click("#record")
    await expect(page.locator(".line.is-partial").first).to_be_visible(timeout=20_000)
    await wire.cut_for(6)
    await expect(page.locator('[data-key="dropped"]')).to_contain_text("of what you said are lost")
    await expect(page.locator(".remark")).to_contain_text("is missing: it never reached the server", timeout=20_000)
    await page.click("#record")
    await finish(page)

    stored = await stored_transcript(page)
    assert stored["status"] == "incomplete"
    assert stored["gap_ms"] > 1_000
    await expect(page.locator('[data-key="incomplete"]')).to_contain_text("Some audio could not be transcribed")
