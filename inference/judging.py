"""Voice activity of all streams in a pass of the recognition loop: which frames are shown to the network, and how many at once.

What the probabilities mean is for the stream to say; what the network is, for `inference.vad`.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from inference.clients import sparing_others
from inference.stream import Stream
from inference.vad import SpeechDetector

MAX_VAD_ROUNDS: Final = 32
"""Frames of one stream judged before the next batch runs (1 s): a stream far behind must not hold up the others."""
MAX_RUN_FRAMES: Final = 80
"""The same for a stream in the quiet, which are judged in one call: all that waited at the gate."""
MIN_RUN_FRAMES: Final = 4
"""With fewer frames of one stream a batch of a few streams is as fast."""
MAX_RUNS_S: Final = 0.05
"""What such streams may take together before the next batch runs: hundreds may begin, or be startled, at once."""


class FrameJudge:
    """`clock`: monotonic seconds."""

    def __init__(self, detector: SpeechDetector, clock: Callable[[], float] = time.monotonic) -> None:
        self.detector = detector
        self.clock = clock

    def judge(self, streams: Sequence[Stream]) -> None:
        """One frame of each a round, all together; what has waited in the quiet goes before."""
        waiting = self._judge_runs(streams)
        for _ in range(MAX_VAD_ROUNDS):
            waiting = [stream for stream in waiting if stream.has_frame() and not stream.is_done]
            if not waiting:
                break
            self._judge(waiting)
        for stream in streams:
            if stream.is_settling:
                with sparing_others(stream):
                    stream.settle()

    def _judge_runs(self, streams: Sequence[Stream]) -> list[Stream]:
        """Many frames of a stream in one call, where they have waited at the gate, so that no batch comes between them and the
        beginning that they may hold. Returns the streams whose turn is not put off to the next pass."""
        until_s = self.clock() + MAX_RUNS_S
        ready = []
        for stream in streams:
            num_frames = min(stream.num_frames_waiting, MAX_RUN_FRAMES) if _has_waited(stream) else 0
            if num_frames >= MIN_RUN_FRAMES:
                if self.clock() >= until_s:
                    continue
                self._judge_run(stream, num_frames)
            ready.append(stream)
        return ready

    def _judge_run(self, stream: Stream, num_frames: int) -> None:
        with sparing_others(stream):
            for prob in self.detector.run_probabilities(stream.next_frames(num_frames), stream.vad):
                stream.judge(prob)
                stream.settle()

    def _judge(self, streams: Sequence[Stream]) -> None:
        """One frame of each."""
        judged, frames = [], []
        for stream in streams:
            with sparing_others(stream):
                frames.append(stream.next_frame())
                judged.append(stream)
        probs = self.detector.probabilities(frames, [stream.vad for stream in judged])
        for stream, prob in zip(judged, probs, strict=True):
            with sparing_others(stream):
                stream.judge(prob)
                stream.settle()


def _has_waited(stream: Stream) -> bool:
    """Whether frames of the quiet are to be judged."""
    return stream.has_frame() and not stream.is_done and not stream.endpointer.is_busy
