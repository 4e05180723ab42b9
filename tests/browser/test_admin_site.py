"""The admin site as an operator uses it: a real swap is watched, a model that hears nonsense is refused, a week is planned."""

import re
from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect

from tests.browser.admin_site import ROUTES, administered_stack, ask_for, open_route, picture, sign_in
from tests.browser.conftest import Browser, Visit
from tests.stack import Stack

WIDE_LIGHT = Visit("/admin/")
NARROW_DARK = Visit("/admin/", width=390, height=844, colors="dark")
WIDE_DARK = Visit("/admin/", colors="dark")
WIDE_CHINESE = Visit("/admin/", locale="zh-CN")
NARROW_CHINESE = Visit("/admin/", locale="zh-CN", width=390, height=844)
LOOKS = {
    "wide-light": WIDE_LIGHT,
    "wide-dark": WIDE_DARK,
    "narrow-dark": NARROW_DARK,
    "wide-chinese": WIDE_CHINESE,
    "narrow-chinese": NARROW_CHINESE,
}
PAGES = {
    "first": "/admin/",
    "routes": ROUTES,
    "new-route": f"{ROUTES}add/",
    "models": "/admin/transcription/asrmodel/",
    "week": "/admin/transcription/modelschedule/week/",
    "schedules": "/admin/transcription/modelschedule/",
    "new-window": "/admin/transcription/modelschedule/add/",
    "swaps": "/admin/transcription/modelswap/",
    "keys": "/admin/transcription/apikey/",
    "new-key": "/admin/transcription/apikey/add/",
    "changes": "/admin/admin/logentry/",
}
FITS = "document.documentElement.scrollWidth <= window.innerWidth"
SWAP_PATIENCE_MS = 40_000


@pytest.fixture(scope="module")
def hark_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with administered_stack(tmp_path_factory.mktemp("admin")) as stack:
        yield stack


async def signed_in(browser: Browser, visit: Visit = WIDE_LIGHT, name: str = "root") -> Page:
    page = await browser.visit(visit)
    await sign_in(page, name)
    return page


@pytest.mark.timeout(180)
async def test_a_swap_is_watched_live_and_undone_with_one_click(browser: Browser) -> None:
    page = await signed_in(browser)
    await picture(page, "first-page-light")
    await open_route(page, browser.base_url, "telephony/en")
    await ask_for(page, "night", "quieter at night")

    await expect(page.locator(".hark-stage-now")).to_have_text("Loading", timeout=SWAP_PATIENCE_MS)
    await picture(page, "swap-running")
    await expect(page.locator("[data-swap-state]")).to_have_text("done", timeout=SWAP_PATIENCE_MS)
    await expect(page.locator("[data-swap-steps]")).to_contain_text("reference clip: 0% of the words wrong")
    await picture(page, "swap-done")

    await open_route(page, browser.base_url, "telephony/en")
    await expect(page.get_by_role("region", name="What serves now")).to_contain_text("night")
    await picture(page, "route")
    await page.get_by_role("button", name="Back to fake").click()
    await expect(page.locator("[data-swap-state]")).to_have_text("done", timeout=SWAP_PATIENCE_MS)
    await page.goto(browser.base_url + "/admin/transcription/modelswap/")
    await expect(page.locator("#result_list")).to_contain_text("rolled back")
    await picture(page, "swaps-list")


@pytest.mark.timeout(120)
async def test_a_model_that_hears_nonsense_is_refused_with_its_reason(browser: Browser) -> None:
    page = await signed_in(browser)
    await open_route(page, browser.base_url, "general/*")
    await ask_for(page, "nonsense")

    await expect(page.locator("[data-swap-state]")).to_have_text("failed", timeout=SWAP_PATIENCE_MS)
    await expect(page.locator("[data-swap-error]")).to_contain_text("inference-0")
    await picture(page, "swap-failed")
    await page.goto(browser.base_url + "/admin/")
    await expect(page.get_by_role("alert")).to_contain_text("nonsense")
    await expect(page.get_by_role("region", name="What serves now")).to_contain_text("general/*")
    await picture(page, "first-page-with-failure")


@pytest.mark.timeout(120)
async def test_a_lighter_model_is_tried_when_it_is_chosen_and_its_failure_is_told_in_chinese(
    browser: Browser,
) -> None:
    page = await signed_in(browser, WIDE_CHINESE)
    await open_route(page, browser.base_url, "general/*")
    option = page.locator("#id_fallback option").filter(has_text=re.compile(r"^nonsense\b"))
    await page.select_option("#id_fallback", value=await option.get_attribute("value"))
    await page.get_by_role("button", name="保存", exact=True).click()

    await expect(page.get_by_text("正在加载并试听 nonsense")).to_be_visible()
    await expect(page.locator("[data-swap-state]")).to_have_text("失败", timeout=SWAP_PATIENCE_MS)
    await expect(page.locator("[data-swap-error]")).to_contain_text("inference-0: nonsense 把")
    await picture(page, "lighter-model-failed")
    await page.reload()
    await expect(page.get_by_role("alert").filter(has_text="较轻的模型 nonsense 尚未就绪")).to_be_visible()
    await page.select_option("#id_fallback", value="")
    await page.get_by_role("button", name="保存", exact=True).click()


async def test_a_conflict_is_shown_while_a_window_is_being_filled_in(browser: Browser) -> None:
    page = await signed_in(browser)
    await open_route(page, browser.base_url, "general/*")
    await page.get_by_role("link", name="Add a window").click()
    option = page.locator("#id_model option").filter(has_text=re.compile(r"^fake\b"))
    await page.select_option("#id_model", value=await option.get_attribute("value"))
    for day in range(5):
        await page.check(f"input[name=days][value='{day}']")
    await page.fill("#id_starts", "18:00")
    await page.fill("#id_ends", "22:00")
    await page.fill("#id_time_zone", "Europe/Berln")
    preview = page.locator("#schedule-preview")
    await expect(preview).to_contain_text("Did you mean Europe/Berlin")

    await page.fill("#id_time_zone", "Europe/Berlin")
    await expect(preview).to_contain_text("holds too, with the same priority")
    await expect(preview.locator(".hark-clash").first).to_be_visible()
    await picture(page, "window-with-conflict")

    await page.fill("#id_priority", "5")
    await expect(preview.locator(".hark-clash")).to_have_count(0)
    await expect(preview.locator("[data-complaints] li")).to_have_count(0)
    await picture(page, "window-without-conflict")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("look", LOOKS)
async def test_pages_fit_light_and_dark_and_wide_and_narrow_screens(browser: Browser, look: str) -> None:
    page = await signed_in(browser, LOOKS[look])
    for name, address in PAGES.items():
        await page.goto(browser.base_url + address)
        await picture(page, f"{name}-{look}")
        assert await page.evaluate(FITS), f"{name} is wider than the screen"
    await open_route(page, browser.base_url, "general/*")
    await picture(page, f"route-{look}")
    assert await page.evaluate(FITS)


async def test_a_viewer_looks_and_is_offered_nothing_else(browser: Browser) -> None:
    page = await signed_in(browser, name="viewer")
    await open_route(page, browser.base_url, "general/*")

    await expect(page.get_by_role("region", name="The next seven days")).to_contain_text("night")
    await expect(page.get_by_role("link", name="Change model")).to_have_count(0)
    await expect(page.get_by_role("link", name="Users")).to_have_count(0)
    await picture(page, "route-for-a-viewer")
