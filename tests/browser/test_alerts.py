"""Alerts as people meet them: a rule is made and tried, fires, reaches the console and a webhook, and somebody sees to it."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from django.utils import timezone
from playwright.async_api import Page, expect

from asr_project.serve import topology
from benchmarks.recorded import fill_samples
from tests.browser.admin_site import administered_stack, picture, sign_in
from tests.browser.conftest import Browser, Visit
from tests.stack import Stack
from tests.transcription.alerts.notices.receiver import Receiver, listening

ADMIN = "/admin/transcription"
WIDE_LIGHT = Visit("/admin/")
NARROW_DARK_CHINESE = Visit("/admin/", locale="zh-CN", width=390, height=844, colors="dark")
FITS = "document.documentElement.scrollWidth <= window.innerWidth"
PATIENCE_MS = 40_000


@pytest.fixture(scope="module")
def hark_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """With an hour of samples, and with Celery's beat, which has rules looked at: none but those of the test."""
    with administered_stack(tmp_path_factory.mktemp("alerts")) as stack:
        with psycopg.connect(stack.database_url) as connection, connection.cursor() as cursor:
            fill_samples(cursor, timezone.now(), timedelta(hours=1))
            cursor.execute("UPDATE transcription_alertrule SET is_enabled = false")
        stack.spawn(topology.beat(stack.environment))
        yield stack


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver


async def fill_in_rule(page: Page, name: str) -> None:
    """A rule that is bad at once: whatever waits to be stored is too much."""
    await page.fill("#id_name", name)
    await page.select_option("#id_metric", "hark_recorder_waiting")
    await page.select_option("#id_aggregation", "max")
    await page.fill("#id_threshold", "0.1")


async def save(page: Page) -> None:
    await page.get_by_role("button", name="Save", exact=True).click()


@pytest.mark.timeout(180)
async def test_a_rule_that_is_made_and_tried_fires_and_is_seen_to(browser: Browser, receiver: Receiver) -> None:
    page = await browser.visit(WIDE_LIGHT)
    await sign_in(page, "root")
    await page.goto(f"{browser.base_url}{ADMIN}/alertchannel/add/")
    await page.fill("#id_name", "on call")
    await page.select_option("#id_kind", "webhook")
    await page.fill("#id_target", receiver.url)
    await save(page)

    await page.goto(f"{browser.base_url}{ADMIN}/alertrule/add/")
    await fill_in_rule(page, "Much waits")
    async with page.expect_popup() as popup:
        await page.get_by_role("button", name="Test this rule").click()
    trial = await popup.value
    await expect(trial.get_by_role("status")).to_contain_text("It would have fired in the last day. Times: 1. Notices: 1.")
    await expect(trial.locator("polyline").first).to_be_visible()
    await picture(trial, "alert-trial")
    await trial.close()
    await picture(page, "alert-rule")
    await save(page)

    await page.goto(f"{browser.base_url}/admin/console/overview/")
    await page.get_by_role("link", name="Much waits").click(timeout=PATIENCE_MS)
    await page.get_by_role("button", name="Acknowledge").click()
    await expect(page.get_by_text("acknowledged", exact=True)).to_be_visible()
    await picture(page, "alert")
    assert await asyncio.to_thread(receiver.has_come.wait, PATIENCE_MS / 1000)
    assert json.loads(receiver.bodies[0])["alert"]["title"] == "Much waits"


@pytest.mark.timeout(120)
async def test_pages_of_alerts_fit_a_phone_in_the_dark_in_chinese(browser: Browser) -> None:
    page = await browser.visit(NARROW_DARK_CHINESE)
    await sign_in(page, "root")
    for name in ("alertevent", "alertrule", "alertrule/add", "alertchannel/add", "alertdelivery"):
        await page.goto(f"{browser.base_url}{ADMIN}/{name}/")
        await picture(page, f"{name.replace('/', '-')}-narrow-chinese")
        assert await page.evaluate(FITS), f"{name} is wider than the screen"
    await page.goto(f"{browser.base_url}{ADMIN}/alertevent/")
    await page.get_by_role("link", name="Much waits").click()
    await expect(page.get_by_role("heading", name="Much waits", exact=True)).to_be_visible()
    await picture(page, "alert-narrow-chinese")
    assert await page.evaluate(FITS)
