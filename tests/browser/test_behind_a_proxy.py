"""The live page in a real browser behind nginx as docs/deployment.md configures it: TLS, and a path before every address."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, Request, WebSocket, expect

from tests.acceptance.proxies import NAME, PREFIX, Proxy, nginx
from tests.acceptance.web_processes import another_web
from tests.browser.conftest import PROJECT_DIR, Browser, Visit
from tests.browser.live_page import SHORT_CLIP, SHORT_TEXT, finish, share_of_words_found, shown_lines, stored_transcript
from tests.stack import Stack

PASSWORD = "only-for-tests"


@pytest.fixture
def proxy(hark_server: Stack, tmp_path: Path) -> Iterator[Proxy]:
    environment = hark_server.environment | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    flags = ["--noinput", "--username", "walker", "--email", "walker@example.org"]
    create = [sys.executable, "manage.py", "createsuperuser", *flags]
    subprocess.run(create, cwd=PROJECT_DIR, env=environment, check=True, capture_output=True, timeout=60)
    web = another_web(
        hark_server,
        "below",
        HARK_URL_PREFIX=PREFIX,
        HARK_HTTPS="true",
        HARK_TRUSTED_PROXIES="127.0.0.1",
        ALLOWED_HOSTS=f"{NAME},127.0.0.1",
    )
    with web as process, nginx(tmp_path / "nginx", [process.port] * 2) as running:
        yield running


async def sign_in(page: Page, address: str) -> None:
    """Not by the page itself: browsers ask for an icon of the host's root there, which is not ours."""
    form = await (await page.request.get(address)).text()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
    assert token is not None
    fields = {"username": "walker", "password": PASSWORD, "csrfmiddlewaretoken": token[1], "next": f"{PREFIX}/"}
    answer = await page.request.post(address, form=fields, headers={"Referer": address})
    assert answer.ok


async def test_a_page_below_a_path_speaks_to_its_own_path_and_only_over_tls(proxy: Proxy, browser: Browser) -> None:
    """The proxy is the first of the two because it has to outlive the page, which may still be loading something."""
    browser.base_url = proxy.https_url
    page = await browser.prepare(Visit(trusts_any_certificate=True))
    addresses: list[str] = []

    def note(opened: Request | WebSocket) -> None:
        addresses.append(opened.url)

    page.on("request", note)
    page.on("websocket", note)
    await sign_in(page, f"{proxy.https_url}/admin/login/")
    await page.goto(f"{proxy.https_url}/")
    await page.set_input_files("#file", SHORT_CLIP)
    await finish(page)

    assert proxy.wss_url in addresses
    ours = (f"{proxy.https_url}/", f"{proxy.wss_url}", "data:")
    assert [address for address in addresses if not address.startswith(ours)] == []
    assert share_of_words_found(SHORT_TEXT, await shown_lines(page)) >= 0.85
    assert (await stored_transcript(page))["status"] == "complete"
    await page.click("#summary-link")
    await expect(page.locator("#lines .line-text").first).to_be_visible()
