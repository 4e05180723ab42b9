"""One batch: who is in it, for how long they have waited, and what becomes of a stream that breaks or leaves before."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import metrics
from inference.batching import Gathering
from inference.clients import Client, give_up
from inference.endpointing import FRAME_SAMPLES
from inference.engines.base import Hypothesis, Window
from inference.engines.fake import FakeEngine, FakeState, Faults
from inference.errors import MovedError
from inference.gate import EnergyGate
from inference.lineup import Lineup
from inference.messages import Checkpoint, StreamFailed, StreamOptions, TranscriptFinal, TranscriptUpdated
from inference.meters import InferenceMeters
from inference.roster import Roster
from inference.stepping import Stepper
from inference.stream import Stream

LINK = 1
NEW_FRAMES = 10
"""Enough for another partial text."""


@dataclass(slots=True)
class Noting(FakeEngine):
    """Remembers whose windows each step had. `most`: it breaks with more of them; `is_short`: it forgets the last one then."""

    steps: list[list[int]] = field(default_factory=list)
    most: float = inf
    is_short: bool = False

    def step(self, batch: Sequence[Window[FakeState]]) -> list[Hypothesis]:
        self.steps.append([id(window.state) for window in batch])
        if len(batch) > self.most:
            if not self.is_short:
                raise RuntimeError("a fault was switched on")
            return FakeEngine.step(self, batch)[:-1]
        return FakeEngine.step(self, batch)


@dataclass(slots=True)
class Unhurried(Noting):
    """Takes two steps for a final."""

    def step(self, batch: Sequence[Window[FakeState]]) -> Any:
        found = Noting.step(self, batch)
        is_first = len(self.steps) % 2 == 1
        return [None if window.is_final and is_first else heard for window, heard in zip(batch, found, strict=True)]


class Hall:
    """Streams of one engine, and batches of them; the clock stands still unless a test moves it."""

    def __init__(self, engine: FakeEngine | None = None, max_batch: int = 16) -> None:
        self.engine = engine or Noting()
        self.now_s = 0.0
        self.roster = Roster(Lineup([self.engine]))
        self.meters = InferenceMeters()
        gathering = Gathering(0.0)
        self.stepper = Stepper(self.roster, gathering, self.meters, max_batch=max_batch, clock=lambda: self.now_s)

    def add(self, number: int) -> Client:
        options = StreamOptions(encoding="pcm_f32le", max_segment_ms=29_000)
        stream = Stream(number, "fake", options, Checkpoint(), gate=EnergyGate(near_db=-inf, margin_db=-inf))
        client = Client(LINK, stream, self.engine)
        self.roster.add((LINK, number), client)
        return client

    def step(self) -> list[int]:
        """The numbers of the streams in the batch; none: there was no batch."""
        assert isinstance(self.engine, Noting)
        num_before = len(self.engine.steps)
        self.stepper.step()
        numbers = {id(client.state): client.stream.stream_id for client in self.roster.clients.values()}
        return [numbers[state] for step in self.engine.steps[num_before:] for state in step]


@pytest.fixture
def hall() -> Hall:
    return Hall()


def speak(client: Client, num_frames: int = 20, level: float = 0.02) -> None:
    """A word that goes on: `alpha`, at its level."""
    client.stream.push(np.full(num_frames * FRAME_SAMPLES, level, dtype="<f4").tobytes())
    while client.stream.has_frame():
        client.stream.judge(1.0)


def finish_speech(client: Client) -> None:
    client.stream.finalize()
    client.stream.settle()


def lose_audio(client: Client) -> None:
    client.stream.buffer.drop_before(client.stream.buffer.end)


def texts(client: Client) -> list[str]:
    return [event.text for event in client.stream.events if isinstance(event, TranscriptFinal | TranscriptUpdated)]


# Who is in it


def test_where_nobody_wants_anything_there_is_no_batch(hall: Hall) -> None:
    client = hall.add(1)

    assert hall.step() == []
    assert (client.waiting_s, hall.meters.num_waiting) == (None, 0)


def test_a_stream_that_nobody_has_touched_is_not_asked(hall: Hall) -> None:
    client = hall.add(1)
    speak(client)
    hall.roster.active.clear()

    assert hall.step() == []


def test_a_stream_that_leaves_between_being_judged_and_the_batch_is_not_in_it(hall: Hall) -> None:
    stays, leaves, gone = (hall.add(number) for number in (1, 2, 3))
    for client in (stays, leaves, gone):
        speak(client)
        finish_speech(client)
    give_up(leaves.stream, MovedError())
    hall.roster.drop((LINK, 3))

    assert hall.step() == [1]
    assert [type(event) for event in leaves.stream.events][-1] is StreamFailed
    assert texts(leaves) == texts(gone) == []
    assert hall.meters.num_waiting == 0


def test_a_stream_that_leaves_while_it_waits_waits_no_more() -> None:
    hall = Hall(max_batch=1)
    clients = [hall.add(number) for number in (1, 2)]
    for client in clients:
        speak(client)
    hall.step()
    waited_s = clients[1].waiting_s

    give_up(clients[1].stream, MovedError())
    hall.step()

    assert (waited_s, clients[1].waiting_s) == (0.0, None)


def test_a_stream_whose_audio_is_lost_fails_alone(hall: Hall) -> None:
    """Else its replay would end this process again and again, for everybody."""
    clients = [hall.add(number) for number in (1, 2, 3)]
    for client in clients:
        speak(client)
        finish_speech(client)
    lose_audio(clients[1])

    assert hall.step() == [1, 3]
    assert [client.stream.is_done for client in clients] == [False, True, False]
    assert [texts(client) for client in clients] == [["alpha"], [], ["alpha"]]


def test_a_batch_of_which_nothing_is_left_is_none(hall: Hall) -> None:
    client = hall.add(1)
    speak(client)
    lose_audio(client)

    assert hall.step() == []
    assert client.stream.is_done
    assert hall.meters.registry.get_sample_value(f"{metrics.BATCH_SIZE.name}_count") == 0


@pytest.mark.parametrize("is_short", [True, False])
def test_a_batch_that_breaks_is_tried_row_by_row(*, is_short: bool) -> None:
    hall = Hall(Noting(most=1, is_short=is_short))
    clients = [hall.add(number) for number in (1, 2, 3)]
    for client in clients:
        speak(client)
        finish_speech(client)

    assert hall.step() == [1, 2, 3, 1, 2, 3]
    assert [texts(client) for client in clients] == [["alpha"]] * 3
    assert not any(client.stream.is_done for client in clients)


def test_of_a_batch_that_breaks_only_the_row_at_fault_is_lost() -> None:
    hall = Hall(Noting(Faults(fail_on="bravo")))
    clients = [hall.add(number) for number in (1, 2, 3)]
    for client, level in zip(clients, (0.02, 0.04, 0.06), strict=True):
        speak(client, level=level)
        finish_speech(client)

    hall.step()

    assert [texts(client) for client in clients] == [["alpha"], [], ["charlie"]]
    assert [client.stream.is_done for client in clients] == [False, True, False]


def test_a_finalize_with_nothing_said_is_answered_beside_the_windows_of_others(hall: Hall) -> None:
    silent, speaks = hall.add(1), hall.add(2)
    speak(speaks)
    for client in (silent, speaks):
        finish_speech(client)

    assert hall.step() == [2]
    assert (texts(silent), texts(speaks)) == ([""], ["alpha"])


# How long they wait


def test_a_stream_waits_since_it_wanted_something_and_is_told_for_how_long() -> None:
    hall = Hall(max_batch=1)
    first, second = hall.add(1), hall.add(2)
    for client in (first, second):
        speak(client)
    hall.now_s = 5.0
    hall.step()
    waiting = (first.waiting_s, second.waiting_s)
    hall.now_s = 7.0

    assert hall.step() == [2]
    (update,) = [event for event in second.stream.events if isinstance(event, TranscriptUpdated)]
    assert (waiting, second.waiting_s) == ((None, 5.0), None)
    assert update.timings.queue_ms == 2_000


def test_whoever_is_left_out_is_counted() -> None:
    hall = Hall(max_batch=1)
    for number in range(4):
        speak(hall.add(number))

    counts = []
    for _ in range(5):
        hall.step()
        counts.append(hall.meters.num_waiting)

    assert counts == [3, 2, 1, 0, 0]


def test_a_final_that_takes_another_step_waits_on_and_is_told_once() -> None:
    hall = Hall(Unhurried())
    client = hall.add(1)
    speak(client)
    finish_speech(client)
    hall.step()
    after_one = (texts(client), client.waiting_s, client.stream.wants_final)
    hall.now_s = 3.0

    hall.step()

    (final,) = [event for event in client.stream.events if isinstance(event, TranscriptFinal)]
    assert after_one == ([], 0.0, True)
    assert (final.text, final.timings.queue_ms) == ("alpha", 3_000)
    assert hall.step() == []


def test_somebody_who_wants_nothing_any_more_waits_no_more() -> None:
    """A segment ended before its partial text came, and another stream goes first."""
    hall = Hall(max_batch=1)
    first, second = hall.add(1), hall.add(2)
    for client in (first, second):
        speak(client)
    hall.step()
    finish_speech(second)
    hall.step()

    assert hall.step() == []
    assert second.waiting_s is None


def test_with_everybody_speaking_nobody_is_heard_twice_before_all_are_once() -> None:
    hall = Hall(max_batch=1)
    clients = [hall.add(number) for number in range(5)]
    for client in clients:
        speak(client)
    heard = []
    for turn in range(15):
        hall.now_s = float(turn)
        for client in clients:
            speak(client, NEW_FRAMES)
        heard += hall.step()

    assert heard[5:10] == heard[10:15]
    assert sorted(heard[5:10]) == list(range(5))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.frozensets(st.integers(0, 4)), max_size=20), st.integers(1, 3))
def test_whoever_has_waited_longest_for_text_that_grows_is_heard_first(speakers: list[frozenset[int]], max_batch: int) -> None:
    hall = Hall(max_batch=max_batch)
    clients = [hall.add(number) for number in range(5)]
    for client in clients:
        speak(client)
    while hall.step():
        pass

    waiting: dict[int, int] = {}
    for turn, numbers in enumerate(speakers):
        hall.now_s = float(turn)
        for number in sorted(numbers):
            speak(clients[number], NEW_FRAMES)
            waiting.setdefault(number, turn)
        expected = sorted(waiting, key=lambda number: (waiting[number], number))[:max_batch]

        assert hall.step() == expected
        for number in expected:
            del waiting[number]
