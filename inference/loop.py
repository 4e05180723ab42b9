"""The one thread that touches models: take what came, judge voice activity, run a batch, deliver.

`submit` may be called from any thread; everything else belongs to the loop's own thread. Delivery is a callback that must
not block: the server hands it to its event loop.
"""

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import UNSET, UnsetType, structs

from inference.audio import to_samples
from inference.batching import Gathering, Wish, choose
from inference.clients import Client, Draft
from inference.decoding.lms import LanguageModels
from inference.engines.base import Engine, Hypothesis, Window
from inference.errors import FullError, InferenceError, MovedError, OverloadedError, StepError
from inference.held import HeldRequests
from inference.lineup import Lineup
from inference.load import Pulse
from inference.logs import about
from inference.messages import (
    LAG_MS,
    AnyStreamEvent,
    AnyStreamRequest,
    AudioChunk,
    AudioGap,
    CancelStream,
    ConfigureStream,
    EndStream,
    FinalizeStream,
    ModelInfo,
    OpenStream,
    QuietPassed,
    StreamOpened,
    TimedWord,
    Timings,
    failure,
)
from inference.meters import InferenceMeters
from inference.segment import Stride
from inference.stream import Heard, Stream
from inference.vad import SpeechDetector

logger = logging.getLogger(__name__)

Deliver = Callable[[int, list[AnyStreamEvent]], None]
MAX_VAD_ROUNDS = 32
"""Frames of one stream judged before the next batch runs (1 s): a stream far behind must not hold up the others."""
MAX_RUN_FRAMES = 80
"""The same for a stream in the quiet, which are judged in one call: all that waited at the gate."""
MIN_RUN_FRAMES = 4
"""With fewer frames of one stream a batch of a few streams is as fast."""
MAX_RUNS_S = 0.05
"""What such streams may take together before the next batch runs: hundreds may begin, or be startled, at once."""
MAX_BATCH_S = 0.25
"""What a batch may take: a final that comes meanwhile waits for it, and 1.5 s is all that a final has."""
CATCH_UP_SAMPLES = to_samples(1000)
"""What an engine that remembers hears of a final at a time, when it is so far behind: others are to be heard in between."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Audio that came and was not taken yet: a second of two thousand streams. A pass is short; more waits only when recognition
hangs or cannot keep up, and then it had better wait where it comes from."""
LAG_EVERY_S = 2.0
"""How often a stream that is far behind is told of; other news of it may be rare then."""
STREAM_FAILED = "Recognition of this audio failed. The text so far is kept; reconnect to go on."


class RecognitionLoop:
    """Args:
    engines: by model name, in order of preference; loaded and warm.
    deliver: called with a link's number and the events of one pass over it, in order.
    clock: monotonic seconds.
    on_room: called, on the loop's thread, when what had waited beyond the bound was taken.
    meters: where steps are counted.
    language_models: that streams may ask for; None: there are none.
    on_unused: the same, with the name of a model that is to be unloaded when no stream needs it any more.

    `is_overloaded`: no new stream is let in; whoever measures that sets it, from any thread. `has_freed`: a stream may have let
    go of a model since the last look.
    """

    def __init__(
        self,
        engines: Mapping[str, Engine[Any]],
        detector: SpeechDetector,
        deliver: Deliver,
        *,
        max_streams: int,
        max_batch: int,
        clock: Callable[[], float] = time.monotonic,
        on_room: Callable[[], None] = lambda: None,
        on_unused: Callable[[str], None] = lambda _model: None,
        meters: InferenceMeters | None = None,
        language_models: LanguageModels | None = None,
    ) -> None:
        self.language_models = language_models or LanguageModels(None)
        self.lineup = Lineup(engines.values())
        self.engines = self.lineup.engines
        self.detector = detector
        self.deliver = deliver
        self.max_streams = max_streams
        self.max_batch = max_batch
        self.pulse = Pulse(clock)
        self.meters = meters or InferenceMeters()
        self.clients: dict[tuple[int, int], Client] = {}
        self._active: dict[tuple[int, int], Client] = {}  # what a pass looks at; of thousands of streams few have anything to do
        self._on_room = on_room
        self._on_unused = on_unused
        self._inbox: deque[tuple[int, Sequence[AnyStreamRequest] | None] | Callable[[], None]] = deque()
        self._num_waiting_bytes = 0
        self._wake = threading.Condition()
        self._is_stopping = False
        self.is_overloaded = False
        self.has_freed = False
        self._held = HeldRequests(self.language_models, self.do, self._go_on)
        self._was_long = False
        self._gathering = Gathering(clock())
        self._keys = itertools.count()
        self._clock = clock
        self._lags_told_s = clock()

    # Any thread

    def submit(self, link_id: int, requests: Sequence[AnyStreamRequest], num_bytes: int = 0) -> None:
        """`num_bytes`: what they need until they are taken. Nothing is refused; `has_room` is for whoever can wait."""
        with self._wake:
            self._num_waiting_bytes += num_bytes
            self._inbox.append((link_id, requests))
            self._wake.notify()

    def do(self, task: Callable[[], None]) -> None:
        """Have `task` carried out on the loop's thread, between two passes. It must not raise."""
        with self._wake:
            self._inbox.append(task)
            self._wake.notify()

    @property
    def has_room(self) -> bool:
        return self._num_waiting_bytes <= MAX_WAITING_BYTES

    def drop_link(self, link_id: int) -> None:
        """The web process is gone: forget its streams."""
        with self._wake:
            self._inbox.append((link_id, None))
            self._wake.notify()

    def stop(self) -> None:
        with self._wake:
            self._is_stopping = True
            self._wake.notify()

    # The loop's thread

    def run(self) -> None:
        """Until `stop`."""
        while not self._is_stopping:
            self._gather()
            self.take(wait=not self.has_work())
            self.judge()
            self.send()  # what was heard by now does not wait for the batch
            self.step()
            self.send()

    def _gather(self) -> None:
        """Let passes be some way apart where they are many and each has little to do."""
        until_s = self.pulse.last_pass.began_s + self._gathering.period_s(self._clock())
        if self._clock() >= until_s:
            return
        with self._wake, self.pulse.resting():
            while not self._is_stopping and (left_s := until_s - self._clock()) > 0:
                self._wake.wait(left_s)

    def has_work(self) -> bool:
        return any(client.stream.has_work for client in self._active.values())

    def take(self, *, wait: bool) -> None:
        """Carry out all requests that have come; with `wait` there is nothing else to do until one comes."""
        self.pulse.begin_pass()
        with self._wake:
            if wait:
                self._rest()
            items = list(self._inbox)
            self._inbox.clear()
            had_room, self._num_waiting_bytes = self.has_room, 0
        if not had_room:
            self._on_room()
        for item in items:
            if not isinstance(item, tuple):
                item()
                continue
            link_id, requests = item
            if requests is None:
                self._forget_link(link_id)
                continue
            for request in requests:
                self._carry_out(link_id, request)

    def _rest(self) -> None:
        with self.pulse.resting():
            while not self._inbox and not self._is_stopping:
                self._wake.wait()

    def _carry_out(self, link_id: int, request: AnyStreamRequest) -> None:
        key = (link_id, request.stream)
        if isinstance(request, OpenStream):
            self._open(link_id, request)
            return
        client = self.clients.get(key)
        if client is None or client.stream.is_done:
            return  # failed or cancelled a moment ago; the web process has been or will be told
        if self._held.takes(key, request):
            return
        self._active[key] = client
        with _sparing_others(client.stream):
            self._command(client, request, key)

    def _go_on(self, key: tuple[int, int], requests: Sequence[AnyStreamRequest]) -> None:
        """With what a stream has said while its language model was read."""
        for request in requests:
            self._carry_out(key[0], request)

    def _command(self, client: Client, request: AnyStreamRequest, key: tuple[int, int]) -> None:
        match request:
            case AudioChunk():
                client.stream.push(request.payload)
            case AudioGap():
                client.stream.push_gap(request.num_frames)
            case QuietPassed():
                client.stream.pass_over(request.num_frames, request.floor_db)
            case ConfigureStream():
                self._configure(client, request)
            case FinalizeStream():
                client.stream.finalize()
            case EndStream():
                client.stream.end()
            case CancelStream():
                self._forget(key)

    def _open(self, link_id: int, request: OpenStream) -> None:
        try:
            self._admit(request)
            engine = self.lineup.engine_for(request.options)
            if not request.goes_on:
                self.language_models.check(request.options.language_model)
        except InferenceError as err:
            self.deliver(link_id, [failure(request.stream, err)])
            return
        name = engine.info.name
        stream = Stream(
            request.stream, name, request.options, request.checkpoint, session=request.session, stride_of=self._stride_of
        )
        stream.next_partial_model = self.lineup.partial_model_for(request.options, name)
        key = link_id, request.stream
        self.clients[key] = self._active[key] = Client(link_id, stream, engine)
        self._held.hold(key, request.options.language_model)
        language = request.options.languages[0] if len(request.options.languages) == 1 else "auto"
        stream.events.append(StreamOpened(stream=request.stream, model=name, language=language, denoise=stream.is_denoised))

    def _configure(self, client: Client, request: ConfigureStream) -> None:
        """The web side refuses what the model does not know; what slips through changes nothing."""
        if not isinstance(request.model, UnsetType):
            languages = client.stream.next_options.languages if isinstance(request.languages, UnsetType) else request.languages
            request = structs.replace(request, model=self._model_for(client, request.model, languages))
        model = client.stream.next_model if isinstance(request.model, UnsetType) else request.model
        info = self.engines[model].info
        if not isinstance(request.languages, UnsetType) and not can_serve(info, request.languages):
            subject = about_stream(client.stream)
            logger.warning("a stream of %s was to know %s; kept as it was", info.name, request.languages, extra=subject)
            request = structs.replace(request, languages=UNSET)
        if not isinstance(request.language_model, UnsetType):
            request = structs.replace(request, language_model=self._language_model_for(client, request.language_model))
        client.stream.configure(request)
        self.change_model(client, model)

    def change_model(self, client: Client, model: str) -> None:
        """From its next segment on."""
        if model != client.stream.next_model:
            self.has_freed = True
            client.stream.change_model(model)
            self.touch(client)
        self.settle_partials(client)

    def settle_partials(self, client: Client) -> None:
        """Let partial texts be written by the model that is wished for from the next segment on, if that can be."""
        stream = client.stream
        model = self.lineup.partial_model_for(stream.next_options, stream.next_model)
        if model != stream.next_partial_model:
            self.has_freed = True
            stream.next_partial_model = model

    def touch(self, client: Client) -> None:
        """Let the next pass look at it."""
        self._active[client.link_id, client.stream.stream_id] = client

    def _model_for(self, client: Client, model: str, languages: tuple[str, ...]) -> str | UnsetType:
        """The model itself, or who took over from it."""
        try:
            return self.lineup.named(model, languages).info.name
        except InferenceError as err:
            subject, former = about_stream(client.stream), client.stream.next_model
            logger.warning("a stream of %s was to change to %s; kept as it was: %s", former, model, err, extra=subject)
            return UNSET

    def _language_model_for(self, client: Client, name: str) -> str | UnsetType:
        """The one that is asked for, if it is there."""
        try:
            self.language_models.check(name)
        except InferenceError as err:
            subject = about_stream(client.stream)
            logger.warning("a stream was to be decoded with another language model; kept as it was: %s", err, extra=subject)
            return UNSET
        return name

    def _admit(self, request: OpenStream) -> None:
        if len(self.clients) >= self.max_streams:
            raise FullError(f"All {self.max_streams} streams of this server are taken. Try again later.")
        if self.is_overloaded and not request.goes_on:
            raise OverloadedError

    def _forget(self, key: tuple[int, int]) -> None:
        client = self.clients.pop(key)
        self._active.pop(key, None)
        self._held.drop(key)
        self.has_freed = True
        client.drop_draft()
        client.engine.finish(client.state)

    def _forget_link(self, link_id: int) -> None:
        for key in [key for key in self.clients if key[0] == link_id]:
            self._forget(key)

    def judge(self) -> None:
        """Voice activity for all streams together, one frame of each a round; what has waited in the quiet goes before."""
        streams = self._judge_runs([client.stream for client in self._active.values()])
        for _ in range(MAX_VAD_ROUNDS):
            streams = [stream for stream in streams if stream.has_frame() and not stream.is_done]
            if not streams:
                break
            self._judge(streams)
        for client in self._active.values():
            if client.stream.is_settling:
                with _sparing_others(client.stream):
                    client.stream.settle()

    def _judge_runs(self, streams: Sequence[Stream]) -> list[Stream]:
        """Many frames of a stream in one call, where they have waited at the gate, so that no batch comes between them and the
        beginning that they may hold. Returns the streams whose turn is not put off to the next pass."""
        until_s = self._clock() + MAX_RUNS_S
        ready = []
        for stream in streams:
            num_frames = min(stream.num_frames_waiting, MAX_RUN_FRAMES) if _has_waited(stream) else 0
            if num_frames >= MIN_RUN_FRAMES:
                if self._clock() >= until_s:
                    continue
                self._judge_run(stream, num_frames)
            ready.append(stream)
        return ready

    def _judge_run(self, stream: Stream, num_frames: int) -> None:
        with _sparing_others(stream):
            for prob in self.detector.run_probabilities(stream.next_frames(num_frames), stream.vad):
                stream.judge(prob)
                stream.settle()

    def _judge(self, streams: Sequence[Stream]) -> None:
        """One frame of each."""
        judged, frames = [], []
        for stream in streams:
            with _sparing_others(stream):
                frames.append(stream.next_frame())
                judged.append(stream)
        probs = self.detector.probabilities(frames, [stream.vad for stream in judged])
        for stream, prob in zip(judged, probs, strict=True):
            with _sparing_others(stream):
                stream.judge(prob)
                stream.settle()

    def step(self) -> None:
        """Run one batch of what the streams want most."""
        now_s = self._clock()
        by_key = {next(self._keys): client for client in self._active.values()}
        wishes = [wish for key, client in by_key.items() if (wish := self._wish(key, client, now_s)) is not None]
        chosen = choose(wishes, self.max_batch, self._max_samples, is_turn_of_short=self._was_long)
        self.meters.num_waiting = len(wishes) - len(chosen)
        if chosen:
            self._was_long = not chosen[0].is_incremental
            self._gathering.learn(len(chosen) if chosen[0].is_incremental else 0, now_s)
            self._run([by_key[wish.key] for wish in chosen], chosen, now_s)

    def _stride_of(self, model: str) -> Stride | None:
        info = self.engines[model].info
        return Stride(info.first_step_samples, info.step_samples) if info.step_samples else None

    def _max_samples(self, model: str) -> float:
        return self.lineup.paces[model].samples_in(MAX_BATCH_S)

    def _wish(self, key: int, client: Client, now_s: float) -> Wish | None:
        stream = client.stream
        if stream.is_done or not (stream.wants_final or stream.wants_partial):
            client.waiting_s = None
            return None
        if client.waiting_s is None:
            client.waiting_s = now_s
        is_final = stream.wants_final
        model = stream.model if is_final else stream.partial_model or stream.model
        stride = self._stride_of(model)
        # A piece of a stride takes as long as a whole one; and of a final there may be two, the last one mostly silence.
        num_samples = stream.num_wanted_samples if stride is None else stride.every * (2 if is_final else 1)
        return Wish(key, model, is_final, client.waiting_s, num_samples, stream.is_unseen, stride is not None)

    def _run(self, clients: list[Client], wishes: list[Wish], now_s: float) -> None:
        engine = self.engines[wishes[0].model]
        windows = [self._window(client, wish) for client, wish in zip(clients, wishes, strict=True)]
        started_s = self._clock()
        results = self._recognise(engine, windows)
        infer_s = self._clock() - started_s
        self.lineup.paces[wishes[0].model].learn(sum(wish.num_samples for wish in wishes), infer_s)
        self.meters.stepped(wishes[0].model, [now_s - wish.since_s for wish in wishes], infer_s)
        for client, wish, window, result in zip(clients, wishes, windows, results, strict=True):
            if result is None or (wish.is_final and not window.is_final and not isinstance(result, StepError)):
                continue  # what is left of it is heard next
            client.waiting_s = None
            timings = Timings(queue_ms=(now_s - wish.since_s) * 1000, infer_ms=infer_s * 1000)
            with _sparing_others(client.stream):
                self._book(client, result, engine.info.name, timings, is_final=wish.is_final)

    def _window(self, client: Client, wish: Wish) -> Window[Any]:
        """What the stream wishes to have recognised; to an engine that remembers what it heard, the next of it."""
        stream, is_final = client.stream, wish.is_final
        state = client.state if is_final or not stream.partial_model else self._draft(client).state
        num_heard, num_wanted = 0, stream.num_wanted_samples
        stride = self._stride_of(wish.model)
        if stride is not None:
            num_heard = min(state.num_heard, num_wanted)
            num_next = stride.next_after(num_heard + (CATCH_UP_SAMPLES if is_final else 0))
            is_final, num_wanted = is_final and num_next >= num_wanted, min(num_next, num_wanted)
        audio, languages = stream.window(num_heard, num_wanted)
        return Window(state, audio, languages, is_final, stream.hotwords, num_heard, stream.language_model)

    def _draft(self, client: Client) -> Draft:
        """Of the open segment."""
        self._drop_old_draft(client)
        if client.draft is None:
            client.draft = Draft(self.engines[client.stream.partial_model], client.stream.num_begun)
        return client.draft

    def _drop_old_draft(self, client: Client) -> None:
        """Where the segment is over."""
        draft, stream = client.draft, client.stream
        if draft is not None and (draft.number != stream.num_begun or not stream.partial_model):
            self.has_freed = True
            client.drop_draft()

    def _recognise(self, engine: Engine[Any], windows: list[Window[Any]]) -> list[Hypothesis | StepError | None]:
        """One step; when the batch fails each row is tried alone, so that only the row at fault is lost."""
        try:
            return list(self._step_engine(engine, windows))
        except Exception:
            logger.exception("a step of %d windows failed in %s; trying them one by one", len(windows), engine.info.name)
        return [self._recognise_alone(engine, window) for window in windows]

    def _recognise_alone(self, engine: Engine[Any], window: Window[Any]) -> Hypothesis | StepError | None:
        try:
            return self._step_engine(engine, [window])[0]
        except Exception:
            logger.exception("a window of %d samples failed in %s", window.num_samples, engine.info.name)
            return StepError(STREAM_FAILED)

    def _step_engine(self, engine: Engine[Any], windows: list[Window[Any]]) -> list[Hypothesis | None]:
        """Windows without audio (a finalize with nothing said) are answered without the engine."""
        audible = [window for window in windows if window.num_samples]
        found = iter(engine.step(audible) if audible else [])
        return [next(found) if window.num_samples else _nothing(window) for window in windows]

    def _book(self, client: Client, result: Hypothesis | StepError, model: str, timings: Timings, *, is_final: bool) -> None:
        """Give the stream its result."""
        stream = client.stream
        if isinstance(result, StepError) and not is_final and stream.partial_model:
            logger.error("stream %d goes on without %s", stream.stream_id, model, extra=about_stream(stream))
            stream.give_up_partial_model()
        elif isinstance(result, StepError):
            logger.error("stream %d ends: %s could not recognise it", stream.stream_id, model, extra=about_stream(stream))
            give_up(stream, result)
        elif is_final:
            stream.complete(_heard(result, model, timings))
            stream.settle()
        else:
            stream.update(_heard(result, model, timings))

    def send(self) -> None:
        """Hand every link its events in one piece; forget the streams that are over."""
        self._tell_lags()
        outgoing: dict[int, list[AnyStreamEvent]] = {}
        for key, client in list(self._active.items()):
            self._let_go(client.stream)
            if client.stream.events:
                outgoing.setdefault(client.link_id, []).extend(client.stream.events)
                client.stream.events = []
            self._follow_model(client)
            self._drop_old_draft(client)
            if client.stream.is_done:
                self._forget(key)
            elif not client.stream.has_work and not client.stream.is_settling:
                client.waiting_s = None
                del self._active[key]
        for link_id, events in outgoing.items():
            self.deliver(link_id, events)
        self.look_for_unused()

    def look_for_unused(self) -> None:
        """Tell of models that are to go and that nobody needs any more, when streams have ended or changed."""
        if self.has_freed:
            self.has_freed = False
            for model in self.lineup.retiring:
                if not any(self.users_of(model)):
                    self._on_unused(model)

    def users_of(self, model: str) -> Iterator[Client]:
        """Streams that need it still."""
        return (client for client in self.clients.values() if client.engine.info.name == model or model in client.stream.models)

    def _follow_model(self, client: Client) -> None:
        """Let the engine that recognises the stream from now on begin with it, and the one before forget it."""
        if client.stream.model != client.engine.info.name:
            self.has_freed = True
            client.engine.finish(client.state)
            client.engine = self.engines[client.stream.model]
            client.state = client.engine.open_stream()

    def _let_go(self, stream: Stream) -> None:
        """At a boundary, of a stream whose model goes to make room: another process goes on with it from its checkpoint."""
        if self.lineup.sends_away(stream.next_model) and stream.is_between_segments and not stream.is_done:
            give_up(stream, MovedError())

    def _tell_lags(self) -> None:
        """Let the streams that are far behind say so, whether or not anything else is to be told."""
        if self._clock() - self._lags_told_s < LAG_EVERY_S:
            return
        self._lags_told_s = self._clock()
        for client in self._active.values():
            if not client.stream.is_done and client.stream.behind_ms >= LAG_MS:
                client.stream.report()


def _has_waited(stream: Stream) -> bool:
    """Whether frames of the quiet are to be judged."""
    return stream.has_frame() and not stream.is_done and not stream.endpointer.is_busy


def give_up(stream: Stream, err: InferenceError) -> None:
    """End the stream with `err`."""
    stream.events.append(failure(stream.stream_id, err))
    stream.is_done = True


def about_stream(stream: Stream) -> dict[str, object]:
    """For log lines."""
    return about(stream.session, stream=stream.stream_id)


@contextmanager
def _sparing_others(stream: Stream) -> Iterator[None]:
    """A fault in here ends this one stream; without that its replay would end the process again and again, for everybody."""
    try:
        yield
    except Exception:
        logger.exception("stream %d failed", stream.stream_id, extra=about_stream(stream))
        give_up(stream, StepError(STREAM_FAILED))


def can_serve(info: ModelInfo, languages: Iterable[str]) -> bool:
    """Whether a model can hear all of `languages`; none given means that it must detect the language."""
    return info.can_serve(languages)


def _nothing(window: Window[Any]) -> Hypothesis:
    language = window.languages[0] if len(window.languages) == 1 else ""
    return Hypothesis("", "", language, 0.0, ())


def _heard(result: Hypothesis, model: str, timings: Timings) -> Heard:
    words = tuple(
        TimedWord(text=word.text, start_ms=word.start_ms, end_ms=word.end_ms, confidence=word.confidence) for word in result.words
    )
    return Heard(result.text, result.stable, result.language, result.confidence, words, model, timings)
