"""The small model hears on the live page what it was made for: real speech of its scenarios, by people it was not trained on."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import expect

from asr_project.serve import topology
from inference.engines.registry import EDGE_FOLDER
from inference.wording import word_error_rate
from tests.acceptance.people import request
from tests.browser.conftest import PROJECT_DIR, Audio, Browser, Visit
from tests.browser.live_page import RATE_HZ, clip, finish, pause, shown_lines, stored_transcript
from tests.inference.worker import wait_until
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.timeout(300)  # a model is loaded, swapped into service and heard, beside other tests
CLIPS = EDGE_FOLDER / "reference"
SPOKEN = [json.loads(line) for line in (CLIPS / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
LOADED_WITHIN_S = 90.0
"""Its graphs are made when it is loaded for the first time."""
ONE_WORD = 0.15
"""Of seven, and not two of nine, may be misheard: browsers turn a microphone up as they think fit."""
MakeMicrophone = Callable[[Audio, int], Path]


@pytest.fixture(scope="module")
def hark_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One that started with Whisper alone, and whose operator has put the scenarios of `conformer-edge` into service."""
    with running_stack(tmp_path_factory.mktemp("scenarios") / "stack", HARK_MODELS="whisper-tiny.en") as stack:
        for spec in (topology.worker(stack.environment), topology.beat(stack.environment)):
            stack.spawn(spec)
        command = [sys.executable, "manage.py", "routes", "scenarios"]
        subprocess.run(command, cwd=PROJECT_DIR, env=stack.environment, check=True, capture_output=True, timeout=60)
        wait_until(lambda: scenarios_of(stack) == {spoken["id"] for spoken in SPOKEN}, LOADED_WITHIN_S)
        yield stack


def scenarios_of(stack: Stack) -> set[str]:
    _status, body = request(stack.port, "GET", "/api/v1/routes/")
    return {route["scenario"] for route in json.loads(body)["routes"]}


@pytest.mark.parametrize("spoken", SPOKEN, ids=lambda spoken: str(spoken["id"]))
async def test_what_is_spoken_into_the_microphone_is_written(
    browser: Browser, make_microphone: MakeMicrophone, spoken: dict[str, str]
) -> None:
    audio = np.concatenate([pause(0.5), clip(CLIPS / spoken["file"]), pause(30)])
    page = await browser.visit(Visit(microphone=make_microphone(audio, RATE_HZ)))
    await page.select_option("#model", f"scenario:{spoken['id']}")
    await page.click("#record")
    await expect(page.locator(".line.is-partial").first).to_be_visible(timeout=20_000)
    await expect(page.locator("#serving")).to_have_text("Recognised by conformer-edge")
    await expect(page.locator(".line.is-partial")).to_have_count(0, timeout=20_000)
    await page.click("#record")
    await finish(page)

    shown = await shown_lines(page)
    assert word_error_rate(spoken["text"], " ".join(shown)) <= ONE_WORD, shown
    assert shown[-1].split()[-1] == spoken["text"].split()[-1], "the word before the silence is lost"
    stored = await stored_transcript(page)
    assert [segment["text"] for segment in stored["segments"] if segment["text"]] == shown
