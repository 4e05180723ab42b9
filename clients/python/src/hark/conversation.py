"""One session as its client sees it, without a socket: what to say next, and what comes of what the server says. Pure.

Whoever has a socket calls `hello` when it is open, sends what `next_message` returns until that is None, hands every text to
`on_text`, and after a broken connection begins again with a new socket. Offsets here count frames from the first one that was
ever sent; `_base` is where the present session began, which is 0 unless an earlier one was lost
(`hark.timeline`).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hark import protocol
from hark.errors import HarkError, ResumeImpossible
from hark.events import (
    Done,
    Event,
    Final,
    Gap,
    Lag,
    ModelChanged,
    Partial,
    Ready,
    Restarted,
    Resumed,
    SpeechEnded,
    SpeechStarted,
    Warning,
)
from hark.options import StreamOptions
from hark.replay import ReplayBuffer
from hark.timeline import Timeline

KEEP_S = 30.0
"""What is kept for sending again even where the server has it: it may lose what it has not stored."""
MAX_PIECE_BYTES = 32 * 1024
"""A second of the usual audio; pieces grow to this only where the sender is behind."""


@dataclass(frozen=True, slots=True)
class Command:
    """`finalize` or `configure`, and the offset of the audio before which it was said."""

    at: int
    text: str


@dataclass(slots=True)
class Conversation:
    """`clock`: monotonic seconds. `is_open`: the server has answered on the present socket. `is_over`: `Done` has come.

    `needs_new_socket`: why the present one is of no use any more, or empty.
    """

    options: StreamOptions
    clock: Callable[[], float]
    buffer: ReplayBuffer = field(init=False)
    session: str = ""
    is_open: bool = False
    is_over: bool = False
    has_ended: bool = False
    needs_new_socket: str = ""
    received: int = 0
    settled: int = 0
    heard_ms: int = 0
    num_dropped: int = 0
    _token: str | None = None
    _recognition: dict[str, Any] = field(init=False)
    _timeline: Timeline = field(init=False)
    _cursor: int = 0
    _limit: int = 0
    _resend: deque[tuple[int, int]] = field(default_factory=deque)
    _commands: deque[Command] = field(default_factory=deque)
    _told: deque[Command] = field(default_factory=deque)
    _is_end_told: bool = False
    _lost_session: str = ""
    _is_server_leaving: bool = False
    _gaps: set[tuple[int, int]] = field(default_factory=set)
    _away_since_s: float | None = None
    _hole_at: int = -1

    def __post_init__(self) -> None:
        self.buffer = ReplayBuffer(self.options.format.frame_bytes, self.options.max_frames)
        self._recognition = dict(self.options.recognition)
        self._timeline = Timeline(self.options.format)

    # From the caller

    @property
    def can_resume(self) -> bool:
        return self._token is not None

    @property
    def has_lost_session(self) -> bool:
        """Whether a session is gone and the new one is not open yet."""
        return bool(self._lost_session)

    @property
    def num_unsent(self) -> int:
        """Frames that were given and not yet sent over the present socket."""
        return self.buffer.end - max(self._cursor, self.buffer.start)

    def try_room(self, num_frames: int) -> bool:
        """Whether that much may be pushed without a loss.

        A server whose database is away settles nothing for a while and goes on listening: what it has received may then be
        forgotten, but for the last KEEP_S.
        """
        num_excess = self.buffer.num_frames + num_frames - self.buffer.max_frames
        if num_excess > 0 and self.is_open:
            forgettable = min(self.received, self.buffer.end - self.options.format.frames_in(KEEP_S))
            self.buffer.release(min(forgettable, self.buffer.start + num_excess))
        return self.buffer.has_room(num_frames)

    def push(self, audio: bytes) -> None:
        """Take whole frames. When there is no room (see `try_room`) the oldest audio is dropped for it."""
        self.num_dropped += self.buffer.push(audio)

    def finalize(self) -> None:
        self._commands.append(Command(self.buffer.end, protocol.write("finalize")))

    def configure(self, changes: dict[str, Any]) -> None:
        self._recognition |= changes  # a session that has to be started anew starts with them
        self._commands.append(Command(self.buffer.end, protocol.write("configure", **changes)))

    def end(self) -> None:
        self.has_ended = True

    def farewell(self) -> str | None:
        """What to say when the caller leaves before the end; None when there is nothing to say."""
        if not self.is_open or self._is_end_told:
            return None
        self.has_ended = self._is_end_told = True
        return self._end_text(self._cursor)

    # To the server

    def hello(self) -> str:
        """The first message over a new socket."""
        self.is_open = self._is_end_told = False
        self.needs_new_socket = ""
        self._resend.clear()
        if self._token is None:
            self._cursor = self._base
            return self._start_text()
        return protocol.write(
            "resume",
            session=self.session,
            token=self._token,
            next_segment=self._timeline.next_segment - self._timeline.base_segment,
            oldest=self.buffer.start - self._base,
        )

    def next_message(self) -> str | bytes | None:
        """What to send now; None when there is nothing, or when the server has no room."""
        if not self.is_open:
            return None
        self._cursor = max(self._cursor, self.buffer.start)
        if (again := self._next_resend()) is not None:
            return again
        if self._commands and self._commands[0].at <= self._cursor:
            self._told.append(self._commands.popleft())
            return self._told[-1].text
        if self._cursor < self._sendable_end():
            return self._next_audio()
        if self.has_ended and not self._is_end_told and self._cursor == self.buffer.end:
            self._is_end_told = True
            return self._end_text(self._cursor)
        return None

    def probe(self) -> bytes | None:
        """A frame without audio, where we wait for the server to have room: it answers with an `ack`.

        An acknowledgement comes after audio or progress; when the one that said "no more" was the last, nobody would speak.
        """
        is_waiting = self._cursor < self.buffer.end or not self.buffer.has_room(self.options.format.frames_in(1.0))
        if not (self.is_open and self.options.reliable and is_waiting):
            return None
        return protocol.audio_frame(self._cursor - self._base, b"")

    def _start_text(self) -> str:
        audio = self.options.format
        return protocol.write(
            "start",
            encoding=audio.encoding,
            sample_rate=audio.sample_rate_hz,
            channels=audio.num_channels,
            reliable=self.options.reliable,
            **self._recognition,
        )

    def _end_text(self, end: int) -> str:
        return protocol.write("end", samples=end - self._base) if self.options.reliable else protocol.write("end")

    def _sendable_end(self) -> int:
        """As far as the server has room, and not past the next command."""
        end = min(self.buffer.end, self._limit) if self.options.reliable else self.buffer.end
        return min(end, self._commands[0].at) if self._commands else end

    def _next_audio(self) -> bytes:
        first = self._cursor
        self._cursor = min(first + self._piece_frames, self._sendable_end())
        audio = self.buffer.read(first, self._cursor)
        if self.options.reliable:
            return protocol.audio_frame(first - self._base, audio)
        self.buffer.release(self._cursor)  # nobody will ask for it again
        self.received = self._cursor
        return audio

    def _next_resend(self) -> bytes | None:
        """A piece of what the server asked for again, as far as it is still there."""
        while self._resend:
            asked, end = self._resend.popleft()
            first = max(asked, self.buffer.start)
            piece_end = min(first + self._piece_frames, end)
            if piece_end < end:
                self._resend.appendleft((piece_end, end))
            if first < piece_end:
                return protocol.audio_frame(first - self._base, self.buffer.read(first, piece_end))
        return None

    @property
    def _piece_frames(self) -> int:
        return MAX_PIECE_BYTES // self.options.format.frame_bytes

    # From the server

    def on_broken(self) -> None:
        """The socket is of no use any more."""
        self.is_open = False
        if self._away_since_s is None:
            self._away_since_s = self.clock()

    def on_text(self, text: str) -> list[Event]:
        """Take a message; returns what the caller is told.

        Raises:
            HarkError: the server ends the session, or answers with what is no message. ResumeImpossible: it does not know it.
        """
        message = protocol.read(text)
        if message is None or self.is_over:
            return []
        handlers: dict[type, Callable[[Any], list[Event]]] = {
            protocol.ReadyMessage: self._on_ready,
            protocol.ResumedMessage: self._on_resumed,
            protocol.Ack: self._on_ack,
            protocol.Nack: self._on_nack,
            protocol.GoingAway: self._on_going_away,
            protocol.ErrorMessage: self._on_error,
            Final: self._on_final,
            Partial: self._on_partial,
            Gap: self._on_gap,
            SpeechStarted: self._on_speech,
            SpeechEnded: self._on_speech,
            Lag: self._on_passed,
            ModelChanged: self._on_model,
            Warning: self._on_passed,
            Done: self._on_done,
        }
        return handlers[type(message)](message)

    def on_unknown_session(self) -> None:
        """The server no longer knows the session: a new one takes up what is still there, or the caller is told.

        Raises:
            ResumeImpossible: if the caller wants it so.
        """
        wanted = max(self._base, self.settled, self._frames_at(self._timeline.final_ms))
        if self.options.on_lost_session == "raise":
            raise ResumeImpossible(
                self.session, num_finals=self._timeline.next_segment, from_ms=self._ms(wanted), to_ms=self._ms(self.buffer.end)
            )
        self._lost_session, self.session, self._token = self._lost_session or self.session, "", None
        self._timeline.begin_again(wanted, self.buffer.start)
        self._commands.extendleft(command for command in reversed(self._told) if command.at >= self._base)
        self._told.clear()

    def _on_ready(self, ready: protocol.ReadyMessage) -> list[Event]:
        if self.is_open:
            return []
        self.session, self._token = ready.session, ready.resume_token
        self._opened(self._base, ready.window_ms)
        if self._lost_session:
            old, self._lost_session = self._lost_session, ""
            timeline = self._timeline
            return [Restarted(session=ready.session, old_session=old, at_ms=timeline.base_ms, lost_ms=timeline.lost_ms)]
        return [Ready(session=ready.session, model=ready.model, language=ready.language)]

    def _on_resumed(self, resumed: protocol.ResumedMessage) -> list[Event]:
        if self.is_open:
            return []
        offset = self._base + resumed.offset
        self._cursor = max(offset, self.buffer.start)
        self._commands.extendleft(command for command in reversed(self._told) if command.at >= offset)
        self._told.clear()
        away_s = self.clock() - (self._away_since_s if self._away_since_s is not None else self.clock())
        self._opened(offset, resumed.credit_ms)
        return [Resumed(away_s=round(away_s, 3), at_ms=self._ms(offset))]

    def _opened(self, offset: int, credit_ms: int) -> None:
        self.is_open = True
        self._away_since_s = None
        self.received = offset
        self._limit = offset + self._frames_at(credit_ms)

    def _on_ack(self, ack: protocol.Ack) -> list[Event]:
        self.received = max(self.received, self._base + ack.received)
        self.settled = max(self.settled, self._base + ack.settled)
        self._limit = self._base + ack.received + self._frames_at(ack.credit_ms)
        self.buffer.release(self.settled)
        self.heard_ms = max(self.heard_ms, self._ms(self.settled))
        while self._told and self._told[0].at < self.received:  # later audio has come, so the command came too
            self._told.popleft()
        return []

    def _on_nack(self, nack: protocol.Nack) -> list[Event]:
        first = max(self._base + nack.first, self.buffer.start)
        end = min(self._base + nack.end, self._cursor)  # what was not sent yet will be sent anyway
        if first < end and (first, end) not in self._resend:
            self._resend.append((first, end))
        return []

    def _on_going_away(self, _message: protocol.GoingAway) -> list[Event]:
        if self.can_resume:
            self.needs_new_socket = "going_away"
            return []
        self._is_server_leaving = True
        return [Warning(code="going_away", message="The server process stops; it takes no more audio and sends what it has.")]

    def _on_error(self, error: protocol.ErrorMessage) -> list[Event]:
        if error.code == "unknown_session" and not self.is_open:
            self.on_unknown_session()
            self.needs_new_socket = "unknown_session"
            return []
        raise error.as_exception()

    def _on_final(self, final: Final) -> list[Event]:
        timeline, told = self._timeline, self._timeline.of_final(final)
        if told.segment < timeline.next_segment:
            return []  # it came before
        if told.segment > timeline.next_segment and self.can_resume and self._hole_at != timeline.next_segment:
            self._hole_at = timeline.next_segment  # asked for once; a server that has lost it must not make us ask for ever
            self.needs_new_socket = "missing_final"
            return []
        missing = range(timeline.next_segment, told.segment)
        timeline.count(told)
        self.heard_ms = max(self.heard_ms, told.end_ms)
        return [*(_missing_final(number) for number in missing), told]

    def _on_partial(self, partial: Partial) -> list[Event]:
        told = self._timeline.of_partial(partial)
        if told.segment < self._timeline.next_segment:
            return []
        self.heard_ms = max(self.heard_ms, told.end_ms)
        return [told]

    def _on_gap(self, gap: Gap) -> list[Event]:
        told = self._timeline.of_gap(gap)
        if (span := (told.from_ms, told.to_ms)) in self._gaps:
            return []  # told again after a resume
        self._gaps.add(span)
        return [told]

    def _on_speech(self, event: SpeechStarted | SpeechEnded) -> list[Event]:
        return [self._timeline.of_speech(event)]

    def _on_model(self, event: ModelChanged) -> list[Event]:
        return [self._timeline.of_model(event)]

    def _on_passed(self, event: Lag | Warning) -> list[Event]:
        return [event]

    def _on_done(self, done: Done) -> list[Event]:
        """`Done` of what the caller sent: a session that was lost before counts as far as it had finals."""
        was_asked = self.has_ended if self.options.reliable else self._is_end_told
        if not was_asked:
            code = "going_away" if self._is_server_leaving else "ended_early"
            raise HarkError(
                code, "The server ended the session before everything was sent. Send the rest in a new one.", retryable=True
            )
        self.is_over = True
        return [self._timeline.of_done(done)]

    # Numbers

    @property
    def _base(self) -> int:
        return self._timeline.base

    def _ms(self, frames: int) -> int:
        return self.options.format.ms_of(frames)

    def _frames_at(self, at_ms: int) -> int:
        return self.options.format.frames_of_ms(at_ms)


def _missing_final(number: int) -> Warning:
    return Warning(code="missing_final", message=f"The server did not send final {number}; its stored transcript may have it.")
