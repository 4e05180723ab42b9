"""The live page as tests see it: what is spoken to it, what it shows, and what the server has stored of it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from playwright.async_api import Page, expect

from tests.browser.conftest import Audio

RATE_HZ = 16_000
CLIPS = Path(__file__).parent / "clips"
LONG_CLIP = CLIPS / "empire-en.flac"
SHORT_CLIP = CLIPS / "merchant-en.flac"
CHINESE_CLIP = CLIPS / "climate-zh.flac"
LONG_TEXT = "My empire reaches from the ocean in the East to the mountain ridge in the West."
SHORT_TEXT = "But the merchant understood what the boy had said."


def pause(duration_s: float) -> Audio:
    return np.zeros(round(RATE_HZ * duration_s), dtype=np.float32)


def clip(path: Path) -> Audio:
    audio: Audio = soundfile.read(path, dtype="float32")[0]
    return audio


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def share_of_words_found(spoken: str, lines: list[str]) -> float:
    """The share of the different words of `spoken` that are in `lines`."""
    said, found = set(words_of(spoken)), set(words_of(" ".join(lines)))
    return len(said & found) / len(said)


async def shown_lines(page: Page) -> list[str]:
    return [line.strip() for line in await page.locator("#lines .line-text").all_inner_texts()]


async def stored_transcript(page: Page) -> dict[str, Any]:
    """What the REST API tells of the session that the page has just finished."""
    address = await page.locator('[data-format="json"]').evaluate("link => link.href")
    response = await page.request.get(str(address))
    assert response.ok
    stored: dict[str, Any] = await response.json()
    return stored


async def expect_state(page: Page, state: str, timeout_s: float = 20) -> None:
    await expect(page.locator("#stage")).to_have_attribute("data-state", state, timeout=timeout_s * 1000)


async def finish(page: Page) -> None:
    await expect(page.locator("#summary")).to_be_visible(timeout=30_000)
    await expect_state(page, "done", timeout_s=5)
