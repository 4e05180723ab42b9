"""What became of every sample of a stream, each counted once: it is final text, it was silence, or it never came."""

from collections import deque

from msgspec import structs

from inference.messages import Checkpoint


class Account:
    """`checkpoint`: as it stands. `settled`: how many samples lie before it. `told`: how many did when it was last told of."""

    __slots__ = ("_missing", "checkpoint", "settled", "told")

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.settled = self.told = checkpoint.settled_samples
        self._missing: deque[tuple[int, int]] | None = None  # most streams miss nothing, and an empty deque takes 760 bytes

    def miss(self, first: int, end: int) -> None:
        """The samples [first, end) never come; not before those that were told of."""
        if self._missing is None:
            self._missing = deque()
        self._missing.append((first, end))

    def count(self, until: int, *, is_speech: bool) -> bool:
        """Enter the samples before `until` that were not counted yet. Returns whether there were any."""
        num_samples = until - self.settled
        if num_samples <= 0:
            return False
        old = self.checkpoint
        num_missing = self._num_missing(self._missing, until) if self._missing else 0
        num_heard = num_samples - num_missing
        self.checkpoint = structs.replace(
            old,
            transcribed_samples=old.transcribed_samples + (num_heard if is_speech else 0),
            silence_samples=old.silence_samples + (0 if is_speech else num_heard),
            gap_samples=old.gap_samples + num_missing,
        )
        self.settled = until
        return True

    def go_on_with(self, next_segment: int) -> None:
        """The number of the segment that comes after all that is final."""
        self.checkpoint = structs.replace(self.checkpoint, next_segment=next_segment)

    def _num_missing(self, missing: deque[tuple[int, int]], end: int) -> int:
        """How many of the samples that are counted now, those before `end`, never came."""
        num_missing, start = 0, self.settled
        while missing and missing[0][0] < end:
            first, last = missing[0]
            num_missing += max(0, min(last, end) - max(first, start))
            start = max(start, min(last, end))  # gaps of less than a sample may share one
            if last > end:
                break
            missing.popleft()
        return num_missing
