"""Which frames of a stream the voice activity network is to judge, and where its judgement puts speech: the audio that is kept,
the gate before the network, and the endpointer behind it. What follows of it is for the stream to say.

Positions are absolute sample numbers at 16 kHz. The network itself is called for many streams at once, by the loop.
"""

from collections import deque

import numpy as np

from inference.buffer import AudioBuffer
from inference.endpointing import FRAME_SAMPLES, Endpointer, Turn
from inference.gate import EnergyGate, frame_powers
from inference.vad import CONTEXT_SAMPLES


class VoiceActivity:
    """`measured`: before it, the gate knows the level of each frame. `seen`: before it, each was judged or passed over.
    `has_frame`: the next one has to be judged now."""

    __slots__ = ("_near", "_origin", "buffer", "endpointer", "gate", "has_frame", "measured", "seen")

    def __init__(self, buffer: AudioBuffer, gate: EnergyGate, endpointer: Endpointer) -> None:
        self.buffer = buffer
        self.gate = gate
        self.endpointer = endpointer
        self.measured = self.seen = self._origin = buffer.end
        self.has_frame = False
        self._near: deque[int] = deque()

    def append(self, audio: np.ndarray) -> bool:
        """Keep samples, float32 or, where the buffer has 16 bits, int16; and show the gate the level of each frame that is whole
        now. Returns whether there is one."""
        self.buffer.append(audio)
        end = self.buffer.end - (self.buffer.end - self.measured) % FRAME_SAMPLES
        if end <= self.measured:
            return False
        self._near.extend(self.gate.measure(frame_powers(self.buffer.peek(self.measured, end))))
        self.measured = end
        return True

    # The gate

    def skip(self, limit: int, *, is_last: bool) -> bool:
        """Pass over the frames before `limit` that the network need not hear. `is_last`: nobody will wait for more. Returns
        whether there were any."""
        if self.endpointer.is_busy:
            return False
        first = self.endpointer.num_frames
        num_skipped = min(self._num_before(limit), self.gate.num_skippable(first, is_last=is_last))
        if not num_skipped:
            return False
        self.endpointer.skip(num_skipped, self._last_near(first + num_skipped))
        self.seen += num_skipped * FRAME_SAMPLES
        return True

    def look(self, limit: int) -> None:
        """See whether a frame before `limit` has to be judged, now that others were passed over."""
        endpointer = self.endpointer
        self.has_frame = limit - self.seen >= FRAME_SAMPLES and (endpointer.is_busy or self.gate.is_open(endpointer.num_frames))

    def pass_over(self, end: int, floor_db: float) -> None:
        """All up to `end` is quiet that does not come; `floor_db`: of the gate that has heard it."""
        num_passed = (end - self.measured) // FRAME_SAMPLES
        self.endpointer.skip((self.measured - self.seen) // FRAME_SAMPLES + num_passed, None)
        self.gate.pass_over(num_passed, floor_db)
        self._near.clear()
        self.measured += num_passed * FRAME_SAMPLES
        self.seen = self.measured
        self.has_frame = False
        self.buffer.skip_to(self.seen, end)

    def finish(self) -> None:
        """No frame is to be judged any more."""
        self.seen = self.buffer.end
        self.has_frame = False

    def drop_before(self, position: int) -> None:
        """Audio that no segment wants; what was not judged yet stays, with its context: a finalize may end a segment within a
        frame."""
        self.buffer.drop_before(min(position, self.seen) - CONTEXT_SAMPLES)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is speech or may become it, and the gate is shut."""
        return not self.endpointer.is_busy and self.gate.is_shut and self.gate.floor_db is not None

    @property
    def heard_until(self) -> int:
        return self.seen if self.has_frame else self.measured

    # The network

    def num_waiting(self, limit: int) -> int:
        """How many frames before `limit` were quiet and will be judged all the same: those before something loud."""
        return min(self._num_before(limit), self.gate.num_before_loud(self.endpointer.num_frames))

    def next_frames(self, max_frames: int, limit: int) -> np.ndarray:
        """The next frames before `limit`, each with the 64 samples before it: float32 (num_frames, 576); a view."""
        heard = self.unjudged(min(max_frames, self._num_before(limit)))
        return np.lib.stride_tricks.sliding_window_view(heard, CONTEXT_SAMPLES + FRAME_SAMPLES)[::FRAME_SAMPLES]

    def unjudged(self, num_frames: int) -> np.ndarray:
        """The next frames in one piece, and the 64 samples before them: float32 (64 + num_frames * 512,); zeros before the
        stream's beginning."""
        end = self.seen + num_frames * FRAME_SAMPLES
        heard = self.buffer.read(max(self.seen - CONTEXT_SAMPLES, self.buffer.first), end)
        num_missing = CONTEXT_SAMPLES + end - self.seen - len(heard)
        assert num_missing <= CONTEXT_SAMPLES
        return np.pad(heard, (num_missing, 0)) if num_missing else heard

    def judge(self, prob: float) -> Turn:
        """Take the speech probability of the next frame."""
        frame = self.endpointer.num_frames
        turn = self.endpointer.push(prob, is_near=self._last_near(frame + 1) == frame)
        self.seen += FRAME_SAMPLES
        return turn

    # Speech

    @property
    def began(self) -> int:
        """Where the speech began that goes on or just ended."""
        return self._origin + self.endpointer.began * FRAME_SAMPLES

    @property
    def ended(self) -> int:
        """Where it was last voiced."""
        return self._origin + (self.endpointer.last_voiced + 1) * FRAME_SAMPLES

    @property
    def is_voiced_now(self) -> bool:
        return self.ended >= self.seen

    def _num_before(self, limit: int) -> int:
        """Whole frames before `limit` that were not judged yet."""
        return (limit - self.seen) // FRAME_SAMPLES

    def _last_near(self, end: int) -> int | None:
        """The last near frame before `end` that was not asked for yet."""
        last = None
        while self._near and self._near[0] < end:
            last = self._near.popleft()
        return last
