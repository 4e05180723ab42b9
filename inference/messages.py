"""What crosses the boundary between a web process and the inference process, and its MessagePack form.

One link frame is a list of these messages, in order: the requests of all streams of a web process in one tick, or the
events of one inference pass. Sockets and framing belong to `inference.link`.

Stream identifiers are chosen by the web process and are unique on one link connection. All times are milliseconds since
the stream's first sample. Requests about models belong to the link and not to a stream; they have no number of one.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from inference.errors import InferenceError

Encoding = Literal["pcm_s16le", "pcm_f32le", "mulaw", "alaw"]


LAG_MS: Final = 3_000
"""A stream that is so far behind is told of again and again."""
NO_STREAM: Final = -1
"""In requests that are about no stream."""


class StreamOptions(Struct, frozen=True, kw_only=True):
    """How one stream is heard. `languages` empty: detect among all the model knows; one entry: fixed.

    `partial_model`: writes the partial texts, where it is loaded and knows the languages; finals, and else partials too, are
    written by `model`. `language_model`: by its name; empty: none, or the model's own.
    """

    encoding: Encoding = "pcm_s16le"
    sample_rate_hz: int = 16_000
    num_channels: int = 1
    languages: tuple[str, ...] = ()
    model: str | None = None
    partial_model: str | None = None
    language_model: str = ""
    interim: bool = True
    endpoint_ms: int = 500
    max_segment_ms: int = 9_000
    hotwords: tuple[str, ...] = ()
    denoise: bool = False


class Request(Struct, frozen=True, tag_field="t", kw_only=True):
    """From web to inference."""

    stream: int


class Checkpoint(Struct, frozen=True, kw_only=True):
    """How far a stream is settled: everything before is final text, silence or missing, counted, and need not be kept.

    Samples at 16 kHz; the three together are how much lies before the checkpoint. gap_samples: missing for good, whether
    in the middle of speech or not.
    """

    transcribed_samples: int = 0
    silence_samples: int = 0
    gap_samples: int = 0
    next_segment: int = 0

    @property
    def settled_samples(self) -> int:
        return self.transcribed_samples + self.silence_samples + self.gap_samples


class OpenStream(Request, frozen=True, tag="open", kw_only=True):
    """`checkpoint` is not the beginning when a stream is replayed after an inference process was lost.

    `goes_on`: it was open before, here or elsewhere. `session`: what log lines about it call it.
    """

    options: StreamOptions
    checkpoint: Checkpoint = Checkpoint()
    goes_on: bool = False
    session: str = ""


class AudioChunk(Request, frozen=True, tag="audio", kw_only=True):
    """Whole samples in the stream's own encoding, interleaved when there are two channels."""

    payload: bytes


class AudioGap(Request, frozen=True, tag="gap", kw_only=True):
    """Audio that is missing for good: time goes on. `num_frames`: samples per channel, at the stream's own rate."""

    num_frames: int


class QuietPassed(Request, frozen=True, tag="quiet", kw_only=True):
    """Audio in which nobody spoke, and which does not come: time goes on, and so does the account, as silence.

    num_frames: samples per channel, at the stream's own rate. floor_db: the noise floor after them.
    """

    num_frames: int
    floor_db: float


class ConfigureStream(Request, frozen=True, tag="configure", kw_only=True):
    """From the next segment on. `model`: one that is loaded; ModelChanged says from where on it counts."""

    languages: tuple[str, ...] | UnsetType = UNSET
    hotwords: tuple[str, ...] | UnsetType = UNSET
    endpoint_ms: int | UnsetType = UNSET
    max_segment_ms: int | UnsetType = UNSET
    interim: bool | UnsetType = UNSET
    model: str | UnsetType = UNSET
    partial_model: str | UnsetType | None = UNSET
    language_model: str | UnsetType = UNSET

    def applied_to(self, options: StreamOptions) -> StreamOptions:
        """`options` with what is given here."""
        given = {name: value for name, value in structs.asdict(self).items() if name != "stream" and value is not UNSET}
        return structs.replace(options, **given)

    @classmethod
    def of(cls, stream: int, options: StreamOptions) -> "ConfigureStream":
        """All of `options` that can be changed."""
        names = [name for name in cls.__struct_fields__ if name != "stream"]
        return cls(stream=stream, **{name: getattr(options, name) for name in names})


class FinalizeStream(Request, frozen=True, tag="finalize", kw_only=True):
    pass


class EndStream(Request, frozen=True, tag="end", kw_only=True):
    """No more audio: every final, then StreamDone."""


class CancelStream(Request, frozen=True, tag="cancel", kw_only=True):
    """Forget the stream at once; no event follows."""


class ModelSpec(Struct, frozen=True, kw_only=True):
    """What an inference process needs to load a model.

    name: as clients see it. source: empty: the built-in model of that name (or of that name without its ending `-` and
    precision); an absolute path; or the name of another built-in model. precision: as HARK_PRECISION.
    """

    name: str
    source: str = ""
    precision: str = "auto"


class Canary(Struct, frozen=True, kw_only=True):
    """What a model must hear rightly, and fast enough, before anybody is given to it.

    payload: PCM, 16-bit, mono, 16 kHz, at most 30 s. text: what is said in it; case and punctuation do not count. max_wer: share
    of words that may be wrong. max_rtf: seconds of computing for a second of audio; 0: no limit.
    """

    payload: bytes
    text: str
    language: str
    max_wer: float = 0.2
    max_rtf: float = 0.0


class LoadModel(Request, frozen=True, tag="load_model", kw_only=True):
    """Load a model beside those that run; ModelProgress follows, then ModelLoaded or ModelFailed, to this link alone.

    max_memory_bytes: what it may need; 0: as much as is free.
    """

    stream: int = NO_STREAM
    spec: ModelSpec
    canary: Canary | None = None
    max_memory_bytes: int = 0


class UnloadModel(Request, frozen=True, tag="unload_model", kw_only=True):
    """Give a model no new streams, wait until its own are over, and take its memory back; ModelUnloaded or ModelFailed follows.

    drain_s: after so long the streams that are left go on with the `successor`, each from its next segment on. Without one they
    go on with another model that knows their languages. Where the model is not there, `successor` stands for it from now on.

    is_elsewhere: its streams leave this process instead, each at its next boundary, and the web processes take them to another
    one that has their model. So even the only model can be unloaded; whoever asks knows that there is such a process.
    """

    stream: int = NO_STREAM
    model: str
    drain_s: float = 0.0
    successor: str = ""
    is_elsewhere: bool = False


class ReadMetrics(Request, frozen=True, tag="read_metrics", kw_only=True):
    """Tell what was measured from `since_s` (seconds since 1970) on; MetricsSnapshot follows, to this link alone."""

    stream: int = NO_STREAM
    since_s: float = 0.0


class ModelInfo(Struct, frozen=True, kw_only=True):
    """A model that is loaded and warm. `languages` empty: any. `precision`: what it computes with, if that is a question.

    memory_bytes: what the process grew by when it was loaded; 0: not known. is_draining: it takes no new streams and will be
    unloaded. replaces: models that are not there any more whose streams it takes. step_samples: new audio, at 16 kHz, that it
    takes in a step, remembering what it heard before (`first_step_samples`: of a segment's first step); 0: whole segments.
    letters: those that it writes, figures among them; empty: any.
    """

    name: str
    engine: str
    languages: tuple[str, ...]
    multilingual: bool
    precision: str = ""
    memory_bytes: int = 0
    is_draining: bool = False
    replaces: tuple[str, ...] = ()
    first_step_samples: int = 0
    step_samples: int = 0
    letters: str = ""

    def can_serve(self, languages: Iterable[str]) -> bool:
        """Whether it can hear all of `languages`; none given means that it must detect the language."""
        wanted = set(languages)
        if not wanted:
            return self.multilingual
        return not self.languages or wanted <= set(self.languages)

    def takes(self, options: StreamOptions) -> bool:
        """Whether a stream may be given to it: it is called for, or stands for a model that is."""
        is_meant = options.model is None or options.model in (self.name, *self.replaces)
        return is_meant and not self.is_draining and self.can_serve(options.languages)


class Event(Struct, frozen=True, tag_field="t", kw_only=True):
    """From inference to web."""


class WorkerStatus(Event, frozen=True, tag="status", kw_only=True):
    """Sent when a link opens and whenever it changes. `is_ready`: every model is warm."""

    node: str
    is_ready: bool
    models: tuple[ModelInfo, ...] = ()
    detail: str = ""


class WorkerLoad(Event, frozen=True, tag="load", kw_only=True):
    """Sent when a link opens and once a second from then on, so it is the sign of life too.

    busy: share of the last seconds that the recognition thread did not rest, 0 to 1. queue_ms: how long results of the
    last second waited for their batch, on average. stalled_ms: how long ago the recognition thread began its present pass
    over the streams; 0 while it rests. is_full: every place is taken; num_free: places that are not.
    is_overloaded: it cannot keep up with the streams that it has; new ones are refused, those that go on are let in.
    """

    num_streams: int = 0
    busy: float = 0.0
    queue_ms: float = 0.0
    stalled_ms: int = 0
    is_full: bool = False
    is_overloaded: bool = False
    num_free: int = 0


class Measured(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened to one metric in an interval.

    Counter: `total` is its increase. Histogram: `count` values that sum up to `total`, by `buckets`. Gauge: it was looked at
    `count` times, `total` is the sum of what was seen, `low` and `high` the least and the most.
    """

    metric: str
    labels: dict[str, str] = {}
    total: float = 0.0
    count: int = 0
    low: float | None = None
    high: float | None = None
    buckets: tuple[int, ...] = ()


class Interval(Struct, frozen=True, kw_only=True):
    """Ten seconds from `at_s` (since 1970) on."""

    at_s: int
    measured: tuple[Measured, ...]


class MetricsSnapshot(Event, frozen=True, tag="metrics", kw_only=True):
    """Oldest first. The newest interval may not be over: when it is asked for again it says more."""

    intervals: tuple[Interval, ...]


Stage = Literal["checking", "loading", "warming", "canary", "draining", "unloading"]


class ModelEvent(Event, frozen=True, kw_only=True):
    """About a model that this link asked to be loaded or unloaded."""

    model: str


class ModelProgress(ModelEvent, frozen=True, tag="model_progress", kw_only=True):
    """A stage has begun. `detail`: a sentence, or nothing."""

    stage: Stage
    detail: str = ""


class ModelLoaded(ModelEvent, frozen=True, tag="model_loaded", kw_only=True):
    """Streams can be opened with it. It may have been there before: then load_ms is 0.

    memory_bytes: what the process grew by. canary_wer, canary_rtf: what was measured, where there was a canary.
    """

    info: ModelInfo
    load_ms: int
    memory_bytes: int
    canary_wer: float | None = None
    canary_rtf: float | None = None


class ModelFailed(ModelEvent, frozen=True, tag="model_failed", kw_only=True):
    """It was not loaded, or not unloaded, and nothing has changed. `message` is safe to show."""

    stage: Stage
    code: str
    message: str


class ModelUnloaded(ModelEvent, frozen=True, tag="model_unloaded", kw_only=True):
    """It is gone. Memory of the process: what is resident, or on a GPU what is taken there. num_moved: streams that went on with
    another model, num_failed: streams for which there was none."""

    memory_bytes_before: int
    memory_bytes_after: int
    num_moved: int = 0
    num_failed: int = 0


class StreamEvent(Event, frozen=True, kw_only=True):
    stream: int


class StreamOpened(StreamEvent, frozen=True, tag="opened", kw_only=True):
    """`denoise`: whether it is on, which it is not where the inference process has no RNNoise."""

    model: str
    language: str
    denoise: bool = False


class StreamFailed(StreamEvent, frozen=True, tag="failed", kw_only=True):
    """Terminal. `message` is safe to show. `retry_after_s`: when to try again at the earliest, where that is known."""

    code: str
    message: str
    retryable: bool
    retry_after_s: int | None = None


def failure(stream: int, err: InferenceError) -> StreamFailed:
    """`err` as the end of a stream."""
    return StreamFailed(
        stream=stream, code=err.code, message=err.message, retryable=err.is_retryable, retry_after_s=err.retry_after_s
    )


class ModelChanged(StreamEvent, frozen=True, tag="model_changed", kw_only=True):
    """Comes before the first event of `from_segment`, with which another model began."""

    model: str
    from_segment: int


class SpeechStarted(StreamEvent, frozen=True, tag="speech_started", kw_only=True):
    at_ms: int


class SpeechEnded(StreamEvent, frozen=True, tag="speech_ended", kw_only=True):
    at_ms: int


class Timings(Struct, frozen=True, kw_only=True):
    """Where the time of one result went: waiting for a batch, and in the engine."""

    queue_ms: float
    infer_ms: float


class TranscriptUpdated(StreamEvent, frozen=True, tag="updated", kw_only=True):
    """`model`: the one that wrote it, which need not be that of the segment's final."""

    segment: int
    text: str
    stable: str
    start_ms: int
    end_ms: int
    timings: Timings
    model: str = ""


class TimedWord(Struct, frozen=True, kw_only=True):
    text: str
    start_ms: int
    end_ms: int
    confidence: float


class TranscriptFinal(StreamEvent, frozen=True, tag="final", kw_only=True):
    """`text` may be empty: the segment held no words; its number is used up all the same.

    `checkpoint`: the stream's right after this final, so that both can be stored as one fact.
    """

    segment: int
    text: str
    start_ms: int
    end_ms: int
    language: str
    confidence: float
    model: str
    words: tuple[TimedWord, ...]
    from_finalize: bool
    timings: Timings
    checkpoint: Checkpoint


class StreamProgress(StreamEvent, frozen=True, tag="progress", kw_only=True):
    """Follows a final in the same link frame, comes now and then in silence, and every two seconds while recognition lags.

    behind_ms: audio not yet looked at. floor_db: the noise floor, where nobody speaks and nothing is loud, so that what is not
    loud need not come; None: all is to come at once. measured_samples: how far into the stream that is known, in whole frames.
    quiet_samples: so much after the checkpoint is quiet too, though not settled; it need not be repeated if this process is lost,
    but is silence then.
    """

    checkpoint: Checkpoint
    behind_ms: int
    floor_db: float | None = None
    measured_samples: int = 0
    quiet_samples: int = 0


class StreamDone(StreamEvent, frozen=True, tag="done", kw_only=True):
    """Terminal: every sample that came is in `checkpoint`."""

    checkpoint: Checkpoint


AnyStreamRequest = OpenStream | AudioChunk | AudioGap | QuietPassed | ConfigureStream | FinalizeStream | EndStream | CancelStream
AnyModelRequest = LoadModel | UnloadModel
AnyRequest = AnyStreamRequest | AnyModelRequest | ReadMetrics
AnyStreamEvent = (
    StreamOpened
    | StreamFailed
    | ModelChanged
    | SpeechStarted
    | SpeechEnded
    | TranscriptUpdated
    | TranscriptFinal
    | StreamProgress
    | StreamDone
)
AnyModelEvent = ModelProgress | ModelLoaded | ModelFailed | ModelUnloaded
AnyEvent = WorkerStatus | WorkerLoad | MetricsSnapshot | AnyModelEvent | AnyStreamEvent

request_decoder = msgspec.msgpack.Decoder(list[AnyRequest])
event_decoder = msgspec.msgpack.Decoder(list[AnyEvent])
encoder = msgspec.msgpack.Encoder()
