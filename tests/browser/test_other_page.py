"""`stream-client.js` on a page that is not the live page: the program of docs/clients.md, run as it stands there."""

from base64 import b64encode

from playwright.async_api import Page, Route

from inference.audio import SAMPLE_RATE_HZ
from tests.browser.conftest import Browser, Visit
from tests.browser.live_page import SHORT_CLIP, SHORT_TEXT, clip, share_of_words_found
from tests.docs.pages import blocks, read
from tests.inference.worker import to_pcm

FRAME_BYTES = SAMPLE_RATE_HZ // 10 * 2
PLAY = """
  async ([bytes, frameBytes]) => {
    const { listen } = await import("/example.js");
    const audio = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
    const texts = [];
    const states = [];
    await new Promise((resolve) => {
      const client = listen(`ws://${location.host}/stream`, {
        onText: (segment, text) => { texts[segment] = text; },
        onState: (state) => { states.push(state); if (state === "idle" || state === "failed") resolve(); },
      });
      for (let at = 0; at < audio.length; at += frameBytes) client.sendAudio(audio.subarray(at, at + frameBytes));
      client.end();
    });
    return [texts, states];
  }
"""


async def serve_example(route: Route) -> None:
    await route.fulfill(content_type="text/javascript", body=blocks(read("docs/clients.md"), "js")[0])


async def open_other_page(browser: Browser) -> Page:
    """A page without our live page's scripts. It is the server's own: browsers let only such a one reach loopback unasked."""
    page = await browser.prepare(Visit())
    await page.route("**/example.js", serve_example)
    await page.goto(f"{browser.base_url}/history/")
    return page


async def test_the_documented_program_turns_speech_into_text(browser: Browser) -> None:
    page = await open_other_page(browser)
    texts, states = await page.evaluate(PLAY, [b64encode(to_pcm(clip(SHORT_CLIP))).decode(), FRAME_BYTES])

    assert share_of_words_found(SHORT_TEXT, texts) >= 0.85
    assert states == ["asking", "draining", "idle"]
