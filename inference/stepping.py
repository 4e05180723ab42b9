"""One batch: what each stream wishes to have recognised, which of that the engine runs now, and what becomes of the results."""

import itertools
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from inference.audio import to_samples
from inference.batching import Gathering, Wish, choose
from inference.clients import STREAM_FAILED, Client, Draft, about_stream, give_up, sparing_others
from inference.engines.base import Engine, Hypothesis, Window
from inference.errors import StepError
from inference.messages import TimedWord, Timings
from inference.meters import InferenceMeters
from inference.roster import Roster
from inference.stream import Heard

logger = logging.getLogger(__name__)

MAX_BATCH_S: Final = 0.25
"""What a batch may take: a final that comes meanwhile waits for it, and 1.5 s is all that a final has."""
CATCH_UP_SAMPLES: Final = to_samples(1000)
"""What an engine that remembers hears of a final at a time, when it is so far behind: others are to be heard in between."""

Row = tuple[Client, Wish, Window[Any]]
"""Of a batch: a stream, what it wishes, and what the engine is given of it."""


class Stepper:
    """Belongs to the recognition thread.

    Args:
        roster: whose streams are served, by the engines of its lineup.
        gathering: learns of the batches of short steps.
        meters: where steps are counted.
        max_batch: most windows in a step; `choose` says of which this does not hold.
        clock: monotonic seconds.

    `was_long`: whether the last batch was not of short steps.
    """

    def __init__(
        self,
        roster: Roster,
        gathering: Gathering,
        meters: InferenceMeters,
        *,
        max_batch: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_batch = max_batch
        self.meters = meters
        self.was_long = False
        self._roster = roster
        self._lineup = roster.lineup
        self._gathering = gathering
        self._keys = itertools.count()
        self._clock = clock

    def step(self) -> None:
        """Run one batch of what the streams want most."""
        now_s = self._clock()
        by_key = {next(self._keys): client for client in self._roster.active.values()}
        wishes = [wish for key, client in by_key.items() if (wish := self._wish(key, client, now_s)) is not None]
        chosen = choose(wishes, self.max_batch, self._max_samples, is_turn_of_short=self.was_long)
        self.meters.num_waiting = len(wishes) - len(chosen)
        if chosen:
            self.was_long = not chosen[0].is_incremental
            self._gathering.learn(len(chosen) if chosen[0].is_incremental else 0, now_s)
            self._run([by_key[wish.key] for wish in chosen], chosen, now_s)

    def _max_samples(self, model: str) -> float:
        return self._lineup.paces[model].samples_in(MAX_BATCH_S)

    def _wish(self, key: int, client: Client, now_s: float) -> Wish | None:
        stream = client.stream
        if stream.is_done or not (stream.wants_final or stream.wants_partial):
            client.waiting_s = None
            return None
        if client.waiting_s is None:
            client.waiting_s = now_s
        is_final = stream.wants_final
        model = stream.model if is_final else stream.partial_model or stream.model
        stride = self._lineup.stride_of(model)
        # A piece of a stride takes as long as a whole one; and of a final there may be two, the last one mostly silence.
        num_samples = stream.num_wanted_samples if stride is None else stride.every * (2 if is_final else 1)
        return Wish(key, model, is_final, client.waiting_s, num_samples, stream.is_unseen, stride is not None)

    def _run(self, clients: list[Client], wishes: list[Wish], now_s: float) -> None:
        rows = self._rows(clients, wishes)
        if not rows:
            return
        model = wishes[0].model
        engine = self._lineup.engines[model]
        started_s = self._clock()
        results = self._recognise(engine, [window for _client, _wish, window in rows])
        infer_s = self._clock() - started_s
        self._lineup.paces[model].learn(sum(wish.num_samples for _client, wish, _window in rows), infer_s)
        self.meters.stepped(model, [now_s - wish.since_s for _client, wish, _window in rows], infer_s)
        for (client, wish, window), result in zip(rows, results, strict=True):
            if result is None or (wish.is_final and not window.is_final and not isinstance(result, StepError)):
                continue  # what is left of it is heard next
            client.waiting_s = None
            timings = Timings(queue_ms=(now_s - wish.since_s) * 1000, infer_ms=infer_s * 1000)
            with sparing_others(client.stream):
                self._book(client, result, engine.info.name, timings, is_final=wish.is_final)

    def _rows(self, clients: list[Client], wishes: list[Wish]) -> list[Row]:
        rows: list[Row] = []
        for client, wish in zip(clients, wishes, strict=True):
            with sparing_others(client.stream):
                rows.append((client, wish, self._window(client, wish)))
        return rows

    def _window(self, client: Client, wish: Wish) -> Window[Any]:
        """What the stream wishes to have recognised; to an engine that remembers what it heard, the next of it."""
        stream, is_final = client.stream, wish.is_final
        state = client.state if is_final or not stream.partial_model else self._draft(client).state
        num_heard, num_wanted = 0, stream.num_wanted_samples
        stride = self._lineup.stride_of(wish.model)
        if stride is not None:
            num_heard = min(state.num_heard, num_wanted)
            num_next = stride.next_after(num_heard + (CATCH_UP_SAMPLES if is_final else 0))
            is_final, num_wanted = is_final and num_next >= num_wanted, min(num_next, num_wanted)
        audio, languages = stream.window(num_heard, num_wanted)
        return Window(state, audio, languages, is_final, stream.hotwords, num_heard, stream.language_model)

    def _draft(self, client: Client) -> Draft:
        """Of the open segment."""
        self._roster.drop_old_draft(client)
        if client.draft is None:
            client.draft = Draft(self._lineup.engines[client.stream.partial_model], client.stream.num_begun)
        return client.draft

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


def _nothing(window: Window[Any]) -> Hypothesis:
    language = window.languages[0] if len(window.languages) == 1 else ""
    return Hypothesis("", "", language, 0.0, ())


def _heard(result: Hypothesis, model: str, timings: Timings) -> Heard:
    words = tuple(
        TimedWord(text=word.text, start_ms=word.start_ms, end_ms=word.end_ms, confidence=word.confidence) for word in result.words
    )
    return Heard(result.text, result.stable, result.language, result.confidence, words, model, timings)
