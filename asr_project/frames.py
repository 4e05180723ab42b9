"""Cuts what a WebSocket client sends into frames. Knows where a frame ends (RFC 6455, 5.2) and nothing of what it means."""

from typing import Final

MASK_BYTES: Final = 4
IS_MASKED: Final = 0x80
SHORT_HEADER_BYTES: Final = 2
EXTENDED: Final = {IS_MASKED | 126: 2, IS_MASKED | 127: 8}
"""Second byte of a masked frame → how many bytes of length follow it."""


class FrameCutter:
    """Args:
    max_payload_bytes: of a frame.

    `is_broken`: a frame came that no client may send, or one that is too large. From there on nothing is cut any more.
    """

    __slots__ = ("_max_payload_bytes", "_rest", "is_broken")

    def __init__(self, max_payload_bytes: int) -> None:
        self.is_broken = False
        self._max_payload_bytes = max_payload_bytes
        self._rest = bytearray()

    def cut(self, data: bytes) -> list[bytes]:
        """The frames that are whole with `data`; when something is wrong, all that is left as one piece."""
        if not self._rest and self._frame_bytes(data) == len(data):
            return [data]  # nearly always, so without a copy
        self._rest += data
        frames = []
        while len(self._rest) >= (num_bytes := self._frame_bytes(self._rest)):
            frames.append(bytes(self._rest[:num_bytes]))
            del self._rest[:num_bytes]
        return frames

    def clear(self) -> None:
        self._rest = bytearray()

    def _frame_bytes(self, data: bytes | bytearray) -> int:
        """Length of the frame that `data` begins with, or of as much of its beginning as would tell."""
        if self.is_broken:
            return max(1, len(data))
        if len(data) < SHORT_HEADER_BYTES:
            return SHORT_HEADER_BYTES
        num_extended = EXTENDED.get(data[1], 0)
        header_bytes = SHORT_HEADER_BYTES + num_extended
        if len(data) < header_bytes:
            return header_bytes
        length = int.from_bytes(data[SHORT_HEADER_BYTES:header_bytes]) if num_extended else data[1] - IS_MASKED
        if not 0 <= length <= self._max_payload_bytes:
            self.is_broken = True
            return len(data)
        return header_bytes + MASK_BYTES + length


def payload_start(frame: bytes) -> int:
    """Where the payload of a whole masked frame begins; its mask stands right before it."""
    return SHORT_HEADER_BYTES + EXTENDED.get(frame[1], 0) + MASK_BYTES
