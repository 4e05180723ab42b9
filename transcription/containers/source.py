"""The bytes of a container that came and were not read yet, and what taking it apart gives.

Readers of containers are generators. Each yields an AudioTrack, then packets of it, and None whenever it wants more bytes;
so they are written as if the whole file were there, and nothing ever blocks.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, TypeVar

from transcription.containers.errors import UndecodableAudioError

MAX_IDLE_BYTES: Final = 16 * 1024 * 1024
"""Passed over between two packets of audio: two seconds of the best video."""
MAX_IDLE_ELEMENTS: Final = 10_000
"""The same in elements: a film has some hundred of them between two packets of audio at most."""
MAX_ELEMENT_BYTES: Final = 1024 * 1024
"""The largest thing that is read as one: a packet, a frame, a table. Audio packets have some hundred bytes to some kB."""

ValueT = TypeVar("ValueT")
Reading = Generator[None, None, ValueT]


class EndOfInput(Exception):
    """No more bytes will come."""


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """How the packets that follow are decoded.

    codec: a name of FFmpeg's, or `pcm` with a numpy type in `sample_type`. extradata: what FFmpeg's decoder of that codec
    wants to know first. skip_samples: how many to drop at the beginning, per channel, at the track's rate.
    """

    codec: str
    sample_rate_hz: int
    num_channels: int
    extradata: bytes = b""
    sample_type: str = ""
    skip_samples: int = 0


Reader = Generator[AudioTrack | bytes | None, None, None]


class Source:
    """`position`: how many bytes were read or skipped so far."""

    def __init__(self) -> None:
        self.position = 0
        self.is_over = False
        self._unread = bytearray()
        self._to_skip = 0
        self._num_idle = 0
        self._idle_bytes = 0

    def push(self, payload: bytes) -> None:
        if self._to_skip:
            dropped = min(self._to_skip, len(payload))
            self._to_skip -= dropped
            payload = payload[dropped:]
        self._unread += payload

    def __len__(self) -> int:
        return len(self._unread)

    def take(self, num_bytes: int) -> Reading[bytes]:
        """Exactly so many; waits until they are there.

        Raises:
            UndecodableAudioError: that is more than anything sensible has.
        """
        piece = yield from self.peek(num_bytes)
        self.skip(num_bytes)
        return piece

    def peek(self, num_bytes: int) -> Reading[bytes]:
        """As `take`, and the bytes stay unread."""
        if num_bytes > MAX_ELEMENT_BYTES:
            raise UndecodableAudioError(
                f"An element of {num_bytes} bytes came in the audio; at most {MAX_ELEMENT_BYTES} are read as one. "
                "Send an undamaged file that holds audio only."
            )
        while len(self._unread) < num_bytes:
            yield from self.wait()
        return bytes(self._unread[:num_bytes])

    def take_some(self, max_bytes: int) -> Reading[bytes]:
        """At least one, and no more than are there."""
        while not self._unread:
            yield from self.wait()
        return (yield from self.take(min(max_bytes, len(self._unread))))

    def wait(self) -> Reading[None]:
        """Until more bytes came.

        Raises:
            EndOfInput: none will.
        """
        if self.is_over:
            raise EndOfInput
        yield None

    def skip(self, num_bytes: int) -> None:
        """Also those that have not come yet, which are never kept."""
        self.position += num_bytes
        here = min(num_bytes, len(self._unread))
        del self._unread[:here]
        self._to_skip += num_bytes - here

    def pass_over(self, num_bytes: int) -> None:
        """As `skip`, for an element that holds no audio of ours.

        Raises:
            UndecodableAudioError: too much of that came since the last `found_audio`.
        """
        self._num_idle += 1
        self._idle_bytes += num_bytes
        if self._num_idle > MAX_IDLE_ELEMENTS or self._idle_bytes > MAX_IDLE_BYTES:
            raise UndecodableAudioError(
                f"{self._num_idle} elements of {self._idle_bytes} bytes came without audio. Send an undamaged audio file."
            )
        self.skip(num_bytes)

    def found_audio(self) -> None:
        self._num_idle = self._idle_bytes = 0

    def look(self, start: int, num_bytes: int) -> bytes:
        """Unread bytes from `start` on; fewer where no more are there."""
        return bytes(self._unread[start : start + num_bytes])

    def find(self, wanted: bytes, start: int) -> int:
        """Where `wanted` begins among the unread bytes, from `start` on; -1 where it is not."""
        return self._unread.find(wanted, start)
