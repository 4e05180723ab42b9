"""The engine in the recognition loop: what streams are told is what the engine says of each utterance alone."""

import random

import numpy as np
import pytest

from inference.engines.arithmetic import FP32
from inference.engines.conformer_ctc.engine import ConformerEngine
from inference.loop import RecognitionLoop
from inference.messages import AnyStreamEvent, AudioChunk, EndStream, OpenStream, StreamOptions, TranscriptFinal
from inference.vad import LevelVad
from tests.inference.engines.conformer_ctc.networks import RandomFiles, config_of
from tests.inference.engines.conformer_ctc.test_frontend import noise
from tests.inference.worker import to_pcm

SECOND = 16_000
PACKET_BYTES = 2 * SECOND // 5
QUIET = np.zeros(SECOND, dtype=np.float32)
NUM_LETTERS_AT_THE_END = 8
"""At most: those of 200 ms of silence."""


@pytest.fixture(scope="module")
def engine() -> ConformerEngine:
    engine = ConformerEngine(RandomFiles(config_of(4, (10, 4))), FP32)
    engine.load()
    return engine


def finals_of(engine: ConformerEngine, spoken: list[np.ndarray], *, interim: bool) -> dict[int, list[TranscriptFinal]]:
    """Streams that begin one after the other, a packet of each in turn, in an order of its own each time."""
    found: dict[int, list[TranscriptFinal]] = {stream: [] for stream in range(len(spoken))}

    def deliver(_link: int, events: list[AnyStreamEvent]) -> None:
        for event in events:
            if isinstance(event, TranscriptFinal):
                found[event.stream].append(event)

    loop = RecognitionLoop({engine.info.name: engine}, LevelVad(), deliver, max_streams=100, max_batch=4)
    rng, sent = random.Random(5), [0] * len(spoken)
    packets = [[pcm[at : at + PACKET_BYTES] for at in range(0, len(pcm), PACKET_BYTES)] for pcm in map(to_pcm, spoken)]
    for stream in range(len(spoken)):
        loop.submit(1, [OpenStream(stream=stream, options=StreamOptions(interim=interim, languages=("en",)))])
    while waiting := [stream for stream in range(len(spoken)) if sent[stream] < len(packets[stream])]:
        for stream in rng.sample(waiting, k=rng.randint(1, len(waiting))):
            loop.submit(1, [AudioChunk(stream=stream, payload=packets[stream][sent[stream]])])
            sent[stream] += 1
        turn(loop)
    loop.submit(1, [EndStream(stream=stream) for stream in range(len(spoken))])
    turn(loop)
    while loop.clients:
        turn(loop)
    return found


def turn(loop: RecognitionLoop) -> None:
    loop.take(wait=False)
    loop.judge()
    loop.send()
    loop.step()
    loop.send()


def test_finals_of_interleaved_streams_are_those_of_each_alone(engine: ConformerEngine) -> None:
    spoken = [np.concatenate([QUIET, noise(SECOND + seed * 900, seed), QUIET, noise(SECOND, 50 + seed)]) for seed in range(5)]
    expected = [finals_of(engine, [audio], interim=False)[0] for audio in spoken]

    found = finals_of(engine, spoken, interim=False)

    assert [texts(found[stream]) for stream in range(len(spoken))] == [texts(finals) for finals in expected]
    assert all(len(finals) == 2 and all(texts(finals)) for finals in expected)
    assert vars(engine.runtime)["pool"].num_taken == 0


def test_partials_change_nothing_in_finals_but_their_very_end(engine: ConformerEngine) -> None:
    """Where partials have heard beyond the final, it hears no silence behind its last sample."""
    spoken = [np.concatenate([QUIET, noise(2 * SECOND, seed), QUIET]) for seed in range(3)]

    with_partials, without = (finals_of(engine, spoken, interim=interim) for interim in (True, False))

    for stream in range(len(spoken)):
        (one,), (other,) = texts(with_partials[stream]), texts(without[stream])
        assert len(other) > 2 * NUM_LETTERS_AT_THE_END
        assert one[:-NUM_LETTERS_AT_THE_END] == other[: len(one) - NUM_LETTERS_AT_THE_END]
        assert len(other) - len(one) <= NUM_LETTERS_AT_THE_END


def texts(finals: list[TranscriptFinal]) -> list[str]:
    return [final.text for final in finals]
