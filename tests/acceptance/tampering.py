"""What a faulty server would do to a reliable session, done on the way to it: checks of resume are run on these and must fail.

A fault stands between the client and the server, behind the bad network, and spoils messages in one direction or the other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.network.proxy import LOUD_FRAME, Message, Tamper, frame, offset_of

HEADER_BYTES = 8
SAMPLE_BYTES = 2


def num_samples(message: bytes) -> int:
    return (len(message) - HEADER_BYTES) // SAMPLE_BYTES


def moved(message: bytes, num: int) -> bytes:
    """The same audio, `num` samples later."""
    return frame(offset_of(message) + num, message[HEADER_BYTES:])


@dataclass
class Shifts(Tamper):
    """The server's count of samples differs from the client's by `ahead`, and neither notices: offsets are translated."""

    at: int = 70_400
    ahead: int = 0

    def from_client(self, message: bytes | Message) -> list[bytes | Message]:
        if isinstance(message, bytes):
            return [*self.spoil(message)]
        if message["type"] == "end":
            return [message | {"samples": message["samples"] + self.ahead}]
        if message["type"] == "resume":
            return [message | {"oldest": max(0, message["oldest"] + self.ahead)}]
        return [message]

    def from_server(self, message: Message) -> list[Message]:
        names = {"ack": ("received", "settled"), "nack": ("from", "to"), "resumed": ("offset",)}.get(message["type"], ())
        return [message | {name: max(0, message[name] - self.ahead) for name in names}]

    def spoil(self, message: bytes) -> list[bytes]:
        raise NotImplementedError


class SwallowsAudio(Shifts):
    """400 ms of speech are dropped and acknowledged all the same."""

    def spoil(self, message: bytes) -> list[bytes]:
        if self.ahead == 0 and offset_of(message) >= self.at:
            self.ahead = -4 * num_samples(message)
        is_lost = self.ahead and self.at <= offset_of(message) < self.at - self.ahead
        return [] if is_lost else [moved(message, self.ahead)] if offset_of(message) >= self.at else [message]


@dataclass
class RepeatsAudio(Shifts):
    """A second of speech counts twice, as where a server does not look at offsets."""

    kept: list[bytes] = field(default_factory=list)

    def spoil(self, message: bytes) -> list[bytes]:
        self.kept.append(message)
        if self.ahead == 0 and len(self.kept) == 50:
            again = self.kept[-10:]
            self.at = offset_of(message) + num_samples(message)
            self.ahead = sum(map(num_samples, again))
            return [message, *(moved(each, self.ahead) for each in again)]
        return [moved(message, self.ahead) if self.ahead and offset_of(message) >= self.at else message]


class HidesGaps(Tamper):
    """What was lost is called silence."""

    def from_server(self, message: Message) -> list[Message]:
        if message["type"] == "done":
            silence_ms = message["silence_ms"] + message["gap_ms"]
            return [message | {"complete": True, "gap_ms": 0, "silence_ms": silence_ms}]
        return [] if message["type"] == "gap" else [message]


class InventsGaps(Tamper):
    """Calls a session incomplete from which nothing is missing."""

    def from_server(self, message: Message) -> list[Message]:
        if message["type"] != "done":
            return [message]
        return [message | {"complete": False, "gap_ms": 100, "silence_ms": message["silence_ms"] - 100}]


class StartsAnew(Tamper):
    """Every connection is a session of its own."""

    def from_client(self, message: bytes | Message) -> list[bytes | Message]:
        if isinstance(message, dict) and message["type"] == "resume":
            return [{"type": "start", "reliable": True, "language": "en"}]
        return [message]


class LosesFinals(Tamper):
    """The second final never reaches the client."""

    def from_server(self, message: Message) -> list[Message]:
        return [] if message["type"] == "final" and message["segment"] == 1 else [message]


class ChangesFinals(Tamper):
    """A final comes again, with other words."""

    def from_server(self, message: Message) -> list[Message]:
        return [message, message | {"text": "else"}] if message["type"] == "final" else [message]


class EndsTwice(Tamper):
    def from_server(self, message: Message) -> list[Message]:
        return [message, message] if message["type"] == "done" else [message]


class NeverEnds(Tamper):
    def from_server(self, message: Message) -> list[Message]:
        return [] if message["type"] == "done" else [message]


class Miscounts(Tamper):
    """A millisecond is in no part of the account."""

    def from_server(self, message: Message) -> list[Message]:
        return [message | {"silence_ms": message["silence_ms"] - 1}] if message["type"] == "done" else [message]


class ObeysOldSocket(Tamper):
    """When the session goes on over a new socket, an `end` that comes late over the old one counts."""

    def from_client(self, message: bytes | Message) -> list[bytes | Message]:
        is_resume = isinstance(message, dict) and message["type"] == "resume"
        return [message, {"type": "end", "samples": None}] if is_resume else [message]


@dataclass
class HearsOldSocket(Tamper):
    """… or audio that comes late over the old one is taken for that of the new."""

    late: list[bytes] = field(default_factory=list)

    def from_server(self, message: Message) -> list[Message]:
        if message["type"] == "resumed":
            self.late.append(frame(message["offset"], LOUD_FRAME))
        return [message]

    def from_client(self, message: bytes | Message) -> list[bytes | Message]:
        late, self.late = self.late, []
        return [*late, message]


Fault = tuple[Callable[[], Tamper], str]
"""What makes it, and what the verdict must say of it."""
LOSSLESS: dict[str, Fault] = {
    "audio is swallowed": (SwallowsAudio, "words instead of"),
    "audio is swallowed and not counted": (SwallowsAudio, "ms were spoken"),
    "audio is repeated": (RepeatsAudio, "words instead of"),
    "a gap is invented": (InventsGaps, "not complete"),
    "a connection begins a session": (StartsAnew, "sessions instead of one"),
    "a final is lost": (LosesFinals, "was next"),
    "a final is lost and stored": (LosesFinals, "stored are"),
    "a final changes": (ChangesFinals, "changed from"),
    "done comes twice": (EndsTwice, "terminal messages"),
    "something comes after done": (EndsTwice, "came after done"),
    "the account does not add up": (Miscounts, "of transcribed, silence and gap"),
    "the old socket ends the session": (ObeysOldSocket, "ms were spoken"),
    "the old socket's audio is heard": (HearsOldSocket, "words instead of"),
    "the finals are others": (HearsOldSocket, "other finals than undisturbed"),
}
"""By what goes wrong."""
LOSSY: dict[str, Fault] = {
    "a gap is not told": (HidesGaps, "no gap was told"),
    "a session with a gap is called complete": (HidesGaps, "called complete"),
    "audio outside the gaps is lost": (SwallowsAudio, "ms were spoken"),
}
