"""How the audio of one session comes in: whole frames to recognition, containers to their decoder, gaps told, receipts given.

What the frames are is up to `intake`; what they are worth to the conversation is up to `session`. Pure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from inference.messages import Checkpoint
from transcription.protocol import Ack, ContainerEncoding, Gap, Nack, SessionWarning
from transcription.session.actions import Action, DecodeAudio, EndRecognition, FinishDecoding, Send, SendAudio, SendGap
from transcription.session.intake import AudioFormat, Missing, Piece, PlainIntake, ReliableIntake

WINDOW_MS: Final = 60_000
ACK_EVERY_S: Final = 1.0
DECODED: Final = AudioFormat()
"""What comes out of a container: 16-bit mono at 16 kHz."""


@dataclass(slots=True)
class Arrival:
    """Args:
    intake: reliable ones never come with a container. clock: monotonic seconds. on_gap: what to do when audio is missing for
        good.

    Every method that takes something from the client may raise ProtocolError: the session cannot go on with such a client.
    """

    intake: PlainIntake | ReliableIntake
    clock: Callable[[], float]
    on_gap: Callable[[Gap], list[Action]]
    container: ContainerEncoding | None = None
    has_begun: bool = False
    settled: Checkpoint = Checkpoint()
    stored: Checkpoint = Checkpoint()
    _has_warned_of_odd_bytes: bool = False
    _acked_at_s: float = float("-inf")
    _acked_credit_ms: int = WINDOW_MS
    _acked_frames: int = 0

    @property
    def format(self) -> AudioFormat:
        return self.intake.format

    @property
    def is_whole(self) -> bool:
        """Whether nothing that the client is known to have sent is still on its way."""
        return not isinstance(self.intake, ReliableIntake) or self.intake.is_whole

    @property
    def next_tick_s(self) -> float | None:
        return self.intake.next_due_s if isinstance(self.intake, ReliableIntake) else None

    @property
    def credit_ms(self) -> int:
        """How much more audio may be sent before recognition has caught up."""
        unsettled_samples = self.format.samples_at(self.intake.num_frames) - self.settled.settled_samples
        return max(0, WINDOW_MS - unsettled_samples // 16)

    def take(self, payload: bytes) -> list[Action]:
        """A binary message."""
        self.has_begun = True
        if isinstance(self.intake, ReliableIntake):
            return self._hand_on(self.intake.push(payload, self.clock()))
        if self.container is not None:
            return [DecodeAudio(self.container, payload)]
        return self._take_plain(self.intake, payload)

    def pass_on(self, payload: bytes, now_s: float) -> bytes | None:
        """The samples in `payload` if all that is to be done with it is to send them on; None: `take` it."""
        if self.container is not None or not self.has_begun:
            return None
        if isinstance(self.intake, ReliableIntake) and now_s - self._acked_at_s >= ACK_EVERY_S:
            return None
        return self.intake.pass_on(payload)

    def take_decoded(self, pcm: bytes) -> list[Action]:
        """What the decoder made of a container."""
        assert isinstance(self.intake, PlainIntake)
        return [SendAudio(self.intake.push(pcm))]

    def tick(self) -> list[Action]:
        """Ask again for what is missing; give up what was asked for long enough."""
        if not isinstance(self.intake, ReliableIntake):
            return []
        now_s = self.clock()
        lost = self._hand_on(self.intake.give_up_lost(now_s))
        return [*lost, *(Send(Nack(from_sample=start, to_sample=end)) for start, end in self.intake.nacks(now_s))]

    def come_back(self, oldest: int) -> list[Action]:
        """The client sends again from what is wanted next, or from `oldest` if it has no older audio."""
        assert isinstance(self.intake, ReliableIntake)
        now_s = self.clock()
        lost = self._hand_on(self.intake.give_up_before(oldest, now_s))
        self.intake.begin_again(now_s)
        self._note_credit(now_s)
        return lost

    def expect(self, total_frames: int) -> None:
        """The client has sent so many frames in all.

        Raises:
            ProtocolError: offset_out_of_range.
        """
        if isinstance(self.intake, ReliableIntake):
            self.intake.expect(total_frames, self.clock())

    def finish(self) -> list[Action]:
        """No more comes: what waits behind a hole is let in, and the hole is lost."""
        actions: list[Action] = []
        if isinstance(self.intake, ReliableIntake):
            while not self.intake.is_whole:
                actions += self._hand_on(self.intake.give_up_lost(float("inf")))
        elif self.intake.remainder:
            sentence = f"{len(self.intake.remainder)} bytes at the end are no whole sample and were dropped."
            actions.append(Send(SessionWarning(code="incomplete_sample", message=sentence)))
        return [*actions, FinishDecoding() if self.container is not None else EndRecognition()]

    def ack_if_due(self) -> list[Action]:
        """Reliable mode: once a second; sooner when a client that has to stop may go on, as nothing else might wake it."""
        if not isinstance(self.intake, ReliableIntake):
            return []
        now_s, credit_ms = self.clock(), self.credit_ms
        known_ms = max(0, self._acked_credit_ms - self.format.ms_at(self.intake.num_frames - self._acked_frames))
        is_relief = known_ms < WINDOW_MS // 4 and credit_ms > 2 * known_ms
        if not is_relief and now_s - self._acked_at_s < ACK_EVERY_S:
            return []
        self._note_credit(now_s)
        settled = min(self.format.frames_at(self.stored.settled_samples), self.intake.num_frames)
        return [Send(Ack(received=self.intake.num_frames, settled=settled, credit_ms=credit_ms))]

    def _note_credit(self, now_s: float) -> None:
        """The client is told now."""
        self._acked_at_s, self._acked_credit_ms, self._acked_frames = now_s, self.credit_ms, self.intake.num_frames

    def _take_plain(self, intake: PlainIntake, payload: bytes) -> list[Action]:
        whole = intake.push(payload)
        actions: list[Action] = [SendAudio(whole)] if whole else []
        if intake.remainder and not self._has_warned_of_odd_bytes:
            self._has_warned_of_odd_bytes = True
            sentence = f"A frame of {len(payload)} bytes is no whole number of samples; its rest is joined with the next frame."
            actions.insert(0, Send(SessionWarning(code="odd_byte_count", message=sentence)))
        return actions

    def _hand_on(self, pieces: Iterable[Piece]) -> list[Action]:
        """Pieces that the intake has just counted."""
        pieces = list(pieces)
        position = self.intake.num_frames - sum(map(self._num_frames, pieces))
        actions: list[Action] = []
        for piece in pieces:
            end = position + self._num_frames(piece)
            if isinstance(piece, Missing):
                gap = Gap(from_ms=self.format.ms_at(position), to_ms=self.format.ms_at(end), reason="lost")
                actions += [SendGap(piece.num_frames), *self.on_gap(gap)]
            elif piece:
                actions.append(SendAudio(piece))
            position = end
        return actions

    def _num_frames(self, piece: Piece) -> int:
        return piece.num_frames if isinstance(piece, Missing) else len(piece) // self.format.frame_bytes
