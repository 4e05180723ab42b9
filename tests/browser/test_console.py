"""The operators' console in a real browser: charts, live sessions that are seen and ended, and every look of it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
import pytest
from django.utils import timezone
from playwright.async_api import Page, expect

from benchmarks.recorded import fill_samples
from tests.browser.admin_site import administered_stack, picture, sign_in
from tests.browser.conftest import Browser, Visit
from tests.inference.worker import say
from tests.stack import Stack
from tests.stream_client import StreamClient, open_stream

CONSOLE = "/admin/console/overview/"
LOOKS = {
    "light": Visit("/admin/"),
    "dark-narrow": Visit("/admin/", width=390, height=844, colors="dark"),
    "chinese-dark": Visit("/admin/", locale="zh-CN", colors="dark"),
}
PAGES = {"overview": CONSOLE, "sessions": "/admin/console/sessions/", "workers": "/admin/console/workers/"}
IS_FULL = {
    "overview": "[data-processes] strong",
    "sessions": "[data-session]",
    "workers": "[data-workers] td",
}
"""What stands on a page as soon as the socket has brought it."""
FITS = "document.documentElement.scrollWidth <= window.innerWidth"


@pytest.fixture(scope="module")
def hark_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """With an hour of samples, as if two web and two inference processes had run before."""
    with administered_stack(tmp_path_factory.mktemp("console"), has_worker=False) as stack:
        with psycopg.connect(stack.database_url) as connection, connection.cursor() as cursor:
            fill_samples(cursor, timezone.now(), timedelta(minutes=70))
        yield stack


@asynccontextmanager
async def somebody_speaks(stack: Stack) -> AsyncIterator[StreamClient]:
    """One sentence is final, the next one is being said."""
    async with open_stream(stack.ws_url) as client:
        await client.send(say("alpha bravo charlie", 1.0))
        await client.expect("final")
        await client.send(say("delta echo foxtrot"))
        await client.expect("partial")
        yield client


async def opened(browser: Browser, path: str, visit: Visit = LOOKS["light"], name: str = "root") -> Page:
    page = await browser.visit(visit)
    await sign_in(page, name)
    await page.goto(browser.base_url + path)
    return page


@pytest.mark.timeout(120)
async def test_an_operator_watches_charts_grow_and_ends_a_session(browser: Browser, hark_server: Stack) -> None:
    page = await opened(browser, CONSOLE)
    chart = page.get_by_role("region", name="Wait for a final")
    await expect(page.locator("[data-socket]")).to_have_text("Live")
    await expect(chart.locator("canvas")).to_be_visible()
    await chart.get_by_text("As a table").click()
    await expect(chart.locator("[data-table] tr")).to_have_count(61)
    await chart.get_by_role("img").press("ArrowLeft")
    await expect(chart.get_by_role("status")).to_contain_text("95th percentile")
    await page.get_by_role("button", name="6 hours").click()
    await expect(page.get_by_role("button", name="6 hours")).to_have_attribute("aria-pressed", "true")

    async with somebody_speaks(hark_server) as client:
        await expect(page.locator("[data-tile=sessions]")).to_have_text("1")
        await page.get_by_role("link", name="Live sessions").first.click()
        row = page.locator("[data-session]")
        await expect(row).to_contain_text("alpha bravo charlie")
        await expect(row).to_contain_text("speaking")
        await picture(page, "console-session-light")
        page.once("dialog", lambda dialog: dialog.accept())
        await row.get_by_role("button", name="End the session").click()
        await client.read_all()

    assert client.messages[-1]["code"] == "ended_by_operator"
    await expect(row).to_have_count(0)
    await page.goto(browser.base_url + "/admin/admin/logentry/")
    await expect(page.locator("#result_list")).to_contain_text("Ended.")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("look", LOOKS)
async def test_the_console_fits_every_screen(browser: Browser, hark_server: Stack, look: str) -> None:
    async with somebody_speaks(hark_server):
        page = await opened(browser, CONSOLE, LOOKS[look])
        for name, path in PAGES.items():
            await page.goto(browser.base_url + path)
            await expect(page.locator(IS_FULL[name]).first).to_be_visible()
            if name == "overview":
                await expect(page.locator(".hark-chart:not([hidden]) canvas").last).to_be_visible()
            await picture(page, f"console-{name}-{look}")
            assert await page.evaluate(FITS), f"{name} is wider than the screen"


async def test_whoever_may_watch_but_not_read_sees_neither_text_nor_buttons(browser: Browser, hark_server: Stack) -> None:
    async with somebody_speaks(hark_server):
        page = await opened(browser, PAGES["sessions"], name="viewer")

        await expect(page.locator("[data-session]")).to_contain_text("speaking")

        assert "alpha" not in await page.content()
        await expect(page.locator("[data-session] button")).to_have_count(0)
