"""Which stream it may be whose audio ends every inference process that hears it. Pure: no link and no clock.

When a process is lost with many streams, nobody says which of them did it. Only streams with speech that has no final text
yet come into question; one that is lost a second time with the same speech, soon after that was sent again, is a suspect. A
suspect that is alone is guilty; of several each is tried alone, the others waiting, until its speech is final or it has lived
for long enough.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final

from inference.audio import to_ms
from inference.client.handle import StreamHandle
from inference.errors import StepError
from inference.messages import AnyStreamEvent, SpeechEnded, SpeechStarted, StreamOpened

MAX_LOSSES: Final = 4
"""Whoever restarts a process by hand two or three times must not lose the one who speaks; each crash costs the others a pause."""
RELAPSE_S: Final = 10.0
"""A process that lives so long with a stream has heard what the other one was lost with, for that is sent at once; and it
takes half of that until one that hangs is given up."""


class CrashError(StepError):
    """Not retryable: the same audio would do it again."""

    is_retryable = False

    def __init__(self) -> None:
        super().__init__(
            f"Recognition of this audio ended its process {MAX_LOSSES} times in a row, so it is not tried again. The text so far "
            "is kept; go on in a new session."
        )


@dataclass(slots=True)
class Record:
    """Of one stream that was lost in speech: how often, and how far it had been sent by the last time."""

    num_losses: int
    sent_ms: int


@dataclass(slots=True)
class Quarantine:
    """`clock`: seconds that never go back. `trial`: the stream that is tried; those in `waiting` come after it."""

    clock: Callable[[], float] = time.monotonic
    trial: StreamHandle | None = None
    waiting: deque[StreamHandle] = field(default_factory=deque)
    _opened_s: dict[int, float] = field(default_factory=dict)
    _speech_until_ms: dict[int, float] = field(default_factory=dict)
    _records: dict[int, Record] = field(default_factory=dict)

    def hear(self, handle: StreamHandle, events: Iterable[AnyStreamEvent]) -> None:
        for event in events:
            if isinstance(event, StreamOpened):
                self._opened_s[handle.number] = self.clock()
            elif isinstance(event, SpeechStarted):
                self._speech_until_ms[handle.number] = inf
            elif isinstance(event, SpeechEnded):
                self._speech_until_ms[handle.number] = event.at_ms

    def forget(self, handle: StreamHandle) -> None:
        self._opened_s.pop(handle.number, None)
        self._speech_until_ms.pop(handle.number, None)
        self._records.pop(handle.number, None)
        if handle in self.waiting:
            self.waiting.remove(handle)
        if self.trial is handle:
            self.trial = None

    def judge(self, lost: Sequence[StreamHandle]) -> StreamHandle | None:
        """A process was lost with these streams: who did it, if that is certain. The suspects are in `waiting` then."""
        suspects = [handle for handle in lost if self._num_losses(handle) >= MAX_LOSSES]
        guilty = self.trial if self.trial in lost else suspects[0] if len(suspects) == 1 else None
        self.waiting.extend(handle for handle in suspects if handle is not guilty and handle not in self.waiting)
        return guilty

    def acquit(self, handle: StreamHandle) -> None:
        """It was not this one."""
        self._records.pop(handle.number, None)
        if self.trial is handle:
            self.trial = None

    def has_got_through(self, handle: StreamHandle) -> bool:
        """Whether what it was lost with is settled."""
        record = self._records.get(handle.number)
        return record is None or to_ms(handle.checkpoint.settled_samples) >= record.sent_ms

    def _num_losses(self, handle: StreamHandle) -> int:
        """How often it was lost with the same speech, this time included."""
        settled_ms = to_ms(handle.checkpoint.settled_samples)
        if self._speech_until_ms.get(handle.number, 0) <= settled_ms:
            return 0
        is_soon = self.clock() - self._opened_s.get(handle.number, self.clock()) < RELAPSE_S
        is_again = is_soon and not self.has_got_through(handle)
        num_losses = self._records[handle.number].num_losses + 1 if is_again else 1
        self._records[handle.number] = Record(num_losses, settled_ms + handle.unsettled_ms)
        return num_losses
