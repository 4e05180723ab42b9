"""Swaps through the whole stack: people speak over WebSockets, a Celery worker carries the swap out, beat tends what is left."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack

import psycopg
import pytest
import soundfile

from asr_project.serve import topology
from inference.engines.fake import speak
from tests.inference.worker import PROJECT_DIR, say, wait_until
from tests.stack import Stack, running_stack
from tests.stream_client import open_stream

NUM_SPEAKERS = 4
BEFORE, BETWEEN, AFTER = "alpha bravo charlie", "delta echo foxtrot", "golf hotel india"
SEED = """
from transcription.models import ASRModel, ModelRoute
def model(name, source):
    return ASRModel.objects.create(name=name, engine="fake", source=source, multilingual=True)
model("second", "fake?load_delay_s=0.5")
model("slow", "fake?load_delay_s=60")
ModelRoute.objects.create(model=model("fake", "fake"))
"""
WISH = """
from transcription.models import ASRModel, ModelRoute
from transcription.swaps import request_swap
request_swap(ModelRoute.objects.get(), ASRModel.objects.get(name="{model}"), "manual")
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two inference processes, web, worker and beat."""
    folder = tmp_path_factory.mktemp("swaps")
    soundfile.write(folder / "clip.wav", speak("alpha bravo charlie"), 16_000, subtype="PCM_16")
    (folder / "manifest.jsonl").write_text(json.dumps({"file": "clip.wav", "text": "Alpha bravo charlie", "lang": "en"}))
    with running_stack(folder / "stack", num_inference=2, HARK_MODELS="fake", HARK_CANARY_DIR=str(folder)) as running:
        run(running, SEED)
        running.spawn(topology.worker(running.environment))
        running.spawn(topology.beat(running.environment))
        yield running


def run(stack: Stack, program: str) -> None:
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", program]
    subprocess.run(command, env=stack.environment, cwd=PROJECT_DIR, check=True, timeout=60)


def asked(stack: Stack, query: str) -> list[tuple[str, ...]]:
    with psycopg.connect(stack.database_url) as connection:
        return connection.execute(query).fetchall()


def newest_swap(stack: Stack) -> tuple[str, ...]:
    """State, error and target."""
    return asked(stack, "SELECT state, error, to_name FROM transcription_modelswap ORDER BY id DESC LIMIT 1")[0]


def model_of_the_route(stack: Stack) -> str:
    query = "SELECT m.name FROM transcription_modelroute r JOIN transcription_asrmodel m ON m.id = r.model_id"
    return asked(stack, query)[0][0]


@pytest.mark.timeout(180)
async def test_people_who_speak_go_over_to_the_new_model_and_lose_no_word(stack: Stack) -> None:
    async with AsyncExitStack() as sockets:
        speakers = [await sockets.enter_async_context(open_stream(stack.ws_url)) for _ in range(NUM_SPEAKERS)]
        for speaker in speakers:
            await speaker.send(say(BEFORE, silence_s=1.0))
        for speaker in speakers:
            await speaker.expect("final")

        wish = asyncio.create_task(asyncio.to_thread(run, stack, WISH.format(model="second")))
        for speaker in speakers:
            await speaker.send(say(BETWEEN, silence_s=1.0))
        await wish
        for speaker in speakers:
            changed = await speaker.expect("model_changed")
            assert changed["model"] == "second"
            await speaker.send(say(AFTER, silence_s=1.0))
        for speaker in speakers:
            await speaker.finish()

    for speaker in speakers:
        assert " ".join(speaker.words) == f"{BEFORE} {BETWEEN} {AFTER}"
        assert [final["model"] for final in speaker.of("final") if final["text"]][0] == "fake"
        assert [final["model"] for final in speaker.of("final") if final["text"]][-1] == "second"
        assert speaker.of("done")[0]["complete"]
    await asyncio.to_thread(wait_until, lambda: newest_swap(stack)[0] == "done", 60)


@pytest.mark.timeout(180)
async def test_a_swap_whose_worker_is_killed_fails_and_the_old_model_serves(stack: Stack) -> None:
    serving = model_of_the_route(stack)
    await asyncio.to_thread(run, stack, WISH.format(model="slow"))
    await asyncio.to_thread(wait_until, lambda: newest_swap(stack)[0] == "loading", 60)

    worker = stack.processes["worker"]
    worker.kill()
    worker.wait()
    stack.spawn(topology.worker(stack.environment))

    await asyncio.to_thread(wait_until, lambda: newest_swap(stack)[0] == "failed", 90)
    assert "came to its end" in newest_swap(stack)[1]
    assert model_of_the_route(stack) == serving
    async with open_stream(stack.ws_url) as speaker:
        await speaker.send(say(BEFORE, silence_s=1.0))
        await speaker.finish()
    assert [(final["text"], final["model"]) for final in speaker.of("final") if final["text"]] == [(BEFORE, serving)]
