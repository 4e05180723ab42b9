"""A stack for tests of the admin site: the scripted engine, a Celery worker, people of each role, models, routes, a schedule."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import soundfile
from playwright.async_api import Page, expect

from asr_project.serve import topology
from inference.engines.fake import speak
from tests.browser.conftest import ARTIFACTS, PROJECT_DIR
from tests.stack import Stack, running_stack

ROUTES = "/admin/transcription/modelroute/"
PASSWORD = "correct horse battery"
SEED = f"""
from datetime import time
from django.contrib.auth.models import Group, User
from transcription.models import ASRModel, ModelRoute, ModelSchedule
User.objects.create_superuser("root", password="{PASSWORD}")
for name in ("viewer", "operator"):
    User.objects.create_user(name, password="{PASSWORD}", is_staff=True).groups.add(Group.objects.get(name=name))
def model(name, source, **facts):
    return ASRModel.objects.create(name=name, engine="fake", source=source, multilingual=True, **facts)
day = model("fake", "fake", precision="fp32", memory_bytes=160_000_000, rtf=0.08, wer=0.094, licence="MIT", origin="scripted")
night = model("night", "fake?load_delay_s=2.5", precision="int8", memory_bytes=90_000_000, rtf=0.05, wer=0.101, variant_of=day)
model("nonsense", "fake?is_mute=1&load_delay_s=1.5", precision="fp32", memory_bytes=160_000_000)
general = ModelRoute.objects.create(model=day)
ModelRoute.objects.create(scenario="telephony", language="en", model=day, fallback=night)
ModelSchedule.objects.create(
    route=general, model=night, days=list(range(7)), starts=time(20), ends=time(6), time_zone="Europe/Berlin"
)
"""


@contextmanager
def administered_stack(folder: Path, *, has_worker: bool = True) -> Iterator[Stack]:
    """has_worker: whether Celery's worker runs, which carries out swaps."""
    clips = folder / "clips"
    clips.mkdir()
    soundfile.write(clips / "clip.wav", speak("alpha bravo charlie"), 16_000, subtype="PCM_16")
    (clips / "manifest.jsonl").write_text(json.dumps({"file": "clip.wav", "text": "Alpha, bravo, charlie.", "lang": "en"}))
    with running_stack(folder / "stack", HARK_MODELS="fake", HARK_CANARY_DIR=str(clips)) as stack:
        subprocess.run(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", SEED],
            env=stack.environment,
            cwd=PROJECT_DIR,
            check=True,
            timeout=60,
        )
        if has_worker:
            stack.spawn(topology.worker(stack.environment))
        yield stack


async def sign_in(page: Page, name: str) -> None:
    """From the page to sign in to the first page."""
    await page.fill("#id_username", name)
    await page.fill("#id_password", PASSWORD)
    await page.click("button[type=submit], input[type=submit]")
    await page.wait_for_selector(".hark-first")


async def picture(page: Page, name: str) -> None:
    """Of the whole page, to be looked at."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=ARTIFACTS / f"admin-{name}.png", full_page=True)


async def open_route(page: Page, base_url: str, name: str) -> None:
    await page.goto(base_url + ROUTES)
    await page.locator("#result_list").get_by_role("link", name=name, exact=True).click()


async def ask_for(page: Page, model: str, why: str = "") -> None:
    """From the page of a route to the page of its swap."""
    await page.get_by_role("link", name="Change model").click()
    option = page.locator("#id_model option").filter(has_text=re.compile(rf"^{model}\b"))
    await page.select_option("#id_model", value=await option.get_attribute("value"))
    await page.fill("#id_note", why)
    await picture(page, "change-model")
    await page.get_by_role("button", name="Change model").click()
    await expect(page.locator("[data-swap-state]")).to_be_visible()
