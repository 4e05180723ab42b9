"""Audio as a client sends it: bytes in, whole frames in order out, and what is missing for good.

A frame here is one sample of every channel, counted at the stream's own rate. Plain streams are cut anywhere and never lose
anything; reliable ones number their frames, so that what a network loses, doubles or mixes up is noticed and asked for
again. Pure: the caller brings the time.
"""

from bisect import insort
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from inference.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ
from inference.messages import Encoding
from transcription.parsing import ProtocolError

OFFSET: Final = Struct("<Q")
NACK_AFTER_S: Final = 0.1
"""Frames that only changed places are not asked for again."""
NACK_EVERY_S: Final = 1.0
LOSS_PATIENCE_S: Final = 5.0
SILENT_PATIENCE_S: Final = 30.0
"""Whoever sends nothing at all may be cut off without our knowing, and still have everything."""
MAX_HELD_BYTES: Final = 1024 * 1024
"""What waits behind a hole. What does not fit is dropped and asked for later."""
MAX_HELD_PIECES: Final = 1024
MAX_NACKS: Final = 8
MAX_GAP_S: Final = 300


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How raw samples lie in memory."""

    encoding: Encoding = "pcm_s16le"
    sample_rate_hz: int = SAMPLE_RATE_HZ
    num_channels: int = 1
    frame_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame_bytes", SAMPLE_BYTES[self.encoding] * self.num_channels)

    def frames_at(self, sample: int) -> int:
        """The first frame that is not before `sample`, a position at 16 kHz."""
        return -(-sample * self.sample_rate_hz // SAMPLE_RATE_HZ)

    def samples_at(self, frame: int) -> int:
        """The position at 16 kHz of a frame."""
        return frame * SAMPLE_RATE_HZ // self.sample_rate_hz

    def ms_at(self, frame: int) -> int:
        return frame * 1000 // self.sample_rate_hz


@dataclass(frozen=True, slots=True)
class Missing:
    """Frames that will never come."""

    num_frames: int


Piece = bytes | Missing


@dataclass(slots=True)
class PlainIntake:
    """`num_frames`: how many were handed on. `remainder`: the bytes of a frame that is not whole yet."""

    format: AudioFormat
    num_frames: int = 0
    remainder: bytes = b""

    def pass_on(self, payload: bytes) -> bytes | None:
        """`payload` if it needs no cutting, as nearly all do: it is counted then. None: `push` it."""
        num_frames, surplus = divmod(len(payload), self.format.frame_bytes)
        if surplus or self.remainder:
            return None
        self.num_frames += num_frames
        return payload

    def push(self, payload: bytes) -> bytes:
        """Whole frames of `payload` and what was left of the one before."""
        joined = self.remainder + payload if self.remainder else payload
        surplus = len(joined) % self.format.frame_bytes
        if surplus:
            joined, self.remainder = joined[:-surplus], joined[-surplus:]
        elif self.remainder:
            self.remainder = b""
        self.num_frames += len(joined) // self.format.frame_bytes
        return joined


@dataclass(slots=True)
class ReliableIntake:
    """`num_frames`: how many were handed on or given up; the offset that is wanted next.

    Times are monotonic seconds.
    """

    format: AudioFormat
    num_frames: int = 0
    total_frames: int | None = None
    _held: list[tuple[int, bytes]] = field(default_factory=list)
    _num_held_bytes: int = 0
    _hole_since_s: float | None = None
    _nacked_at_s: float | None = None
    _heard_at_s: float = float("-inf")

    # In

    def pass_on(self, message: bytes) -> bytes | None:
        """The frames in `message` if they are whole, and the ones wanted next, and nothing is missing: they are counted then.

        None: `push` it.
        """
        num_frames, surplus = divmod(len(message) - OFFSET.size, self.format.frame_bytes)
        is_next = num_frames > 0 and not surplus and OFFSET.unpack_from(message)[0] == self.num_frames
        if not is_next or self._hole_since_s is not None or self.total_frames is not None:
            return None
        self.num_frames += num_frames
        return message[OFFSET.size :]

    def push(self, message: bytes, now_s: float) -> list[Piece]:
        """Take one binary message; returns what is in order now.

        Raises:
            ProtocolError: invalid_frame, odd_byte_count or offset_out_of_range.
        """
        offset = self._offset_of(message)
        self._heard_at_s = now_s
        payload = message[OFFSET.size :]
        if offset + len(payload) // self.format.frame_bytes <= self.num_frames:
            return []  # it came before
        if offset <= self.num_frames:
            return self._hand_on([self._without_known(offset, payload)], now_s)
        self._hold(offset, payload)
        self._note_hole(now_s)
        return []

    def expect(self, total_frames: int, now_s: float) -> None:
        """The client has said how many frames it sent in all.

        Raises:
            ProtocolError: offset_out_of_range.
        """
        self._check_range(total_frames)
        self.total_frames = max(total_frames, self.num_frames)
        self._note_hole(now_s)

    def give_up_before(self, offset: int, now_s: float) -> list[Piece]:
        """The client no longer has what lies before `offset`.

        Raises:
            ProtocolError: offset_out_of_range.
        """
        self._check_range(offset)
        return self._hand_on([Missing(offset - self.num_frames)], now_s) if offset > self.num_frames else []

    def begin_again(self, now_s: float) -> None:
        """A new socket: the client sends from `num_frames` on, so nobody is late yet."""
        self._hole_since_s = self._nacked_at_s = None
        self._note_hole(now_s)

    # The time

    @property
    def is_whole(self) -> bool:
        """Whether nothing is known to be missing."""
        return self._hole_since_s is None

    @property
    def next_due_s(self) -> float | None:
        """When `nacks` or `give_up_lost` has something to say."""
        if self._hole_since_s is None:
            return None
        return min(self._next_nack_s(self._hole_since_s), self._lost_at_s(self._hole_since_s))

    def nacks(self, now_s: float) -> list[tuple[int, int]]:
        """The ranges [from, to) that have to be asked for now."""
        if self._hole_since_s is None or now_s < self._next_nack_s(self._hole_since_s):
            return []
        self._nacked_at_s = now_s
        return self._holes()[:MAX_NACKS]

    def give_up_lost(self, now_s: float) -> list[Piece]:
        """What was asked for long enough is missing for good; what waited behind it is in order now."""
        if self._hole_since_s is None or now_s < self._lost_at_s(self._hole_since_s):
            return []
        _start, end = self._holes()[0]
        return self._hand_on([Missing(end - self.num_frames)], now_s)

    def _lost_at_s(self, hole_since_s: float) -> float:
        """A client that goes on sending other audio has had its time to send this; one that is silent may not have been asked."""
        has_answered = self._heard_at_s >= hole_since_s + LOSS_PATIENCE_S - NACK_EVERY_S
        return hole_since_s + (LOSS_PATIENCE_S if has_answered else SILENT_PATIENCE_S)

    def _next_nack_s(self, hole_since_s: float) -> float:
        return hole_since_s + NACK_AFTER_S if self._nacked_at_s is None else self._nacked_at_s + NACK_EVERY_S

    # Inside

    def _offset_of(self, message: bytes) -> int:
        if len(message) < OFFSET.size:
            raise ProtocolError(
                "invalid_frame",
                f"A binary message of {len(message)} bytes came; in reliable mode it is 8 bytes of sample offset, then samples.",
            )
        num_bytes = len(message) - OFFSET.size
        if num_bytes % self.format.frame_bytes:
            raise ProtocolError(
                "odd_byte_count",
                f"A reliable frame holds {num_bytes} bytes of audio; expected a multiple of {self.format.frame_bytes}.",
            )
        offset: int = OFFSET.unpack_from(message)[0]
        self._check_range(offset)
        return offset

    def _check_range(self, offset: int) -> None:
        if offset - self.num_frames > MAX_GAP_S * self.format.sample_rate_hz:
            raise ProtocolError(
                "offset_out_of_range",
                f"Sample offset {offset} came while {self.num_frames} is wanted next; at most {MAX_GAP_S} s may be left out. "
                "Offsets count the samples of one channel from the start of the session.",
            )

    def _without_known(self, offset: int, payload: bytes) -> bytes:
        known_bytes = (self.num_frames - offset) * self.format.frame_bytes
        return payload[known_bytes:] if known_bytes else payload

    def _hold(self, offset: int, payload: bytes) -> None:
        is_full = self._num_held_bytes + len(payload) > MAX_HELD_BYTES or len(self._held) >= MAX_HELD_PIECES
        if is_full or not payload or (offset, payload) in self._held:
            return
        insort(self._held, (offset, payload))
        self._num_held_bytes += len(payload)

    def _hand_on(self, pieces: list[Piece], now_s: float) -> list[Piece]:
        """`pieces`, and what was held back until they came."""
        for piece in pieces:
            self.num_frames += piece.num_frames if isinstance(piece, Missing) else len(piece) // self.format.frame_bytes
        while self._held and self._held[0][0] <= self.num_frames:
            offset, payload = self._held.pop(0)
            self._num_held_bytes -= len(payload)
            if new := self._without_known(offset, payload):
                pieces.append(new)
                self.num_frames += len(new) // self.format.frame_bytes
        self._hole_since_s = self._nacked_at_s = None
        self._note_hole(now_s)
        return pieces

    def _note_hole(self, now_s: float) -> None:
        if self._hole_since_s is None and (self._held or self._lacks_tail()):
            self._hole_since_s = now_s

    def _lacks_tail(self) -> bool:
        return self.total_frames is not None and self.num_frames < self.total_frames

    def _holes(self) -> list[tuple[int, int]]:
        """Ranges that are missing, in order."""
        holes, position = [], self.num_frames
        for offset, payload in self._held:
            if offset > position:
                holes.append((position, offset))
            position = max(position, offset + len(payload) // self.format.frame_bytes)
        if self.total_frames is not None and position < self.total_frames:
            holes.append((position, self.total_frames))
        return holes
