"""Voice activity of all streams in a pass of the recognition loop: which frames are shown to the network, and how many at once.

What the probabilities mean is for the stream to say; what the network is, for `inference.vad`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from inference.clients import sparing_others
from inference.stream import Stream
from inference.vad import SpeechDetector

MAX_FRAMES: Final = 32
"""Of one stream, before the next batch runs (1 s): a stream far behind must not hold up the others."""
MAX_QUIET_FRAMES: Final = 80
"""More of a stream in the quiet: all that waited at the gate, so that no batch comes between it and the beginning that it may
hold."""
MAX_STARTLED_FRAMES: Final = 2_000
"""So many of these of all streams together, 30 to 50 ms: hundreds may begin, or be startled, at once."""


class FrameJudge:
    def __init__(self, detector: SpeechDetector) -> None:
        self.detector = detector

    def judge(self, streams: Sequence[Stream]) -> None:
        """All frames that each has, of all streams together."""
        left = _shares(streams)
        while left := {stream: num for stream, num in left.items() if num and stream.has_frame() and not stream.is_done}:
            for stream, num_judged in self._judge(left).items():
                left[stream] -= num_judged
        for stream in streams:
            if stream.is_settling:
                with sparing_others(stream):
                    stream.settle()

    def _judge(self, max_frames: Mapping[Stream, int]) -> dict[Stream, int]:
        """So many frames of each, if it has them. Returns how many were."""
        frames = {}
        for stream, num in max_frames.items():
            with sparing_others(stream):
                frames[stream] = stream.next_frames(num)
        found = self.detector.judge(list(frames.values()), [stream.vad for stream in frames])
        num_judged = {}
        for stream, judged in zip(frames, found, strict=True):
            with sparing_others(stream):
                num_judged[stream] = stream.judge_all(judged.probs)
                judged.move(stream.vad, num_judged[stream])
        return num_judged


def _shares(streams: Sequence[Stream]) -> dict[Stream, int]:
    """How many frames of each may be judged in this pass; the streams that are put off to the next one are left out."""
    shares, num_startled = {}, 0
    for stream in streams:
        num_quiet = min(stream.num_frames_waiting, MAX_QUIET_FRAMES) if _is_startled(stream) else 0
        if not num_quiet or num_startled < MAX_STARTLED_FRAMES:
            num_startled += num_quiet
            shares[stream] = MAX_FRAMES + num_quiet
    return shares


def _is_startled(stream: Stream) -> bool:
    """Whether frames of the quiet are to be judged."""
    return stream.has_frame() and not stream.is_done and not stream.endpointer.is_busy
