"""Streams that change to another model: at a boundary, never within a segment, and nothing is lost. No thread, no socket."""

from dataclasses import dataclass, field

import pytest
from msgspec import structs

from inference.engines.fake import FakeEngine, FakeState, Faults
from inference.errors import ModelNeededError
from inference.messages import (
    AnyStreamEvent,
    ConfigureStream,
    ModelChanged,
    OpenStream,
    SpeechStarted,
    StreamDone,
    StreamFailed,
    StreamOpened,
    StreamOptions,
    TranscriptFinal,
    TranscriptUpdated,
)
from inference.moving import Mover, Moves
from inference.stream import Stream
from tests.inference.test_loop import LINK, Bench
from tests.inference.worker import say

END_S = 1.0
"""Silence that ends a segment."""


def model(name: str, *languages: str) -> "Remembering":
    engine = Remembering.called(name, Faults())
    if languages:
        engine.info = structs.replace(engine.info, languages=languages, multilingual=len(languages) > 1)
    assert isinstance(engine, Remembering)
    return engine


@dataclass(slots=True)
class Remembering(FakeEngine):
    """Remembers which streams it knows."""

    states: list[int] = field(default_factory=list)

    def open_stream(self) -> FakeState:
        state = FakeState()
        self.states.append(id(state))
        return state

    def finish(self, state: FakeState) -> None:
        self.states.remove(id(state))


@dataclass
class Swaps(Bench):
    """A loop with models `old` and `new`. `unused`: models that nobody needed any more, as they were told of."""

    engine: FakeEngine = field(default_factory=lambda: model("old"))
    new: Remembering = field(default_factory=lambda: model("new"))
    unused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.loop.roster.on_unused = self.unused.append
        self.mover = Mover(self.loop.roster)
        self.mover.add(self.new)

    def change(self, stream: int, model: str, **others: object) -> None:
        self.loop.submit(LINK, [ConfigureStream(stream=stream, model=model, **others)])  # type: ignore[arg-type]  # by name

    def say(self, stream: int, text: str, silence_s: float = 0.0) -> None:
        self.hear(stream, say(text, silence_s))
        self.run_dry()

    def changes(self, stream: int) -> list[tuple[str, int]]:
        return [(event.model, event.from_segment) for event in self.events(stream) if isinstance(event, ModelChanged)]

    def finals(self, stream: int) -> list[tuple[str, str, int]]:
        """Text, model and number of each."""
        return [(each.text, each.model, each.segment) for each in self.events(stream) if isinstance(each, TranscriptFinal)]


@pytest.fixture
def swaps() -> Swaps:
    return Swaps()


def assert_changes_come_at_boundaries(events: list[AnyStreamEvent]) -> None:
    """Every segment belongs to one model, which was told of before its first text; no change comes within a segment."""
    serving = ""
    opened: dict[int, bool] = {}
    for event in events:
        if isinstance(event, StreamOpened):
            serving = event.model
        elif isinstance(event, ModelChanged):
            assert event.from_segment not in opened, "it came within a segment"
            assert all(opened.values()), "a segment was not final yet"
            serving = event.model
        elif isinstance(event, TranscriptUpdated):
            opened.setdefault(event.segment, False)
        elif isinstance(event, TranscriptFinal):
            assert event.model == serving, "a final is by another model than was told"
            opened[event.segment] = True


def test_a_segment_is_finished_by_the_model_that_began_it_and_the_next_one_changes(swaps: Swaps) -> None:
    swaps.open(1)
    swaps.say(1, "alpha bravo charlie")
    swaps.change(1, "new")
    swaps.say(1, "delta", END_S)
    swaps.say(1, "echo", END_S)

    assert swaps.changes(1) == [("new", 1)]
    assert swaps.finals(1) == [("alpha bravo charlie delta", "old", 0), ("echo", "new", 1)]
    assert_changes_come_at_boundaries(swaps.events(1))


def test_a_change_within_a_segment_would_be_noticed(swaps: Swaps, monkeypatch: pytest.MonkeyPatch) -> None:
    def change_at_once(stream: Stream, model: str) -> None:
        stream.next_model = stream.model = model
        if stream._segments.open is not None:
            stream._segments.open.model = model
        stream.events.append(ModelChanged(stream=stream.stream_id, model=model, from_segment=0))

    monkeypatch.setattr(Stream, "change_model", change_at_once)
    swaps.open(1)
    swaps.say(1, "alpha bravo charlie")
    swaps.change(1, "new")
    swaps.say(1, "delta", END_S)

    with pytest.raises(AssertionError, match="within a segment"):
        assert_changes_come_at_boundaries(swaps.events(1))


def test_a_silent_stream_changes_at_once(swaps: Swaps) -> None:
    swaps.open(1)
    swaps.say(1, "alpha", END_S)
    swaps.change(1, "new")
    swaps.run_dry()

    assert swaps.changes(1) == [("new", 1)]
    assert (len(swaps.loop.engines["old"].states), len(swaps.new.states)) == (0, 1)  # type: ignore[attr-defined]  # it remembers


def test_a_change_that_is_taken_back_before_the_boundary_is_none(swaps: Swaps) -> None:
    swaps.open(1)
    swaps.say(1, "alpha bravo charlie")
    swaps.change(1, "new")
    swaps.change(1, "old")
    swaps.say(1, "delta", END_S)
    swaps.say(1, "echo", END_S)

    assert swaps.changes(1) == []
    assert {used for _text, used, _number in swaps.finals(1)} == {"old"}


def test_speech_that_waits_for_recognition_is_heard_by_the_model_of_its_own_time(swaps: Swaps) -> None:
    """Three sentences come at once, with the change between them."""
    swaps.open(1, interim=False)
    swaps.hear(1, say("alpha", END_S))
    swaps.loop.take(wait=False)
    for _ in range(3):
        swaps.loop.judge()
    swaps.change(1, "new")
    swaps.hear(1, say("bravo", END_S) + say("charlie", END_S))
    swaps.run_dry()

    assert swaps.finals(1) == [("alpha", "old", 0), ("bravo", "new", 1), ("charlie", "new", 2)]
    assert_changes_come_at_boundaries(swaps.events(1))


def test_a_segment_that_is_too_long_goes_on_with_the_other_model_from_the_cut_on(swaps: Swaps) -> None:
    swaps.open(1, max_segment_ms=2_000)
    swaps.say(1, "alpha bravo charlie")
    swaps.change(1, "new")
    swaps.say(1, "delta echo foxtrot golf hotel india", END_S)

    finals = swaps.finals(1)
    assert " ".join(text for text, _model, _number in finals) == "alpha bravo charlie delta echo foxtrot golf hotel india"
    assert [used for _text, used, _number in finals] == ["old", *["new"] * (len(finals) - 1)]
    assert len(finals) > 1
    assert_changes_come_at_boundaries(swaps.events(1))


def test_an_end_after_the_change_gives_a_final_of_the_model_that_began(swaps: Swaps) -> None:
    swaps.open(1)
    swaps.say(1, "alpha bravo")
    swaps.change(1, "new")
    swaps.end(1)
    swaps.run_dry()

    assert swaps.finals(1) == [("alpha bravo", "old", 0)]
    assert isinstance(swaps.events(1)[-1], StreamDone)
    assert swaps.new.states == []


@pytest.mark.parametrize("languages", [(), ("en",)])
def test_a_model_that_is_not_there_changes_nothing_and_is_logged(
    languages: tuple[str, ...], swaps: Swaps, caplog: pytest.LogCaptureFixture
) -> None:
    swaps.open(1, languages=languages)
    swaps.change(1, "huge", endpoint_ms=700)
    swaps.say(1, "alpha", END_S)

    assert swaps.finals(1) == [("alpha", "old", 0)]
    assert "was to change to huge; kept as it was: There is no model 'huge' here" in caplog.text


def test_a_model_that_does_not_know_the_languages_changes_nothing() -> None:
    swaps = Swaps(new=model("new", "de"))
    swaps.open(1, languages=("en",))
    swaps.change(1, "new")
    swaps.say(1, "alpha", END_S)
    swaps.change(1, "new", languages=("de",))
    swaps.say(1, "bravo", END_S)

    assert swaps.finals(1) == [("alpha", "old", 0), ("bravo", "new", 1)]


def test_languages_that_come_later_are_those_of_the_model_that_is_due() -> None:
    swaps = Swaps(new=model("new", "en"))
    swaps.open(1, languages=("en",))
    swaps.say(1, "alpha bravo charlie")
    swaps.change(1, "new")
    swaps.loop.submit(LINK, [ConfigureStream(stream=1, languages=("de",))])
    swaps.say(1, "", END_S)
    swaps.say(1, "delta", END_S)

    languages = [event.language for event in swaps.events(1) if isinstance(event, TranscriptFinal)]
    assert languages == ["en", "en"]


def test_a_model_that_goes_is_told_of_when_its_last_stream_is_over(swaps: Swaps) -> None:
    for stream in (1, 2):
        swaps.open(stream)
        swaps.say(stream, "alpha", END_S)
    swaps.mover.retire("old", "new")
    swaps.end(1)
    swaps.run_dry()
    with_one_left = list(swaps.unused)

    swaps.change(2, "new")
    swaps.run_dry()

    assert (with_one_left, swaps.unused) == ([], ["old"])
    assert swaps.mover.remove("old") is swaps.engine
    assert swaps.engine.states == []  # type: ignore[attr-defined]  # it remembers
    swaps.say(2, "bravo", END_S)
    assert swaps.finals(2)[-1] == ("bravo", "new", 1)


def test_a_stream_that_is_about_to_change_to_a_model_keeps_it(swaps: Swaps) -> None:
    """Or its next segment would find nobody."""
    swaps.open(1)
    swaps.say(1, "alpha bravo charlie")
    swaps.change(1, "new")
    swaps.run_dry()

    swaps.mover.retire("new", "old")

    assert swaps.unused == []
    assert swaps.mover.move_streams("new") == Moves(num_moved=1)
    swaps.say(1, "", END_S)
    assert swaps.unused == ["new"]
    assert swaps.changes(1) == []


def test_a_model_without_streams_is_unused_at_once(swaps: Swaps) -> None:
    swaps.mover.retire("new", "")

    assert swaps.unused == ["new"]


def test_new_streams_and_changes_to_a_model_that_goes_lead_to_its_successor(swaps: Swaps) -> None:
    swaps.mover.retire("old", "new")
    swaps.open(1, model="old")
    swaps.open(2)
    swaps.run_dry()

    assert [event.model for stream in (1, 2) for event in swaps.events(stream) if isinstance(event, StreamOpened)] == [
        "new",
        "new",
    ]


def test_streams_that_stay_are_moved_each_at_its_boundary(swaps: Swaps) -> None:
    for stream in (1, 2):
        swaps.open(stream)
    swaps.say(1, "alpha bravo charlie")
    swaps.mover.retire("old", "new")

    moves = swaps.mover.move_streams("old")
    swaps.run_dry()

    assert moves == Moves(num_moved=2)
    assert (swaps.changes(1), swaps.changes(2)) == ([], [("new", 0)])
    swaps.say(1, "", END_S)
    assert swaps.changes(1) == [("new", 1)]
    assert swaps.unused == ["old"]


def test_a_segment_without_end_is_ended_where_no_audio_comes_any_more(swaps: Swaps) -> None:
    swaps.open(1)
    swaps.say(1, "alpha bravo charlie")
    swaps.mover.retire("old", "new")
    swaps.mover.move_streams("old")
    swaps.run_dry()
    before = list(swaps.finals(1))

    swaps.mover.end_segments("old")
    swaps.run_dry()
    assert swaps.unused == ["old"]
    swaps.say(1, "delta", END_S)
    swaps.end(1)
    swaps.run_dry()

    assert before == []
    assert swaps.finals(1) == [("alpha bravo charlie", "old", 0), ("delta", "new", 1)]
    done = swaps.events(1)[-1]
    assert isinstance(done, StreamDone)
    assert done.checkpoint.settled_samples == len(say("alpha bravo charlie") + say("delta", END_S)) // 2


def test_a_stream_that_no_other_model_can_hear_is_failed_so_that_it_may_come_again() -> None:
    swaps = Swaps(new=model("new", "en"))
    swaps.open(1, languages=("en",))
    swaps.run_dry()
    swaps.mover.retire("old", "")
    swaps.loop.submit(LINK, [ConfigureStream(stream=1, languages=("de",))])
    swaps.run_dry()

    moves = swaps.mover.move_streams("old")
    swaps.run_dry()

    failed = swaps.events(1)[-1]
    assert moves == Moves(num_failed=1)
    assert isinstance(failed, StreamFailed)
    assert (failed.code, failed.retryable) == ("model_unloaded", True)
    assert swaps.unused == ["old"]


def test_a_model_whose_streams_nobody_else_could_hear_stays() -> None:
    swaps = Swaps(new=model("new", "en"))
    swaps.open(1, languages=("de",))
    swaps.say(1, "alpha")

    with pytest.raises(ModelNeededError, match="streams in de"):
        swaps.mover.retire("old", "new")
    swaps.say(1, "bravo", END_S)

    assert swaps.finals(1) == [("alpha bravo", "old", 0)]


def test_a_model_that_stays_after_all_takes_streams_again(swaps: Swaps) -> None:
    swaps.mover.retire("old", "new")
    swaps.mover.restore("old")
    swaps.loop.submit(LINK, [OpenStream(stream=1, options=StreamOptions(model="old"))])
    swaps.run_dry()

    assert [event.model for event in swaps.events(1) if isinstance(event, StreamOpened)] == ["old"]


def test_speech_that_began_before_the_change_was_asked_for_belongs_to_the_old_model(swaps: Swaps) -> None:
    """What counts is when the server learnt that somebody speaks."""
    swaps.open(1)
    swaps.say(1, "alpha")
    assert any(isinstance(event, SpeechStarted) for event in swaps.events(1))
    swaps.change(1, "new")
    swaps.say(1, "", END_S)

    assert swaps.finals(1) == [("alpha", "old", 0)]
    assert swaps.changes(1) == [("new", 1)]


def left(swaps: Swaps, stream: int) -> bool:
    """Whether it was sent to another process, and whether all that was told of before is final by then."""
    *earlier, last = swaps.events(stream)
    if not isinstance(last, StreamFailed):
        return False
    assert last.code == "server_full"
    shown = {event.segment for event in earlier if isinstance(event, TranscriptUpdated)}
    assert shown <= {event.segment for event in earlier if isinstance(event, TranscriptFinal)}, "it left within a segment"
    return True


def make_room(swaps: Swaps) -> None:
    swaps.mover.retire_elsewhere("old", "")
    swaps.mover.send_away("old")
    swaps.run_dry()


def test_streams_leave_a_process_that_makes_room_each_at_its_boundary(swaps: Swaps) -> None:
    for stream in (1, 2):
        swaps.open(stream)
    swaps.say(1, "alpha bravo charlie")

    make_room(swaps)
    at_once = [left(swaps, stream) for stream in (1, 2)]
    swaps.say(1, "delta", END_S)

    assert at_once == [False, True]
    assert left(swaps, 1)
    assert swaps.finals(1) == [("alpha bravo charlie delta", "old", 0)]
    assert (swaps.unused, swaps.loop.clients) == (["old"], {})


def test_a_stream_that_leaves_within_a_segment_would_be_noticed(swaps: Swaps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stream, "is_between_segments", True)
    swaps.open(1)
    swaps.say(1, "alpha bravo charlie")

    make_room(swaps)

    with pytest.raises(AssertionError, match="within a segment"):
        left(swaps, 1)


def test_a_stream_that_is_about_to_change_to_a_model_that_stays_does_not_leave(swaps: Swaps) -> None:
    swaps.open(1)
    swaps.say(1, "alpha bravo charlie")
    swaps.change(1, "new")

    make_room(swaps)
    swaps.say(1, "", END_S)
    swaps.say(1, "delta", END_S)

    assert swaps.finals(1) == [("alpha bravo charlie", "old", 0), ("delta", "new", 1)]
    assert swaps.unused == ["old"]


def test_a_new_stream_that_comes_while_room_is_made_is_sent_on(swaps: Swaps) -> None:
    make_room(swaps)
    swaps.open(1, model="old")
    swaps.run_dry()

    assert [type(event) for event in swaps.events(1)] == [StreamFailed]
    assert left(swaps, 1)
