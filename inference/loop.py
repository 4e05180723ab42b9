"""The one thread that touches models: take what came, judge voice activity, run a batch, deliver.

`submit` may be called from any thread; everything else belongs to the loop's own thread. Delivery is a callback that must
not block: the server hands it to its event loop.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from inference.batching import Gathering
from inference.clients import give_up
from inference.decoding.lms import LanguageModels
from inference.engines.base import Engine
from inference.errors import MovedError
from inference.judging import FrameJudge
from inference.lineup import Lineup
from inference.load import Pulse
from inference.messages import LAG_MS, AnyStreamEvent, AnyStreamRequest
from inference.meters import InferenceMeters
from inference.receiving import Deliver, Receiver
from inference.roster import Roster
from inference.stepping import Stepper
from inference.stream import Stream
from inference.vad import SpeechDetector

MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Audio that came and was not taken yet: a second of two thousand streams. A pass is short; more waits only when recognition
hangs or cannot keep up, and then it had better wait where it comes from."""
LAG_EVERY_S: Final = 2.0
"""How often a stream that is far behind is told of; other news of it may be rare then."""


class RecognitionLoop:
    """Args:
    engines: by model name, in order of preference; loaded and warm.
    deliver: called with a link's number and the events of one pass over it, in order.
    clock: monotonic seconds.
    on_room: called, on the loop's thread, when what had waited beyond the bound was taken.
    meters: where steps are counted.
    language_models: that streams may ask for; None: there are none.
    on_unused: the same, with the name of a model that is to be unloaded when no stream needs it any more.

    `is_overloaded`: no new stream is let in; whoever measures that sets it, from any thread.
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
        self.roster = Roster(self.lineup, on_unused)
        self.clients = self.roster.clients
        self.pulse = Pulse(clock)
        self.is_overloaded = False
        self._gathering = Gathering(clock())
        self.receiver = Receiver(
            self.roster,
            self.language_models,
            deliver,
            self.do,
            max_streams=max_streams,
            is_overloaded=lambda: self.is_overloaded,
        )
        self.frame_judge = FrameJudge(detector)
        self.stepper = Stepper(self.roster, self._gathering, meters or InferenceMeters(), max_batch=max_batch, clock=clock)
        self._deliver = deliver
        self._on_room = on_room
        self._inbox: deque[tuple[int, Sequence[AnyStreamRequest] | None] | Callable[[], None]] = deque()
        self._num_waiting_bytes = 0
        self._wake = threading.Condition()
        self._is_stopping = False
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
        return any(client.stream.has_work for client in self.roster.active.values())

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
                self.receiver.forget_link(link_id)
                continue
            for request in requests:
                self.receiver.carry_out(link_id, request)

    def _rest(self) -> None:
        with self.pulse.resting():
            while not self._inbox and not self._is_stopping:
                self._wake.wait()

    def judge(self) -> None:
        """Voice activity of all streams together."""
        self.frame_judge.judge([client.stream for client in self.roster.active.values()])

    def step(self) -> None:
        """Run one batch of what the streams want most."""
        self.stepper.step()

    def send(self) -> None:
        """Hand every link its events in one piece; forget the streams that are over."""
        self._tell_lags()
        roster = self.roster
        outgoing: dict[int, list[AnyStreamEvent]] = {}
        for key, client in list(roster.active.items()):
            self._let_go(client.stream)
            if client.stream.events:
                outgoing.setdefault(client.link_id, []).extend(client.stream.events)
                client.stream.events = []
            roster.follow_model(client)
            roster.drop_old_draft(client)
            if client.stream.is_done:
                self.receiver.forget(key)
            elif not client.stream.has_work and not client.stream.is_settling:
                client.waiting_s = None
                del roster.active[key]
        for link_id, events in outgoing.items():
            self._deliver(link_id, events)
        roster.look_for_unused()

    def _let_go(self, stream: Stream) -> None:
        """At a boundary, of a stream whose model goes to make room: another process goes on with it from its checkpoint."""
        if self.lineup.sends_away(stream.next_model) and stream.is_between_segments and not stream.is_done:
            give_up(stream, MovedError())

    def _tell_lags(self) -> None:
        """Let the streams that are far behind say so, whether or not anything else is to be told."""
        if self._clock() - self._lags_told_s < LAG_EVERY_S:
            return
        self._lags_told_s = self._clock()
        for client in self.roster.active.values():
            if not client.stream.is_done and client.stream.behind_ms >= LAG_MS:
                client.stream.report()
