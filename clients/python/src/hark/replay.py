"""Audio that may have to be sent (again), by sample offset. Pure.

A frame is one sample of every channel. Offsets count frames from the first one that was ever pushed.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class ReplayBuffer:
    """Holds the frames [start, end), at most `max_frames` of them."""

    frame_bytes: int
    max_frames: int
    start: int = 0
    _audio: bytearray = field(default_factory=bytearray)

    @property
    def end(self) -> int:
        return self.start + self.num_frames

    @property
    def num_frames(self) -> int:
        return len(self._audio) // self.frame_bytes

    def has_room(self, num_frames: int) -> bool:
        return self.num_frames + num_frames <= self.max_frames

    def push(self, audio: bytes) -> int:
        """Append whole frames; returns how many of the oldest had to be dropped for them."""
        assert len(audio) % self.frame_bytes == 0
        self._audio += audio
        num_dropped = max(self.num_frames - self.max_frames, 0)
        self.release(self.start + num_dropped)
        return num_dropped

    def release(self, before: int) -> None:
        """Forget what lies before an offset."""
        num_frames = min(before, self.end) - self.start
        if num_frames > 0:
            del self._audio[: num_frames * self.frame_bytes]
            self.start += num_frames

    def read(self, first: int, end: int) -> bytes:
        """The frames [first, end), or what of them is still there, from `first` or the oldest on."""
        from_frame = max(first, self.start) - self.start
        to_frame = max(min(end, self.end) - self.start, from_frame)
        return bytes(self._audio[from_frame * self.frame_bytes : to_frame * self.frame_bytes])
