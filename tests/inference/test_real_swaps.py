"""Real models that take turns in a real process, under eight people who speak."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
import pytest

from inference.client import StreamHandle, models
from inference.messages import (
    Canary,
    ConfigureStream,
    LoadModel,
    ModelChanged,
    ModelSpec,
    ModelUnloaded,
    StreamDone,
    TranscriptFinal,
    UnloadModel,
)
from inference.wording import word_error_rate
from tests.inference.conftest import OpenClient
from tests.inference.test_moving import assert_changes_come_at_boundaries
from tests.inference.test_swaps import names
from tests.inference.worker import PATIENCE_S, Listener, Worker, listen, running_worker, send_in_pieces, to_pcm
from tests.speech import Clip, clips

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

NUM_SWAPS = 4
NUM_STREAMS = 8
SILENCE = np.zeros(16_000, dtype=np.float32)
LEFT_MS = 2_000
"""What may stay unsettled behind a sentence: the silence after it, and what is kept for the beginning of the next."""
MB = 1_000_000
MAX_WER = 0.15
"""Of these clips, by the smallest model."""
VARIANTS = (
    ModelSpec(name="tiny-int8", source="whisper-tiny.en", precision="int8"),
    ModelSpec(name="tiny-fp32", source="whisper-tiny.en", precision="fp32"),
)


@pytest.fixture
async def worker(address: str) -> AsyncIterator[Worker]:
    settings = {"HARK_MODELS": "whisper-tiny.en", "HARK_PRECISION": "fp32", "HARK_DEVICE": "cpu"}
    with running_worker(address, **settings) as started:
        async with asyncio.timeout(60):
            await names(address)
        yield started


@dataclass
class Reader:
    """Reads a clip to a stream again and again, each time when the time before was understood. `pause_s`: after each tenth of a
    second."""

    clip: Clip
    handle: StreamHandle
    listener: Listener
    num_read: int = 0
    pause_s: float = 0.0

    async def read(self, is_over: asyncio.Event) -> None:
        while not is_over.is_set() or not self.num_read:
            pcm = to_pcm(np.concatenate([self.clip.audio, SILENCE]))
            await send_in_pieces(self.handle, pcm, pause_s=self.pause_s)
            self.num_read += 1
            async with asyncio.timeout(120):
                while self.handle.unsettled_ms > LEFT_MS:
                    self.listener.news.clear()
                    await self.listener.news.wait()
        self.handle.end()
        await self.listener.over()

    def assert_heard(self) -> None:
        """All that was read, as far as the smallest model understands it."""
        finals = self.listener.of(TranscriptFinal)
        assert word_error_rate(" ".join([self.clip.text] * self.num_read), " ".join(final.text for final in finals)) <= MAX_WER
        assert len(finals) >= self.num_read
        assert [final.segment for final in finals] == list(range(len(finals)))
        done = self.listener.events[-1]
        assert isinstance(done, StreamDone)
        assert done.checkpoint.settled_samples == self.handle.num_frames
        assert_changes_come_at_boundaries(self.listener.events)


async def test_two_precisions_take_turns_under_eight_readers_and_the_memory_comes_back(
    worker: Worker, open_client: OpenClient
) -> None:
    sentences = clips()[1], clips()[3]
    canary = Canary(payload=to_pcm(sentences[0].audio), text=sentences[0].text, language="en", max_wer=MAX_WER)
    client = open_client(worker.address)
    readers = [Reader(sentences[number % 2], *listen(client, languages=("en",), interim=False)) for number in range(NUM_STREAMS)]
    is_over = asyncio.Event()
    reading = [asyncio.create_task(reader.read(is_over)) for reader in readers]

    unloaded: list[ModelUnloaded] = []
    old = "whisper-tiny.en"
    for spec in islice(cycle(VARIANTS), NUM_SWAPS):
        loaded = await models.load(worker.address, LoadModel(spec=spec, canary=canary))
        for reader in readers:
            reader.handle.configure(ConfigureStream(stream=reader.handle.number, model=spec.name))
        unloaded.append(
            await models.unload(worker.address, UnloadModel(model=old, successor=spec.name, drain_s=PATIENCE_S), within_s=120)
        )
        old = spec.name
        assert loaded.info.precision == spec.precision
    is_over.set()
    await asyncio.gather(*reading)

    for reader in readers:
        reader.assert_heard()
        assert len(reader.listener.of(ModelChanged)) == NUM_SWAPS
    with_each = [[each.memory_bytes_after for each in unloaded[first::2]] for first in (0, 1)]
    assert all(max(after) - after[0] < 100 * MB for after in with_each)
    assert [each.num_failed for each in unloaded] == [0] * NUM_SWAPS


async def test_a_second_real_model_gives_its_memory_back(worker: Worker) -> None:
    """The other model is multilingual, of another size, and comes in other files."""
    alone = await models.unload(worker.address, UnloadModel(model="nothing"))
    loaded = await models.load(worker.address, LoadModel(spec=ModelSpec(name="base", source="whisper-base", precision="bf16")))

    unloaded = await models.unload(worker.address, UnloadModel(model="base"))

    assert loaded.memory_bytes > 100 * MB
    assert unloaded.memory_bytes_after - alone.memory_bytes_after < 100 * MB
