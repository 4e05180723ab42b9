"""A real Chromium with a sound file as its microphone. Each test gets its own browser; a picture of every page is kept."""

import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr
from playwright.async_api import ConsoleMessage, Error, Page, WebSocket, async_playwright

from tests.stack import Stack
from tests.stream_client import validator

PROJECT_DIR = Path(__file__).parents[2]
ARTIFACTS = PROJECT_DIR / "artifacts" / "browser"
MICROPHONE_RATE_HZ = 48_000
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
CHROMIUM_OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
]
Audio = npt.NDArray[np.float32]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True, slots=True)
class Visit:
    """How a person comes to a page. `microphone`: a WAV file, played once; without one the browser has no permission.

    `trusts_any_certificate`: for one that was made for the test.
    """

    path: str = "/"
    microphone: Path | None = None
    locale: str = "en-US"
    width: int = 1280
    height: int = 800
    colors: str = "light"
    init_script: str = ""
    trusts_any_certificate: bool = False


@dataclass  # no slots: Playwright keeps its wrappers of bound methods on the object
class Browser:
    """Opens pages of the server under test and remembers what went wrong in their scripts."""

    chromium: str
    base_url: str
    stack: AsyncExitStack
    pages: list[Page] = field(default_factory=list)
    script_errors: list[str] = field(default_factory=list)
    foreign_messages: list[str] = field(default_factory=list)

    async def visit(self, visit: Visit) -> Page:
        page = await self.prepare(visit)
        await page.goto(self.base_url + visit.path)
        return page

    async def prepare(self, visit: Visit) -> Page:
        """A page that was not loaded yet: routes can still be set."""
        playwright = await self.stack.enter_async_context(async_playwright())
        options = [*CHROMIUM_OPTIONS, *microphone_options(visit.microphone)]
        browser = await playwright.chromium.launch(executable_path=self.chromium, args=options)
        self.stack.push_async_callback(browser.close)
        page = await browser.new_page(
            viewport={"width": visit.width, "height": visit.height},
            locale=visit.locale,
            color_scheme="dark" if visit.colors == "dark" else "light",
            ignore_https_errors=visit.trusts_any_certificate,
        )
        page.on("pageerror", self.note_error)
        page.on("console", self.note_console)
        page.on("websocket", self.watch_socket)
        if visit.init_script:
            await page.add_init_script(visit.init_script)
        self.pages.append(page)
        return page

    def note_error(self, error: Error) -> None:
        self.script_errors.append(str(error))

    def note_console(self, message: ConsoleMessage) -> None:
        # A refused handshake is written to the console by the browser itself; it is what some tests are about.
        if message.type == "error" and "WebSocket" not in message.text:
            self.script_errors.append(message.text)

    def watch_socket(self, socket: WebSocket) -> None:
        if not socket.url.partition("?")[0].endswith("/stream"):
            return
        socket.on("framesent", lambda payload: self.note_message("client", payload))
        socket.on("framereceived", lambda payload: self.note_message("server", payload))

    def note_message(self, group: str, payload: str | bytes) -> None:
        """Keep what the protocol's schema does not allow."""
        if isinstance(payload, str) and not validator(group).is_valid(json.loads(payload)):
            self.foreign_messages.append(f"{group}: {payload}")

    async def keep_pictures(self, name: str) -> None:
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(self.pages):
            await page.screenshot(path=ARTIFACTS / f"{name}-{number}.png")


def microphone_options(microphone: Path | None) -> list[str]:
    if microphone is None:
        return []
    return ["--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={microphone}%noloop"]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Chromium's path. On CI it must be there; elsewhere its absence is a skip."""
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up(f"none of {', '.join(CHROMIUM_NAMES)} is installed")
    return found


@pytest.fixture
async def browser(chromium: str, hark_server: Stack, request: pytest.FixtureRequest) -> AsyncIterator[Browser]:
    async with AsyncExitStack() as stack:
        opened = Browser(chromium, hark_server.http_url, stack)
        yield opened
        await opened.keep_pictures(re.sub(r"\W+", "-", request.node.name).strip("-"))
    assert opened.script_errors == [], "a script on the page failed"
    assert opened.foreign_messages == [], "a message was not of the protocol"


@pytest.fixture
def make_microphone(tmp_path: Path) -> Callable[[Audio, int], Path]:
    """Writes audio (float32, mono, in [-1, 1]) of any rate as a WAV file that Chromium takes for its microphone."""

    def make(audio: Audio, rate_hz: int) -> Path:
        path = tmp_path / "microphone.wav"
        soundfile.write(path, soxr.resample(audio, rate_hz, MICROPHONE_RATE_HZ), MICROPHONE_RATE_HZ, subtype="PCM_16")
        return path

    return make


@pytest.fixture
def silence(make_microphone: Callable[[Audio, int], Path]) -> Path:
    """Thirty seconds in which nobody speaks and nothing hums."""
    return make_microphone(np.zeros(30 * 16_000, dtype=np.float32), 16_000)
