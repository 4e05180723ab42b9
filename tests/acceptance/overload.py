"""Recognition on a machine that is too slow, in time of the test's own: the engine takes as long as it is told to.

Audio comes at the pace at which it is spoken, whether or not recognition keeps up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inference.audio import SAMPLE_RATE_HZ
from inference.engines.base import Engine, Hypothesis, Window
from inference.engines.fake import FakeEngine
from inference.messages import AnyStreamEvent, EndStream, StreamOptions
from tests.acceptance.faults import Faulty
from tests.acceptance.rig import Rig, Transcript

TICK_S = 0.02


@dataclass
class Clock:
    """Seconds that pass when somebody says so."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


class Slow(Faulty):
    """Takes `rtf` seconds for each second of audio that it is shown; 0: no time at all."""

    def __init__(self, engine: Engine[Any], clock: Clock, rtf: float) -> None:
        super().__init__(engine)
        self.clock = clock
        self.rtf = rtf

    def step(self, batch: Sequence[Window[Any]]) -> list[Hypothesis]:
        heard = super().step(batch)
        self.clock.now_s += self.rtf * sum(len(window.audio) for window in batch) / SAMPLE_RATE_HZ
        return heard


class Hall(Rig):
    """Speakers before a slow engine. A transcript's `received_ms` says when in its stream's time each event was told.

    `kept_ms`: after each turn, how much audio is kept of all of them.
    """

    def __init__(self, rtf: float, **options: Any) -> None:
        self.clock = Clock()
        self.engine = Slow(FakeEngine(), self.clock, rtf)
        self.kept_ms: list[int] = []
        super().__init__(self.engine, clock=self.clock, **options)

    def listen(self, audios: Sequence[np.ndarray], **options: Any) -> list[Transcript]:
        """What speakers who begin at the same time are told until all is over; float32 (num_samples,) at 16 kHz."""
        began_s = self.clock.now_s
        streams = [self.open(StreamOptions(encoding="pcm_f32le", **options)) for _ in audios]
        transcripts = [self.transcripts[stream] for stream in streams]
        self.began_s = began_s
        while not all(transcript.is_over for transcript in transcripts):
            for stream, audio in zip(streams, audios, strict=True):
                self._send_up_to(stream, audio, round((self.clock.now_s - began_s) * SAMPLE_RATE_HZ))
            self.turn()
        return transcripts

    def _send_up_to(self, stream: int, audio: np.ndarray, position: int) -> None:
        num_sent = self.transcripts[stream].num_frames
        if num_sent < len(audio):
            self.send(stream, audio[num_sent:position])
            if position >= len(audio):
                self.submit(EndStream(stream=stream))

    def turn(self) -> None:
        super().turn()
        buffers = [client.stream.buffer for client in self.loop.clients.values()]
        self.kept_ms.append(sum(buffer.end - buffer.first for buffer in buffers) * 1000 // SAMPLE_RATE_HZ)
        if not self.loop.has_work():
            self.clock.now_s += TICK_S

    def _deliver(self, _link: int, events: list[AnyStreamEvent]) -> None:
        for event in events:
            self.transcripts[event.stream].events.append(event)
            self.transcripts[event.stream].received_ms.append(round((self.clock.now_s - self.began_s) * 1000))
