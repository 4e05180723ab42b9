"""The small streaming model and Whisper take each other's place in a real process, and share a stream, under people who speak."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import soundfile

from inference.client import models
from inference.engines import registry
from inference.errors import LinkLostError
from inference.messages import (
    Canary,
    ConfigureStream,
    LoadModel,
    ModelChanged,
    ModelSpec,
    TranscriptFinal,
    TranscriptUpdated,
    UnloadModel,
)
from tests.inference.conftest import OpenClient
from tests.inference.test_real_swaps import Reader
from tests.inference.worker import PATIENCE_S, Worker, listen, running_worker, to_pcm
from tests.speech import Clip

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

EDGE, WHISPER, AGAIN = "conformer-edge", "whisper-tiny.en", "tiny"
CLIPS = registry.EDGE_FOLDER / "reference"
NUM_STREAMS = 3
PAUSE_S = 0.05
"""After each tenth of a second: nobody speaks faster, and partials have time to come."""


def reference_clip() -> Clip:
    """An order for coffee, by somebody whom the small model was not trained on."""
    entry = json.loads((CLIPS / "manifest.jsonl").read_text(encoding="utf-8").splitlines()[0])
    return Clip(entry["id"], entry["text"], entry["lang"], soundfile.read(CLIPS / entry["file"], dtype="float32")[0])


@pytest.fixture
async def worker(address: str) -> AsyncIterator[Worker]:
    with running_worker(address, HARK_MODELS=WHISPER, HARK_DEVICE="cpu", HARK_CONFORMER_RUNTIME="torch") as started:
        async with asyncio.timeout(120):
            await until_ready(address)
        yield started


async def until_ready(address: str) -> None:
    while True:
        try:
            await models.status(address)
        except LinkLostError:
            await asyncio.sleep(0.1)  # nobody listens yet
        else:
            return


async def until_written(readers: list[Reader], partials: str, final: str) -> None:
    """Until each has a final of one model, and one of them had partials of the other for such a segment."""
    async with asyncio.timeout(120):
        while not are_written(readers, partials, final):  # noqa: ASYNC110 -- there is news of several
            await asyncio.sleep(0.05)


def are_written(readers: list[Reader], partials: str, final: str) -> bool:
    finals = [{each.model for each in reader.listener.of(TranscriptFinal)} for reader in readers]
    return all(final in models for models in finals) and any((partials, final) in writers(reader) for reader in readers)


def writers(reader: Reader) -> set[tuple[str, str]]:
    """Of segments that had partials and are over: who wrote those, and who wrote the final."""
    finals = {final.segment: final.model for final in reader.listener.of(TranscriptFinal)}
    partials = reader.listener.of(TranscriptUpdated)
    return {(partial.model, finals[partial.segment]) for partial in partials if partial.segment in finals}


async def test_the_small_model_and_whisper_swap_and_then_share_streams_without_a_word_lost(
    worker: Worker, open_client: OpenClient
) -> None:
    clip = reference_clip()
    canary = Canary(payload=to_pcm(clip.audio), text=clip.text, language="en")
    client = open_client(worker.address)
    readers = [Reader(clip, *listen(client, languages=("en",), model=WHISPER), pause_s=PAUSE_S) for _ in range(NUM_STREAMS)]
    is_over = asyncio.Event()
    reading = [asyncio.create_task(reader.read(is_over)) for reader in readers]

    await until_written(readers, WHISPER, WHISPER)
    await models.load(worker.address, LoadModel(spec=ModelSpec(name=EDGE), canary=canary))
    for reader in readers:
        reader.handle.configure(ConfigureStream(stream=reader.handle.number, model=EDGE))
    await models.unload(worker.address, UnloadModel(model=WHISPER, successor=EDGE, drain_s=PATIENCE_S), within_s=120)
    await until_written(readers, EDGE, EDGE)
    await models.load(worker.address, LoadModel(spec=ModelSpec(name=AGAIN, source=WHISPER), canary=canary))
    for reader in readers:
        reader.handle.configure(ConfigureStream(stream=reader.handle.number, model=AGAIN, partial_model=EDGE))
    await until_written(readers, EDGE, AGAIN)
    is_over.set()
    await asyncio.gather(*reading)

    for reader in readers:
        reader.assert_heard()
        assert [change.model for change in reader.listener.of(ModelChanged)] == [EDGE, AGAIN]
        assert writers(reader) <= {(WHISPER, WHISPER), (EDGE, EDGE), (EDGE, AGAIN)}
