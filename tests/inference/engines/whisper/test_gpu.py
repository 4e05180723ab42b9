"""The engine on a real GPU: the same texts as on a processor, with graphs and without, in memory that does not grow."""

from collections.abc import Iterator, Sequence

import pytest
import torch

from inference.engines import registry
from inference.engines.base import Hypothesis, Window
from inference.engines.whisper.engine import WhisperEngine
from inference.engines.whisper.graphs import StaticRunner
from inference.engines.whisper.state import WhisperState
from tests.speech import clips

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
MAX_BATCH = 8
NUM_STEPS = 200


def loaded(device: str) -> WhisperEngine:
    made: WhisperEngine = registry.create("whisper-tiny.en", "fp32", device=device, max_batch=MAX_BATCH)  # type: ignore[assignment]  # what this name makes
    made.load()
    made.warm_up()
    return made


@pytest.fixture(scope="module")
def engine() -> Iterator[WhisperEngine]:
    made = loaded("cuda")
    yield made
    made.close()


@pytest.fixture
def static(engine: WhisperEngine) -> StaticRunner:
    assert isinstance(engine.writer.runner, StaticRunner)
    return engine.writer.runner


def partials(engine: WhisperEngine, num_streams: int) -> list[Hypothesis]:
    """Audio that grows, in streams of different length."""
    spoken = [clips()[index % len(clips())].audio[index * 1_600 :] for index in range(num_streams)]
    states = [WhisperState() for _ in spoken]
    found: list[Hypothesis] = []
    for num_samples in range(16_000, 80_000, 16_000):
        windows = [
            Window(state, audio[:num_samples], ("en",), is_final=False, hotwords=("Alexander",))
            for state, audio in zip(states, spoken, strict=True)
        ]
        found += engine.step(windows)
    return found


def finals(engine: WhisperEngine) -> list[str]:
    return texts(engine.step([Window(WhisperState(), clip.audio, ("en",), is_final=True) for clip in clips()]))


def texts(hypotheses: Sequence[Hypothesis]) -> list[str]:
    return [hypothesis.text for hypothesis in hypotheses]


def test_a_gpu_writes_what_a_processor_writes(engine: WhisperEngine) -> None:
    assert finals(engine) == finals(loaded("cpu"))


def test_every_shape_is_recorded(static: StaticRunner) -> None:
    assert set(static.repeats) == set(static.shapes())


def test_with_graphs_and_without_the_same_is_written(
    engine: WhisperEngine, static: StaticRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = texts(partials(engine, MAX_BATCH)), finals(engine)
    monkeypatch.setattr(static, "repeats", {})

    assert (texts(partials(engine, MAX_BATCH)), finals(engine)) == recorded


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_less_precise_arithmetic_writes_words_too(precision: str) -> None:
    engine: WhisperEngine = registry.create("whisper-tiny.en", precision, device="cuda", max_batch=4)  # type: ignore[arg-type,assignment]  # one of them; what this name makes
    engine.load()
    engine.warm_up()

    written = finals(engine)

    assert all(len(text.split()) >= len(clip.words) - 2 for text, clip in zip(written, clips(), strict=True))


def test_memory_does_not_grow(engine: WhisperEngine) -> None:
    """The encoder's shapes are not fixed: every one that comes has come before."""
    for num_streams in range(1, MAX_BATCH + 1):
        partials(engine, num_streams)
    before_bytes = torch.cuda.memory_reserved(engine.device)

    for number in range(NUM_STEPS // 4):
        partials(engine, 1 + number % MAX_BATCH)

    assert torch.cuda.memory_reserved(engine.device) == before_bytes
