"""From audio to segments: what comes in of a stream, which frames of it are judged, where speech begins, is over or is cut, and
the account of every sample.

Nothing here knows what is said in a segment; `inference.stream` adds that. Positions are absolute sample numbers at 16 kHz.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np

from inference.account import Account
from inference.audio import to_ms, to_samples
from inference.buffer import AudioBuffer, quietest
from inference.endpointing import FRAME_SAMPLES, Endpointer, Turn
from inference.gate import EnergyGate
from inference.intake import AudioIntake
from inference.messages import (
    AnyStreamEvent,
    Checkpoint,
    ConfigureStream,
    SpeechEnded,
    SpeechStarted,
    StreamDone,
    StreamOptions,
    StreamProgress,
)
from inference.segment import STEP_SAMPLES, Segment, Segments
from inference.vad import VadState
from inference.voice_activity import VoiceActivity

PRE_ROLL_SAMPLES: Final = to_samples(600)
POST_ROLL_SAMPLES: Final = to_samples(480)
CUT_SEARCH_SAMPLES: Final = to_samples(3000)
PRE_SPEECH_SAMPLES: Final = PRE_ROLL_SAMPLES + 4 * FRAME_SAMPLES
"""What a beginning that is found now may want of the past."""
PROGRESS_SAMPLES: Final = to_samples(960)
"""A second, as far as whole frames go: in the quiet, audio comes a second at a time, and each is to be told of."""


class Segmenter:
    """`stream_id` is the web process's own. `next_model`: the name of the engine that recognises the next segment.
    `next_partial_model`: the same for its partial texts, where another one writes them; empty: none does."""

    __slots__ = (
        *("stream_id", "next_model", "next_partial_model", "options", "next_options", "vad", "buffer", "endpointer", "events"),
        *("is_ending", "is_done", "is_denoised", "_intake", "_voice", "_segments", "_account", "_finalize_at"),
        *("_is_flushed", "_was_told_quiet"),
    )

    def __init__(self, stream_id: int, model: str, options: StreamOptions, checkpoint: Checkpoint, gate: EnergyGate) -> None:
        self.stream_id = stream_id
        self.next_model, self.next_partial_model = model, ""
        self.options = self.next_options = options
        self._account = Account(checkpoint)
        self._intake = AudioIntake(options, self._account.settled)
        self.is_denoised = self._intake.is_denoised
        self.vad = VadState()
        self.endpointer = Endpointer(options.endpoint_ms)
        self.buffer = AudioBuffer(self._account.settled, has_16_bits=self._intake.has_16_bits)
        self._voice = VoiceActivity(self.buffer, gate, self.endpointer)
        self._segments = Segments(checkpoint.next_segment)
        self.events: list[AnyStreamEvent] = []
        self._finalize_at: deque[int] = deque()
        self.is_ending = self.is_done = self._is_flushed = self._was_told_quiet = False

    # Audio and commands in

    def push(self, payload: bytes) -> None:
        """Take audio in the stream's own encoding; whole frames only."""
        self._listen(self._intake.push(payload))

    def push_gap(self, num_frames: int) -> None:
        """Audio is missing for good: silence stands for it, which the denoiser does not hear, and it is counted as what it is."""
        if not num_frames:
            return
        self._account.miss(*self._intake.skip(num_frames))
        self._catch_up()
        self._listen_to_silence(num_frames)

    def pass_over(self, num_frames: int, floor_db: float) -> None:
        """Quiet that does not come. In the quiet the stream only moves on; if it has heard something all the same, silence
        stands for what does not come."""
        _first, end = self._intake.skip(num_frames)
        if not self._is_quiet:
            self._catch_up()
            self._listen_to_silence(num_frames)
            return
        self._intake.restart(end)
        self._voice.pass_over(end, floor_db)
        self._count(end, is_speech=False)
        self._account.told = self._account.settled

    def configure(self, change: ConfigureStream) -> None:
        """From the next segment on."""
        self.next_options = change.applied_to(self.next_options)
        if self._segments.open is None:
            self._adopt_options()

    def end_segment(self) -> None:
        """Let no segment go on for ever where no audio comes any more."""
        if not self.has_frame():
            self._finish_speech(self._voice.seen)

    def finalize(self) -> None:
        """What came so far becomes final: exactly one final with `from_finalize` follows."""
        self._catch_up()
        self._finalize_at.append(self.buffer.end)
        self._pass_gate()

    def end(self) -> None:
        """No more audio."""
        self._listen(self._intake.finish())
        self._catch_up()
        self.is_ending = True
        self._pass_gate()

    def _catch_up(self) -> None:
        if self.is_denoised:
            self._listen(self._intake.catch_up())

    def _listen_to_silence(self, num_frames: int) -> None:
        for silence in self._intake.silence(num_frames):
            self._listen(silence)

    def _listen(self, audio: np.ndarray) -> None:
        if self._voice.append(audio):
            self._pass_gate()

    # What is known of it

    @property
    def checkpoint(self) -> Checkpoint:
        return self._account.checkpoint

    @property
    def is_between_segments(self) -> bool:
        """Whether nobody speaks, and all that was said is final."""
        return self._segments.current is None

    @property
    def is_settling(self) -> bool:
        """Whether a finalize or the end may have come due."""
        return bool(self._finalize_at) or self.is_ending

    @property
    def _is_quiet(self) -> bool:
        """Whether nobody speaks, nothing waits, and the gate is shut."""
        return self._voice.is_quiet and self.is_between_segments and not self.is_settling and not self.is_denoised

    @property
    def behind_ms(self) -> int:
        """How much audio came after what was last recognised or found silent."""
        closed, spoken = self._segments.closed, self._segments.open
        if closed and closed[0].end is not None:
            return to_ms(self.buffer.end - closed[0].end)
        looked_at = spoken.stepped if spoken is not None and self.options.interim else self._voice.heard_until
        return to_ms(max(0, self.buffer.end - max(looked_at, self._account.settled)))

    def report(self) -> None:
        """Tell how far the stream is settled."""
        account, voice, is_quiet = self._account, self._voice, self._is_quiet
        account.told = account.settled
        self.events.append(
            StreamProgress(
                stream=self.stream_id,
                checkpoint=account.checkpoint,
                behind_ms=self.behind_ms,
                floor_db=voice.gate.floor_db if is_quiet else None,
                measured_samples=voice.measured,
                quiet_samples=max(0, voice.measured - PRE_SPEECH_SAMPLES - account.settled) if is_quiet else 0,
            )
        )

    # Voice activity

    def has_frame(self) -> bool:
        """Whether a whole frame has to be judged now: before the next finalize, or at all."""
        return self._voice.has_frame

    @property
    def num_frames_waiting(self) -> int:
        """How many frames were quiet and will be judged all the same, whatever is made of them: those before something loud."""
        return self._voice.num_waiting(self._limit())

    def next_frames(self, max_frames: int) -> np.ndarray:
        """The next frame to be judged, and those after it that will be too unless it turns out that nobody speaks: float32
        (num_frames, 576), each with the 64 samples before it, zeros before the stream's beginning; a view."""
        return self._voice.next_frames(max_frames, self._limit())

    def judge_all(self, probs: Sequence[float]) -> int:
        """Take the speech probabilities of `next_frames` in their order, and carry out what comes due. Returns how many: those
        behind a frame that is not judged any more are of no use."""
        first = self.endpointer.num_frames
        for num_judged, prob in enumerate(probs, 1):
            self.judge(prob)
            self.settle()
            if not self.has_frame() or self.is_done or self.endpointer.num_frames != first + num_judged:
                return num_judged
        return len(probs)

    def judge(self, prob: float) -> None:
        """Take the speech probability of the next frame."""
        voice = self._voice
        turn, segment = voice.judge(prob), self._segments.open
        if turn is Turn.BEGAN:
            self._begin()
        elif turn is Turn.OVER:
            self._close(min(voice.seen, voice.ended + POST_ROLL_SAMPLES))
        elif segment is not None and voice.seen - segment.start >= to_samples(self.options.max_segment_ms):
            self._end_long_segment()
        self._settle_silence()
        self._pass_gate()

    def settle(self) -> None:
        """When no frame is left to judge: carry out a finalize that has come due, or the end."""
        if self.has_frame() or self.is_done:
            return
        while self._finalize_at and not self.has_frame():
            self._finalize(self._finalize_at.popleft())
            self._pass_gate()
        if self.is_ending and not self._finalize_at and not self.has_frame():
            self._settle_end()

    def _limit(self) -> int:
        """Up to where frames may be judged: the next finalize."""
        return self._finalize_at[0] if self._finalize_at else self.buffer.end

    def _pass_gate(self) -> None:
        """Pass over the frames that the network need not hear, and see whether one is left for it."""
        limit = self._limit()
        if self._voice.skip(limit, is_last=self.is_settling):
            self._settle_silence()
        self._voice.look(limit)
        if self.endpointer.is_busy:
            return
        if not self._is_quiet:
            self._was_told_quiet = False
        elif not self._was_told_quiet:
            self._was_told_quiet = True
            self.report()

    def _finalize(self, position: int) -> None:
        self._finish_speech(position)
        closed = self._segments.closed
        if not closed or closed[-1].from_finalize:
            here = self._segments.first_free(self._account.settled)
            closed.append(Segment(here, here, self.options.languages, model=self.next_model, end=here, voiced_until=here))
        closed[-1].from_finalize = True

    def _settle_end(self) -> None:
        if not self._is_flushed:
            self._finish_speech(self.buffer.end)
            self._voice.finish()
            self._is_flushed = True
        self._settle_silence()
        if not self._segments.closed:
            self.is_done = True
            self.events.append(StreamDone(stream=self.stream_id, checkpoint=self.checkpoint))

    # Segments

    def _begin(self) -> None:
        self._adopt_options()
        began = self._voice.began
        start = max(self._segments.first_free(self._account.settled), self.buffer.first, began - PRE_ROLL_SAMPLES)
        self._segments.begin(self._segment(start, began))
        self.events.append(SpeechStarted(stream=self.stream_id, at_ms=to_ms(began)))

    def _segment(self, start: int, voiced_from: int) -> Segment:
        """One that begins."""
        options, models = self.options, (self.next_model, self.next_partial_model, self.options.language_model)
        return Segment(start, voiced_from, options.languages, options.hotwords, *models)

    def _close(self, end: int) -> None:
        ended, segment = self._voice.ended, self._segments.open
        assert segment is not None
        heard_until = max(ended, segment.voiced_from)  # a cut in a pause may have left it without a voice
        self._segments.close(end, end if self._voice.is_voiced_now else min(end, heard_until))
        self.events.append(SpeechEnded(stream=self.stream_id, at_ms=to_ms(ended)))
        self._adopt_options()

    def _end_long_segment(self) -> None:
        """In the middle of speech it goes on in a new one. After a pause it is over, however long a pause was to end it: a cut
        far into the quiet would begin a segment that ends, when the pause does end it, before it began."""
        seen = self._voice.seen
        if seen < self._voice.ended + POST_ROLL_SAMPLES:
            self._cut()
        else:
            self._finish_speech(seen)

    def _cut(self) -> None:
        """End the segment at the quietest place of its last seconds and go on in a new one from there."""
        segment, seen = self._segments.open, self._voice.seen
        assert segment is not None
        start = max(segment.voiced_from + STEP_SAMPLES, seen - CUT_SEARCH_SAMPLES)
        end = start + quietest(self.buffer.read(start, seen))
        self._segments.close(end, end)
        self._adopt_options()
        self._segments.begin(self._segment(end, end))

    def _finish_speech(self, position: int) -> None:
        """End the speech that is going on, with all that came before `position`, candidates too short for speech included."""
        voice = self._voice
        if self._segments.open is None and self.endpointer.has_candidate:
            self._begin()
        if self._segments.open is not None:
            self._close(position if voice.is_voiced_now else min(position, voice.ended + POST_ROLL_SAMPLES))
        self.endpointer.stop()

    def _adopt_options(self) -> None:
        self.options = self.next_options
        self.endpointer.endpoint_ms = self.options.endpoint_ms

    # The account

    def _settle_silence(self) -> None:
        """Count and drop what no segment can want any more: all but the pre-roll."""
        segment = self._segments.current
        if segment is not None:
            self._count(segment.start, is_speech=False)
        else:
            kept = 0 if self._is_flushed else PRE_SPEECH_SAMPLES
            self._count(self._voice.seen - kept, is_speech=False)
        if self._account.settled - self._account.told >= PROGRESS_SAMPLES:
            self.report()

    def _count(self, until: int, *, is_speech: bool) -> None:
        """Drop the samples before `until` and enter each in the account, once."""
        if self._account.count(until, is_speech=is_speech):
            self._voice.drop_before(until)
