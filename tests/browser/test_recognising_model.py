"""The live page says which model recognises: as the server tells it, and while an operator changes it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, WebSocketRoute, expect

from tests.browser.admin_site import administered_stack, ask_for, open_route, picture, sign_in
from tests.browser.conftest import Browser, Visit
from tests.browser.live_page import expect_state
from tests.browser.played_server import play_server, polite_server, record
from tests.stack import Stack

FITS = "document.documentElement.scrollWidth <= window.innerWidth"
SENTENCES = {"en-US": "Recognised by {}", "zh-CN": "由 {} 识别"}
LOOKS = [(1280, "light", "en-US"), (1280, "dark", "zh-CN"), (390, "light", "zh-CN"), (360, "dark", "en-US")]
LONGEST_NAME = "whisper-large-v3-turbo-" + "fine-tuned-on-calls-of-the-night-shift-" * 2


@pytest.fixture(scope="module")
def hark_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with administered_stack(tmp_path_factory.mktemp("models")) as stack:
        yield stack


async def change_model(browser: Browser, route: str, model: str) -> Page:
    """An operator does, in a browser of their own."""
    page = await browser.visit(Visit("/admin/"))
    await sign_in(page, "root")
    await open_route(page, browser.base_url, route)
    await ask_for(page, model)
    return page


@pytest.mark.timeout(120)
async def test_who_speaks_sees_another_model_as_soon_as_it_recognises(browser: Browser, silence: Path) -> None:
    page = await browser.visit(Visit(microphone=silence))
    await expect(page.locator("#serving")).to_be_hidden()
    await page.click("#record")
    await expect(page.locator("#serving")).to_have_text("Recognised by fake", timeout=20_000)

    await change_model(browser, "general/*", "night")
    await expect(page.locator("#serving")).to_have_text("Recognised by night", timeout=40_000)
    await expect_state(page, "live")
    await expect(page.locator("#model")).to_have_value("")


async def talkative_server(socket: WebSocketRoute, message: dict[str, Any]) -> None:
    """Another model recognises at once, and one more when the client is done."""
    if message["type"] == "end":
        socket.send(json.dumps({"type": "model_changed", "model": "after-hours", "from_segment": 1}))
    await polite_server(socket, message)
    if message["type"] == "start":
        socket.send(json.dumps({"type": "model_changed", "model": LONGEST_NAME, "from_segment": 0}))


async def test_a_scenario_can_be_chosen_and_both_models_of_its_route_are_named(browser: Browser, silence: Path) -> None:
    starts: list[dict[str, Any]] = []

    async def two_models(socket: WebSocketRoute, message: dict[str, Any]) -> None:
        await polite_server(socket, message)
        if message["type"] == "start":
            starts.append(message)
            times = {"start_ms": 0, "end_ms": 400}
            socket.send(
                json.dumps({"type": "partial", "segment": 0, "text": "one two", "stable": "one", "model": "hasty"} | times)
            )

    page = await browser.prepare(Visit(microphone=silence))
    await play_server(page, two_models)
    routes = [{"scenario": name} for name in ("digits", "general", "digits")]
    await page.route("**/api/v1/routes/", lambda route: route.fulfill(json={"routes": routes}))
    await page.goto(browser.base_url)
    await expect(page.locator("#model option").nth(2)).to_have_text(re.compile("fake"))
    await expect(page.locator("#model option", has_text="Scenario")).to_have_text(["Scenario: digits"])
    await page.select_option("#model", "scenario:digits")
    await page.click("#record")

    await expect(page.locator("#serving")).to_have_text("Recognised by m, while you speak by hasty")
    assert (starts[0]["scenario"], "model" in starts[0]) == ("digits", False)


@pytest.mark.parametrize(("width", "colors", "locale"), LOOKS)
async def test_the_name_of_the_model_fits_and_stays_until_the_next_recording(
    browser: Browser, silence: Path, width: int, colors: str, locale: str
) -> None:
    visit = Visit(microphone=silence, width=width, height=800, colors=colors, locale=locale)
    said = SENTENCES[locale]
    page = await record(browser, visit, talkative_server)
    serving = page.locator("#serving")
    await expect(serving).to_have_text(said.format(LONGEST_NAME))
    await picture(page, f"longest-model-{width}-{colors}")
    assert await page.evaluate(FITS)
    assert len({await page.locator(choice).evaluate("(field) => field.offsetHeight") for choice in ("#language", "#model")}) == 1

    await page.click("#record")
    await expect_state(page, "done")
    await expect(serving).to_have_text(said.format("after-hours"))
    await picture(page, f"model-{width}-{colors}")
