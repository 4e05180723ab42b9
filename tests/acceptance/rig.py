"""A recognition loop that is stepped by hand: any number of streams, real weights or the scripted engine, no wall clock.

Time is the audio's: an event is noted with how much audio its stream had sent when it came.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from benchmarks.scoring import units
from inference.audio import SAMPLE_RATE_HZ
from inference.engines.base import Engine
from inference.loop import RecognitionLoop
from inference.messages import (
    AnyStreamEvent,
    AnyStreamRequest,
    AudioChunk,
    EndStream,
    OpenStream,
    StreamDone,
    StreamFailed,
    StreamOptions,
    TranscriptFinal,
    TranscriptUpdated,
)
from inference.silero import SileroVad
from inference.vad import LevelVad, SpeechDetector

EventT = TypeVar("EventT", bound=AnyStreamEvent)
LINK = 0


@dataclass(slots=True)
class Transcript:
    """What one stream was told. `received_ms`: for each event, how much audio had been sent by then."""

    events: list[AnyStreamEvent] = field(default_factory=list)
    received_ms: list[int] = field(default_factory=list)
    num_frames: int = 0

    def of(self, kind: type[EventT]) -> list[EventT]:
        return [event for event in self.events if isinstance(event, kind)]

    def timed(self, kind: type[EventT]) -> list[tuple[int, EventT]]:
        """The events of that kind, each with `received_ms`."""
        return [(at_ms, event) for at_ms, event in zip(self.received_ms, self.events, strict=True) if isinstance(event, kind)]

    @property
    def finals(self) -> list[TranscriptFinal]:
        return self.of(TranscriptFinal)

    @property
    def partials(self) -> list[TranscriptUpdated]:
        return self.of(TranscriptUpdated)

    @property
    def texts(self) -> list[str]:
        """Everything that was shown, finals first."""
        return [event.text for event in self.finals] + [event.text for event in self.partials]

    @property
    def is_over(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], StreamDone | StreamFailed)

    @property
    def text(self) -> str:
        return " ".join(final.text for final in self.finals if final.text)

    @property
    def words(self) -> list[str]:
        """Without case and punctuation."""
        return units(self.text, by_character=False)


class Rig:
    """Args:
    detector: voice activity; None: the one that the server would choose for `engine`.
    """

    def __init__(
        self,
        engine: Engine[Any],
        detector: SpeechDetector | None = None,
        *,
        max_batch: int = 16,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.transcripts: dict[int, Transcript] = {}
        chosen = detector or (LevelVad() if engine.info.engine == "fake" else SileroVad())
        self.loop = RecognitionLoop(
            {engine.info.name: engine}, chosen, self._deliver, max_streams=1000, max_batch=max_batch, clock=clock
        )

    def hear(self, audio: np.ndarray, *, frame_ms: int = 100, **options: Any) -> Transcript:
        """What a stream of its own makes of `audio`, float32 (num_samples,), mono, at the rate that `options` say."""
        return self.hear_all([audio], frame_ms=frame_ms, **options)[0]

    def hear_all(self, audios: Sequence[np.ndarray], *, frame_ms: int = 100, **options: Any) -> list[Transcript]:
        """As many streams at the same time; the loop turns once for every `frame_ms` of audio."""
        wanted = StreamOptions(encoding="pcm_f32le", **options)
        frame_samples = wanted.sample_rate_hz * frame_ms // 1000
        streams = [self.open(wanted) for _ in audios]
        for start in range(0, max(len(audio) for audio in audios), frame_samples):
            for stream, audio in zip(streams, audios, strict=True):
                self.send(stream, audio[start : start + frame_samples])
            self.turn()
        for stream in streams:
            self.submit(EndStream(stream=stream))
        transcripts = [self.transcripts[stream] for stream in streams]
        while not all(transcript.is_over for transcript in transcripts):
            self.turn()
        return transcripts

    def hear_bytes(self, payload: bytes, options: StreamOptions, frame_bytes: int) -> Transcript:
        """What a stream of its own makes of `payload`, sent in frames of so many bytes."""
        stream = self.open(options)
        for start in range(0, len(payload), frame_bytes):
            self.submit(AudioChunk(stream=stream, payload=payload[start : start + frame_bytes]))
            self.turn()
        self.submit(EndStream(stream=stream))
        while not self.transcripts[stream].is_over:
            self.turn()
        return self.transcripts[stream]

    def open(self, options: StreamOptions) -> int:
        stream = len(self.transcripts)
        self.transcripts[stream] = Transcript()
        self.rate_hz = options.sample_rate_hz
        self.submit(OpenStream(stream=stream, options=options))
        return stream

    def send(self, stream: int, audio: np.ndarray) -> None:
        """float32 (num_samples,)."""
        if len(audio):
            self.transcripts[stream].num_frames += len(audio)
            self.submit(AudioChunk(stream=stream, payload=np.asarray(audio, dtype="<f4").tobytes()))

    def submit(self, request: AnyStreamRequest) -> None:
        self.loop.submit(LINK, [request])

    def turn(self) -> None:
        """What the recognition thread does again and again."""
        self.loop.take(wait=False)
        self.loop.judge()
        self.loop.step()
        self.loop.send()

    def _deliver(self, _link: int, events: list[AnyStreamEvent]) -> None:
        for event in events:
            transcript = self.transcripts[event.stream]
            transcript.events.append(event)
            transcript.received_ms.append(transcript.num_frames * 1000 // self.rate_hz)


def silence(seconds: float) -> np.ndarray:
    """float32 (num_samples,) of zeros at 16 kHz."""
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), dtype=np.float32)
