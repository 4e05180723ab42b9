"""One speaker's state between steps: audio that is still needed, segments, and the account of every sample.

A stream knows no model and no socket. The loop hands it audio and speech probabilities, asks it which window it wants
recognised, and hands it the hypothesis; the stream answers with events. Positions are absolute sample numbers at 16 kHz.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from msgspec import structs

from inference import denoise
from inference.audio import (
    SAMPLE_BYTES,
    SAMPLE_RATE_HZ,
    Resampler,
    decode_pcm,
    first_frame_at,
    first_sample_at,
    num_samples_of,
    to_ms,
    to_samples,
)
from inference.buffer import AudioBuffer, quietest
from inference.denoise import Denoiser
from inference.endpointing import FRAME_SAMPLES, Endpointer, Turn
from inference.gate import EnergyGate, frame_powers
from inference.messages import (
    AnyStreamEvent,
    Checkpoint,
    ConfigureStream,
    ModelChanged,
    SpeechEnded,
    SpeechStarted,
    StreamDone,
    StreamOptions,
    StreamProgress,
    TimedWord,
    Timings,
    TranscriptFinal,
    TranscriptUpdated,
)
from inference.segment import Segment, Stride
from inference.vad import CONTEXT_SAMPLES, VadState

STEP_SAMPLES: Final = to_samples(200) // FRAME_SAMPLES * FRAME_SAMPLES
"""200 ms, as far as whole frames of voice activity go: one more frame would put the step off until the next audio comes."""
PRE_ROLL_SAMPLES: Final = to_samples(600)
FIRST_STEP_SAMPLES: Final = to_samples(400)
"""A shorter beginning makes the engine guess."""
POST_ROLL_SAMPLES: Final = to_samples(480)
CUT_SEARCH_SAMPLES: Final = to_samples(3000)
PRE_SPEECH_SAMPLES: Final = PRE_ROLL_SAMPLES + 4 * FRAME_SAMPLES
"""What a beginning that is found now may want of the past."""
PROGRESS_SAMPLES: Final = to_samples(960)
"""A second, as far as whole frames go: in the quiet, audio comes a second at a time, and each is to be told of."""
NO_AUDIO: Final = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the engine made of a window; word times count from the window's start."""

    text: str
    stable: str
    language: str
    confidence: float
    words: tuple[TimedWord, ...]
    model: str
    timings: Timings


def no_stride(_model: str) -> Stride | None:
    """All models hear whole segments."""
    return None


@dataclass(slots=True)
class Stream:
    """`stream_id` is the web process's own. `model` is the name of the engine that serves it now; `next_model`: from the next
    segment on. `next_partial_model`: the same for partial texts, where another one writes them; empty: none does. `num_begun`:
    how many segments have begun. `session`: what log lines about it call it. `stride_of`: a model's; None of one that hears whole
    segments."""

    stream_id: int
    model: str
    options: StreamOptions
    checkpoint: Checkpoint = Checkpoint()
    vad: VadState = field(default_factory=VadState)
    gate: EnergyGate = field(default_factory=EnergyGate)
    events: list[AnyStreamEvent] = field(default_factory=list)
    is_ending: bool = False
    is_done: bool = False
    has_step: bool = False
    session: str = ""
    next_model: str = field(init=False)
    next_partial_model: str = ""
    num_begun: int = 0
    stride_of: Callable[[str], Stride | None] = no_stride
    next_options: StreamOptions = field(init=False)
    buffer: AudioBuffer = field(init=False)
    endpointer: Endpointer = field(init=False)
    _resampler: Resampler = field(init=False)
    _denoiser: Denoiser | None = field(init=False, default=None)
    _origin: int = field(init=False)
    _num_frames: int = field(init=False)
    _num_resampled: int = field(init=False)
    _missing: deque[tuple[int, int]] = field(init=False, default_factory=deque)
    _measured: int = field(init=False)
    _near: deque[int] = field(init=False, default_factory=deque)
    _has_frame: bool = field(init=False, default=False)
    _seen: int = field(init=False)
    _open: Segment | None = field(init=False, default=None)
    _closed: deque[Segment] = field(init=False, default_factory=deque)
    _reported: Checkpoint = field(init=False)
    _next_number: int = field(init=False)
    _finalize_at: deque[int] = field(init=False, default_factory=deque)
    _is_flushed: bool = field(init=False, default=False)
    _was_told_quiet: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._origin = self._measured = self._seen = self._num_resampled = self.checkpoint.settled_samples
        self._num_frames = first_frame_at(self._origin, self.options.sample_rate_hz)
        self.endpointer = Endpointer(self.options.endpoint_ms)
        self._resampler = Resampler(self.options.sample_rate_hz)
        if self.options.denoise and denoise.is_available():
            self._denoiser = Denoiser()
        self.buffer = AudioBuffer(self._origin, has_16_bits=self._has_16_bits)
        self.next_options = self.options
        self.next_model = self.model
        self._reported = self.checkpoint
        self._next_number = self.checkpoint.next_segment

    # Audio and commands in

    def push(self, payload: bytes) -> None:
        """Take audio in the stream's own encoding; whole frames only."""
        frame_bytes = SAMPLE_BYTES[self.options.encoding] * self.options.num_channels
        assert len(payload) % frame_bytes == 0
        self._num_frames += len(payload) // frame_bytes
        if self.buffer.has_16_bits:
            self._num_resampled += len(payload) // frame_bytes
            self._listen(np.frombuffer(payload, dtype="<i2"))
            return
        audio = self._resample(decode_pcm(payload, self.options.encoding, self.options.num_channels))
        self._listen(audio if self._denoiser is None else self._denoiser.push(audio))

    def push_gap(self, num_frames: int) -> None:
        """Audio is missing for good: silence stands for it, which the denoiser does not hear, and it is counted as what it is."""
        if not num_frames:
            return
        rate_hz = self.options.sample_rate_hz
        end = self._num_frames + num_frames
        self._missing.append((self._num_frames * SAMPLE_RATE_HZ // rate_hz, -(-end * SAMPLE_RATE_HZ // rate_hz)))
        self._num_frames = end
        self._catch_up()
        for start in range(0, num_frames, rate_hz):
            self._listen(self._resample(np.zeros(min(rate_hz, num_frames - start), dtype=np.float32)))

    def pass_over(self, num_frames: int, floor_db: float) -> None:
        """Quiet that does not come. In the quiet the stream only moves on; if it has heard something all the same, silence
        stands for what does not come."""
        rate_hz = self.options.sample_rate_hz
        self._num_frames += num_frames
        if not self._is_quiet:
            for start in range(0, num_frames, rate_hz):
                self._listen(self._resample(np.zeros(min(rate_hz, num_frames - start), dtype=np.float32)))
            return
        end = first_sample_at(self._num_frames, rate_hz)
        num_passed = (end - self._measured) // FRAME_SAMPLES
        self.endpointer.skip((self._measured - self._seen) // FRAME_SAMPLES + num_passed, None)
        self.gate.pass_over(num_passed, floor_db)
        self._near.clear()
        self._measured += num_passed * FRAME_SAMPLES
        self._seen = self._measured
        self._has_frame = False
        self.buffer.skip_to(self._seen, end)
        self._count(end, is_speech=False)
        self._resampler = Resampler(rate_hz)
        self._num_resampled = end
        self._reported = self.checkpoint

    @property
    def _has_16_bits(self) -> bool:
        """Whether nothing stands between samples of 16 bits and the buffer."""
        options = self.options
        is_plain = options.encoding == "pcm_s16le" and options.num_channels == 1 and options.sample_rate_hz == SAMPLE_RATE_HZ
        return is_plain and self._denoiser is None

    @property
    def is_denoised(self) -> bool:
        return self._denoiser is not None

    def configure(self, change: ConfigureStream) -> None:
        """From the next segment on."""
        self.next_options = change.applied_to(self.next_options)
        if self._open is None:
            self._adopt_options()

    def change_model(self, model: str) -> None:
        """From the next segment on; at once where there is none."""
        self.next_model = model
        self._follow_model()

    @property
    def models(self) -> set[str]:
        """All that it still needs."""
        segments = [*self._closed, *([] if self._open is None else [self._open])]
        of_partials = {self.next_partial_model, self.partial_model} - {""}
        return {self.model, self.next_model, *of_partials, *(segment.model for segment in segments)}

    @property
    def partial_model(self) -> str:
        """That writes the partial texts of the open segment, where it is not the one that will write its final; else empty."""
        return "" if self._open is None else self._open.partial_model

    def give_up_partial_model(self) -> None:
        """It cannot hear this stream: the model of finals writes all texts."""
        self.next_partial_model = ""
        if self._open is not None:
            self._open.partial_model = ""

    @property
    def is_between_segments(self) -> bool:
        """Whether nobody speaks, and all that was said is final."""
        return self._open is None and not self._closed

    def end_segment(self) -> None:
        """Let no segment go on for ever where no audio comes any more."""
        if not self.has_frame():
            self._finish_speech(self._seen)

    def finalize(self) -> None:
        """What came so far becomes final: exactly one final with `from_finalize` follows."""
        self._catch_up()
        self._finalize_at.append(self.buffer.end)
        self._pass_gate()

    def end(self) -> None:
        """No more audio."""
        audio = self._rest_of_resampler()
        self._listen(audio if self._denoiser is None else self._denoiser.push(audio))
        self._catch_up()
        self.is_ending = True
        self._pass_gate()

    def _resample(self, audio: np.ndarray) -> np.ndarray:
        resampled = self._resampler.push(audio)
        self._num_resampled += len(resampled)
        return resampled

    def _rest_of_resampler(self) -> np.ndarray:
        """What it still holds, so that the whole is as long as if the stream had never been taken up at a checkpoint."""
        audio = self._resampler.push(NO_AUDIO, is_last=True)
        num_due = max(0, num_samples_of(self._num_frames, self.options.sample_rate_hz) - self._num_resampled)
        self._num_resampled += num_due
        return np.pad(audio[:num_due], (0, num_due - len(audio[:num_due])))

    def _catch_up(self) -> None:
        """Take what the denoiser still holds back."""
        if self._denoiser is not None:
            self._listen(self._denoiser.catch_up())

    def _listen(self, audio: np.ndarray) -> None:
        """Keep samples at 16 kHz, float32 or, where the buffer has 16 bits, int16; and show the gate the level of each frame that
        is whole now."""
        self.buffer.append(audio)
        end = self.buffer.end - (self.buffer.end - self._measured) % FRAME_SAMPLES
        if end > self._measured:
            self._near.extend(self.gate.measure(frame_powers(self.buffer.peek(self._measured, end))))
            self._measured = end
            self._pass_gate()

    # Voice activity

    def has_frame(self) -> bool:
        """Whether a whole frame has to be judged now: before the next finalize, or at all."""
        return self._has_frame

    @property
    def num_frames_waiting(self) -> int:
        """How many frames were quiet and will be judged all the same, whatever is made of them: those before something loud."""
        return min(self._num_frames_here(), self.gate.num_before_loud(self.endpointer.num_frames))

    def next_frame(self) -> np.ndarray:
        """The next frame to be judged and the 64 samples before it, float32 (576,); zeros before the stream's beginning."""
        return self._heard_until(self._seen + FRAME_SAMPLES)

    def next_frames(self, num_frames: int) -> np.ndarray:
        """The same for the next frames, float32 (num_frames, 576); a view."""
        heard = self._heard_until(self._seen + num_frames * FRAME_SAMPLES)
        return np.lib.stride_tricks.sliding_window_view(heard, CONTEXT_SAMPLES + FRAME_SAMPLES)[::FRAME_SAMPLES]

    def _heard_until(self, end: int) -> np.ndarray:
        """What was not judged yet, with the 64 samples before it."""
        start = max(self._seen - CONTEXT_SAMPLES, self.buffer.first)
        heard = self.buffer.read(start, end)
        num_missing = CONTEXT_SAMPLES + end - self._seen - len(heard)
        return np.pad(heard, (num_missing, 0)) if num_missing else heard

    def judge(self, prob: float) -> None:
        """Take the speech probability of `next_frame`."""
        frame = self.endpointer.num_frames
        turn = self.endpointer.push(prob, is_near=self._last_near(frame + 1) == frame)
        self._seen += FRAME_SAMPLES
        if turn is Turn.BEGAN:
            self._begin(self._frame_start(self.endpointer.began))
        elif turn is Turn.OVER:
            self._close(min(self._seen, self._speech_end() + POST_ROLL_SAMPLES))
        elif self._open is not None and self._seen - self._open.start >= to_samples(self.options.max_segment_ms):
            self._cut()
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

    @property
    def is_settling(self) -> bool:
        """Whether a finalize or the end may have come due."""
        return bool(self._finalize_at) or self.is_ending

    def _pass_gate(self) -> None:
        """Pass over the frames that the network need not hear, and see whether one is left for it."""
        num_frames = self._num_frames_here()
        if self.endpointer.is_busy:
            self._has_frame = num_frames > 0
            return
        num_skipped = min(num_frames, self.gate.num_skippable(self.endpointer.num_frames, is_last=self.is_settling))
        if num_skipped:
            self.endpointer.skip(num_skipped, self._last_near(self.endpointer.num_frames + num_skipped))
            self._seen += num_skipped * FRAME_SAMPLES
            self._settle_silence()
        self._has_frame = num_frames > num_skipped and self.gate.is_open(self.endpointer.num_frames)
        if not self._is_quiet:
            self._was_told_quiet = False
            return
        if not self._was_told_quiet:
            self._was_told_quiet = True
            self.report()

    def _num_frames_here(self) -> int:
        """Whole frames that were not judged yet, before the next finalize."""
        limit = self._finalize_at[0] if self._finalize_at else self.buffer.end
        return (limit - self._seen) // FRAME_SAMPLES

    def _last_near(self, end: int) -> int | None:
        """The last near frame before `end` that was not asked for yet."""
        last = None
        while self._near and self._near[0] < end:
            last = self._near.popleft()
        return last

    def _finalize(self, position: int) -> None:
        self._finish_speech(position)
        if not self._closed or self._closed[-1].from_finalize:
            here = self._unclaimed()
            empty = Segment(here, here, self.options.languages, model=self.next_model, end=here, voiced_until=here)
            self._closed.append(empty)
        self._closed[-1].from_finalize = True

    def _settle_end(self) -> None:
        if not self._is_flushed:
            self._finish_speech(self.buffer.end)
            self._seen = self.buffer.end
            self._has_frame = False
            self._is_flushed = True
        self._settle_silence()
        if not self._closed:
            self.is_done = True
            self.events.append(StreamDone(stream=self.stream_id, checkpoint=self.checkpoint))

    # Windows out, hypotheses in

    @property
    def has_work(self) -> bool:
        """Whether there is a frame to judge or a window to recognise."""
        return self._has_frame or self.wants_final or self.wants_partial

    @property
    def wants_final(self) -> bool:
        return bool(self._closed)

    @property
    def wants_partial(self) -> bool:
        segment = self._open
        return segment is not None and not self._closed and self._is_worth_a_step(segment)

    def _is_worth_a_step(self, segment: Segment) -> bool:
        """Whether enough is new of it. A model that remembers hears it as it is spoken, though nobody wants partial texts."""
        stride = self.stride_of(segment.partial_model or segment.model)
        if not self.options.interim and (stride is None or segment.partial_model):
            return False
        if stride is None:
            is_long = self._seen - segment.voiced_from >= FIRST_STEP_SAMPLES
            return is_long and self._seen - segment.stepped >= STEP_SAMPLES
        num_heard = max(0, segment.stepped - segment.start)
        return self.num_wanted_samples >= stride.next_after(num_heard)

    def window(self, num_heard: int = 0, num_wanted: int | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
        """Audio of the segment to be recognised now, float32 (num_samples,), and its languages. num_heard: so many samples at its
        beginning are left out, if it has so many. num_wanted: of its beginning only so many, if it has so many; None: all.

        No samples: nothing is new, or it is a finalize with nothing said.
        """
        segment = self._closed[0] if self._closed else self._open
        assert segment is not None
        num_samples = self.num_wanted_samples if num_wanted is None else min(num_wanted, self.num_wanted_samples)
        segment.stepped = segment.start + num_samples
        return self.buffer.read(segment.start + min(num_heard, num_samples), segment.stepped), segment.languages

    @property
    def hotwords(self) -> tuple[str, ...]:
        """Of the segment to be recognised now."""
        segment = self._closed[0] if self._closed else self._open
        return () if segment is None else segment.hotwords

    @property
    def language_model(self) -> str:
        """The same."""
        segment = self._closed[0] if self._closed else self._open
        return "" if segment is None else segment.language_model

    @property
    def is_unseen(self) -> bool:
        """Whether nobody has seen any text of the open segment yet."""
        return self._open is not None and self._open.stepped == 0

    @property
    def num_wanted_samples(self) -> int:
        """All that there is now of the segment to be recognised. Of one that is spoken, a model that remembers is also given what
        voice activity was not judged of yet: put off, the end of a chunk might wait for the next audio to come."""
        segment = self._closed[0] if self._closed else self._open
        if segment is None:
            return 0
        if segment.end is not None:
            return segment.end - segment.start
        has_stride = self.stride_of(segment.partial_model or segment.model) is not None
        return (self.buffer.end if has_stride else self._seen) - segment.start

    def update(self, heard: Heard) -> None:
        """Text of the open segment."""
        segment = self._open
        assert segment is not None
        if not self.options.interim or (not heard.text and segment.number is None):
            return
        self.events.append(
            TranscriptUpdated(
                stream=self.stream_id,
                segment=self._number(segment),
                text=heard.text,
                stable=heard.stable,
                start_ms=segment.shown_ms[0],
                end_ms=to_ms(segment.stepped),
                timings=heard.timings,
                model=heard.model,
            )
        )

    def complete(self, heard: Heard) -> None:
        """Text of the oldest closed segment."""
        segment = self._closed.popleft()
        assert segment.end is not None
        number = None
        if heard.text or segment.number is not None or segment.from_finalize:
            number = self._number(segment)
            self.checkpoint = structs.replace(self.checkpoint, next_segment=self._next_number)
        self._count(segment.start, is_speech=False)
        self._count(segment.end, is_speech=True)
        if number is not None:
            self.events.append(self._final(segment, number, heard))
        self._follow_model()
        self._settle_silence()
        self.report()

    def report(self) -> None:
        """Tell how far the stream is settled."""
        self._reported = self.checkpoint
        is_quiet = self._is_quiet
        quiet = self._measured - PRE_SPEECH_SAMPLES - self.checkpoint.settled_samples
        self.events.append(
            StreamProgress(
                stream=self.stream_id,
                checkpoint=self.checkpoint,
                behind_ms=self.behind_ms,
                floor_db=self.gate.floor_db if is_quiet else None,
                measured_samples=self._measured,
                quiet_samples=max(0, quiet) if is_quiet else 0,
            )
        )

    @property
    def _is_quiet(self) -> bool:
        """Whether nobody speaks, nothing waits, and the gate is shut."""
        if self._open is not None or self._closed or self.endpointer.is_busy or self.is_settling or self._denoiser is not None:
            return False
        return self.gate.is_shut and self.gate.floor_db is not None

    @property
    def behind_ms(self) -> int:
        """How much audio came after what was last recognised or found silent."""
        if self._closed and self._closed[0].end is not None:
            return to_ms(self.buffer.end - self._closed[0].end)
        listened_to = self._seen if self.has_frame() else self._measured
        looked_at = self._open.stepped if self._open is not None and self.options.interim else listened_to
        return to_ms(max(0, self.buffer.end - max(looked_at, self.checkpoint.settled_samples)))

    # Inside

    def _frame_start(self, frame: int) -> int:
        return self._origin + frame * FRAME_SAMPLES

    def _speech_end(self) -> int:
        return self._frame_start(self.endpointer.last_voiced + 1)

    def _unclaimed(self) -> int:
        """Where the next segment may start at the earliest."""
        last_end = self._closed[-1].end if self._closed else None
        return self.checkpoint.settled_samples if last_end is None else last_end

    def _begin(self, speech_start: int) -> None:
        self._adopt_options()
        start = max(self._unclaimed(), self.buffer.first, speech_start - PRE_ROLL_SAMPLES)
        self._open = self._segment(start, speech_start)
        self.events.append(SpeechStarted(stream=self.stream_id, at_ms=to_ms(speech_start)))

    def _segment(self, start: int, voiced_from: int) -> Segment:
        """One that begins."""
        self.num_begun += 1
        options, models = self.options, (self.next_model, self.next_partial_model, self.options.language_model)
        return Segment(start, voiced_from, options.languages, options.hotwords, *models)

    def _close(self, end: int) -> None:
        assert self._open is not None
        self._open.end = end
        self._open.voiced_until = end if self._is_voiced_now() else min(end, self._speech_end())
        self._closed.append(self._open)
        self._open = None
        self.events.append(SpeechEnded(stream=self.stream_id, at_ms=to_ms(self._speech_end())))
        self._adopt_options()

    def _cut(self) -> None:
        """The segment is too long: end it at the quietest place of its last seconds and go on in a new one from there."""
        segment = self._open
        assert segment is not None
        start = max(segment.voiced_from + STEP_SAMPLES, self._seen - CUT_SEARCH_SAMPLES)
        end = start + quietest(self.buffer.read(start, self._seen))
        segment.end = segment.voiced_until = end
        self._closed.append(segment)
        self._adopt_options()
        self._open = self._segment(end, end)

    def _finish_speech(self, position: int) -> None:
        """End the speech that is going on, with all that came before `position`, candidates too short for speech included."""
        if self._open is None and self.endpointer.has_candidate:
            self._begin(self._frame_start(self.endpointer.began))
        if self._open is not None:
            self._close(position if self._is_voiced_now() else min(position, self._speech_end() + POST_ROLL_SAMPLES))
        self.endpointer.stop()

    def _is_voiced_now(self) -> bool:
        return self._speech_end() >= self._seen

    def _follow_model(self) -> None:
        """Go over to the model of the segment to be recognised next, when everything before it is final."""
        segment = self._closed[0] if self._closed else self._open
        model = self.next_model if segment is None else segment.model
        if model != self.model:
            self.model = model
            self.events.append(ModelChanged(stream=self.stream_id, model=model, from_segment=self._next_number))

    def _adopt_options(self) -> None:
        self.options = self.next_options
        self.endpointer.endpoint_ms = self.options.endpoint_ms

    def _settle_silence(self) -> None:
        """Count and drop what no segment can want any more: all but the pre-roll."""
        if self._closed:
            self._count(self._closed[0].start, is_speech=False)
        elif self._open is not None:
            self._count(self._open.start, is_speech=False)
        else:
            kept = 0 if self._is_flushed else PRE_SPEECH_SAMPLES
            self._count(self._seen - kept, is_speech=False)
        if self.checkpoint.settled_samples - self._reported.settled_samples >= PROGRESS_SAMPLES:
            self.report()

    def _count(self, until: int, *, is_speech: bool) -> None:
        """Drop the samples before `until` and enter each in the account, once."""
        num_samples = until - self.checkpoint.settled_samples
        if num_samples <= 0:
            return
        old = self.checkpoint
        num_missing = self._num_missing(old.settled_samples, until) if self._missing else 0
        num_heard = num_samples - num_missing
        self.checkpoint = structs.replace(
            old,
            transcribed_samples=old.transcribed_samples + (num_heard if is_speech else 0),
            silence_samples=old.silence_samples + (0 if is_speech else num_heard),
            gap_samples=old.gap_samples + num_missing,
        )
        # A finalize may end a segment within a frame that is not judged yet; and the next frame is judged with its context.
        self.buffer.drop_before(min(until, self._seen) - CONTEXT_SAMPLES)

    def _num_missing(self, start: int, end: int) -> int:
        """How many of the samples [start, end), which are counted now, never came."""
        num_missing = 0
        while self._missing and self._missing[0][0] < end:
            first, last = self._missing[0]
            num_missing += max(0, min(last, end) - max(first, start))
            start = max(start, min(last, end))  # gaps of less than a sample may share one
            if last > end:
                break
            self._missing.popleft()
        return num_missing

    def _number(self, segment: Segment) -> int:
        if segment.number is None:
            segment.number = self._next_number
            self._next_number += 1
        return segment.number

    def _final(self, segment: Segment, number: int, heard: Heard) -> TranscriptFinal:
        start_ms, end_ms = segment.shown_ms
        assert end_ms is not None
        return TranscriptFinal(
            stream=self.stream_id,
            segment=number,
            text=heard.text,
            start_ms=start_ms,
            end_ms=end_ms,
            language=heard.language,
            confidence=round(heard.confidence, 3),
            model=heard.model,
            words=tuple(_placed(word, to_ms(segment.start), start_ms, end_ms) for word in heard.words),
            from_finalize=segment.from_finalize,
            timings=heard.timings,
            checkpoint=self.checkpoint,
        )


def _placed(word: TimedWord, offset_ms: int, first_ms: int, last_ms: int) -> TimedWord:
    """`word` moved by `offset_ms` and kept within [first_ms, last_ms]."""
    start_ms = min(max(word.start_ms + offset_ms, first_ms), last_ms)
    end_ms = min(max(word.end_ms + offset_ms, first_ms), last_ms)
    return structs.replace(word, start_ms=start_ms, end_ms=end_ms)
