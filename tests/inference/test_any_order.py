"""Requests in orders that nobody would think of, with options that nobody would combine: what is told of a stream must hold
together all the same. Seeded, no clock and no thread."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from inference.audio import SAMPLE_BYTES, num_samples_of
from inference.engines.base import Hypothesis, Window, Word
from inference.engines.fake import FakeEngine, Faults
from inference.loop import RecognitionLoop
from inference.messages import (
    AnyStreamEvent,
    AnyStreamRequest,
    AudioChunk,
    AudioGap,
    ConfigureStream,
    EndStream,
    FinalizeStream,
    OpenStream,
    QuietPassed,
    StreamDone,
    StreamFailed,
    StreamOpened,
    StreamOptions,
    StreamProgress,
    TranscriptFinal,
    TranscriptUpdated,
)
from inference.vad import Judged, VadState

MODELS = ("whole", "other", "strides")
NUM_STREAMS = 3
NUM_ACTIONS = 120
MAX_TURNS = 5_000


@dataclass
class Memory:
    """Of one stream: how many samples of the segment were heard."""

    num_heard: int = 0


@dataclass
class Whimsical(FakeEngine):
    """Hears whatever it likes, nothing included, and may take several steps for a final."""

    dice: random.Random = field(default_factory=random.Random)

    def open_stream(self) -> Any:
        return Memory()

    def finish(self, state: Any) -> None:
        state.num_heard = 0

    def step(self, batch: Sequence[Window[Any]]) -> list[Any]:
        return [self._made_up(window) for window in batch]

    def _made_up(self, window: Window[Any]) -> Hypothesis | None:
        heard = min(window.state.num_heard, window.num_samples) if self.info.step_samples else 0
        assert window.start == heard, "every sample of a segment is given once, or all of them each time"
        window.state.num_heard = window.num_samples
        if window.is_final and self.dice.random() < 0.3:
            return None
        if window.is_final:
            window.state.num_heard = 0
        if self.dice.random() < 0.3:
            return Hypothesis("", "", "en", 0.0, ())
        first_ms = self.dice.randint(0, window.num_samples // 16)
        word = Word("word", first_ms, first_ms + self.dice.randint(0, 500), 1.0)
        return Hypothesis("word", "", "en", 1.0, (word,))


@dataclass
class WhimsicalVad:
    """What is voice has nothing to do with what is heard, and lasts for a while."""

    dice: random.Random
    probs: dict[int, float] = field(default_factory=dict)

    def judge(self, frames: Sequence[np.ndarray], states: Sequence[VadState]) -> list[Judged]:
        return [Judged([self._next(id(state)) for _frame in run]) for run, state in zip(frames, states, strict=True)]

    def _next(self, key: int) -> float:
        if self.dice.random() < 0.12:
            self.probs[key] = self.dice.choice([0.0, 0.4, 1.0])
        return self.probs.get(key, 0.0)


@dataclass
class Crowd:
    """A loop, streams with options by chance, and what they were told."""

    dice: random.Random

    def __post_init__(self) -> None:
        engines = {name: Whimsical.called(name, Faults()) for name in MODELS}
        for engine in engines.values():
            engine.dice = self.dice  # type: ignore[attr-defined]  # it is a Whimsical one
        engines["strides"].info = structs.replace(engines["strides"].info, first_step_samples=2_400, step_samples=3_200)
        self.loop = RecognitionLoop(engines, WhimsicalVad(self.dice), self.hear, max_streams=9, max_batch=2, clock=lambda: 0.0)
        self.options = [self._some_options() for _ in range(NUM_STREAMS)]
        self.events: list[list[AnyStreamEvent]] = [[] for _ in self.options]
        self.num_frames = [0 for _ in self.options]
        self.num_finalizes = [0 for _ in self.options]
        self.loop.submit(1, [OpenStream(stream=number, options=options) for number, options in enumerate(self.options)])

    def hear(self, _link: int, events: list[AnyStreamEvent]) -> None:
        for event in events:
            self.events[event.stream].append(event)

    def turn(self) -> None:
        self.loop.take(wait=False)
        self.loop.judge()
        self.loop.send()
        self.loop.step()
        self.loop.send()

    def run_dry(self) -> None:
        for _ in range(MAX_TURNS):
            self.turn()
            if not self.loop.has_work():
                return
        pytest.fail("there is no end of it")

    def live(self) -> None:
        for _ in range(NUM_ACTIONS):
            self.loop.submit(1, [self._some_request(self.dice.randrange(NUM_STREAMS))])
            if self.dice.random() < 0.5:
                self.turn()
        self.loop.submit(1, [EndStream(stream=number) for number in range(NUM_STREAMS)])
        self.run_dry()

    def _some_options(self) -> StreamOptions:
        choice = self.dice.choice
        return StreamOptions(
            encoding=choice(["pcm_s16le", "pcm_s16le", "pcm_f32le", "alaw"]),
            sample_rate_hz=choice([16_000, 16_000, 8_000, 44_100, 48_000]),
            num_channels=choice([1, 1, 2]),
            model=choice(MODELS),
            partial_model=choice([None, *MODELS]),
            interim=choice([True, False]),
            endpoint_ms=choice([100, 500, 5_000]),
            max_segment_ms=choice([3_000, 9_000]),
            denoise=choice([False, False, True]),
        )

    def _some_request(self, stream: int) -> AnyStreamRequest:
        kind, rate_hz = self.dice.random(), self.options[stream].sample_rate_hz
        num_frames = self.dice.choice([0, 1, self.dice.randint(1, 1_000), rate_hz // 10, rate_hz // 2, rate_hz])
        if kind < 0.1:
            self.num_finalizes[stream] += 1
            return FinalizeStream(stream=stream)
        if kind < 0.2:
            return self._some_change(stream)
        self.num_frames[stream] += num_frames
        if kind < 0.25:
            return AudioGap(stream=stream, num_frames=num_frames)
        if kind < 0.3:
            return QuietPassed(stream=stream, num_frames=num_frames, floor_db=-60.0)
        return AudioChunk(stream=stream, payload=self._some_audio(self.options[stream], num_frames))

    def _some_change(self, stream: int) -> ConfigureStream:
        choice = self.dice.choice
        return ConfigureStream(
            stream=stream,
            endpoint_ms=choice([100, 5_000]),
            max_segment_ms=choice([3_000, 29_000]),
            interim=choice([True, False]),
            model=choice([*MODELS, "gone"]),
            partial_model=choice([None, *MODELS, "gone"]),
        )

    def _some_audio(self, options: StreamOptions, num_frames: int) -> bytes:
        num_bytes = num_frames * options.num_channels * SAMPLE_BYTES[options.encoding]
        return bytes(num_bytes) if self.dice.random() < 0.3 else self.dice.randbytes(num_bytes)


@pytest.mark.parametrize("seed", range(10))
def test_whatever_comes_in_whatever_order_what_is_told_holds_together(seed: int) -> None:
    crowd = Crowd(random.Random(seed))
    crowd.live()

    for stream, events in enumerate(crowd.events):
        assert isinstance(events[0], StreamOpened)
        assert [type(event) for event in events if isinstance(event, StreamDone | StreamFailed)] == [StreamDone]
        finals = [event for event in events if isinstance(event, TranscriptFinal)]
        assert sum(final.from_finalize for final in finals) == crowd.num_finalizes[stream]
        _assert_texts_follow_each_other(events)
        _assert_account_grows_to(events, num_samples_of(crowd.num_frames[stream], crowd.options[stream].sample_rate_hz))


def _assert_texts_follow_each_other(events: list[AnyStreamEvent]) -> None:
    number, ended_ms = 0, 0
    for event in events:
        if isinstance(event, TranscriptUpdated | TranscriptFinal):
            assert event.segment == number
            assert ended_ms <= event.start_ms <= event.end_ms
        if isinstance(event, TranscriptFinal):
            assert all(event.start_ms <= word.start_ms <= word.end_ms <= event.end_ms for word in event.words)
            number, ended_ms = number + 1, event.end_ms


def _assert_account_grows_to(events: list[AnyStreamEvent], num_samples: int) -> None:
    """Within a sample, where gaps of another rate begin or end within one."""
    checkpoints = [event.checkpoint for event in events if isinstance(event, StreamProgress | TranscriptFinal | StreamDone)]
    settled = [checkpoint.settled_samples for checkpoint in checkpoints]
    assert settled == sorted(settled)
    assert abs(settled[-1] - num_samples) <= 1
