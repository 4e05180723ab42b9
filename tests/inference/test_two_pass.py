"""Two models for one stream: a fast one writes the partial texts, an accurate one the finals. No thread, no socket."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from msgspec import structs

from inference.engines.base import Hypothesis, Window
from inference.engines.fake import FakeEngine, FakeState, Faults
from inference.lineup import Lineup
from inference.messages import ConfigureStream, StreamDone, StreamOptions, TranscriptFinal, TranscriptUpdated
from inference.moving import Mover, Moves
from tests.inference.test_incremental import Remembering
from tests.inference.test_loop import LINK, Bench
from tests.inference.worker import say

END_S = 1.0
"""Silence that ends a segment."""


@dataclass(slots=True)
class GrowingState(FakeState):
    num_heard: int = 0


@dataclass(slots=True)
class Growing(FakeEngine):
    """Goes on from where its state is until a final, as an engine that hears each sample once does: `heard` is how far each state
    has come. `batches`: how many windows each step had."""

    heard: dict[int, int] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)

    def open_stream(self) -> FakeState:
        state = GrowingState()
        self.heard[id(state)] = 0
        return state

    def finish(self, state: FakeState) -> None:
        del self.heard[id(state)]

    def step(self, batch: Sequence[Window[FakeState]]) -> list[Hypothesis]:
        self.batches.append(len(batch))
        for window in batch:
            assert window.is_final or window.num_samples > self.heard[id(window.state)], "it goes on in a segment that is over"
            self.heard[id(window.state)] = 0 if window.is_final else window.num_samples
            assert isinstance(window.state, GrowingState)
            window.state.num_heard = self.heard[id(window.state)]
        return FakeEngine.step(self, batch)


def model(name: str, *languages: str) -> Growing:
    engine = Growing.called(name, Faults())
    if languages:
        engine.info = structs.replace(engine.info, languages=languages, multilingual=False)
    assert isinstance(engine, Growing)
    return engine


@dataclass
class Pair(Bench):
    """A loop with the models `accurate` and `fast`, and another one to swap with."""

    engine: FakeEngine = field(default_factory=lambda: model("accurate"))
    fast: Growing = field(default_factory=lambda: model("fast", "en"))
    unused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.loop.roster.on_unused = self.unused.append
        self.mover = Mover(self.loop.roster)
        self.mover.add(self.fast)
        self.mover.add(model("other"))

    def open_pair(self, stream: int, max_segment_ms: int = 9_000) -> None:
        self.open(stream, model="accurate", partial_model="fast", languages=("en",), max_segment_ms=max_segment_ms)

    def say(self, stream: int, text: str, silence_s: float = 0.0) -> None:
        for word in text.split():
            self.hear(stream, say(word))
            self.run_dry()
        self.hear(stream, say("", silence_s))
        self.run_dry()

    def writers(self, stream: int) -> list[list[str]]:
        """Of each segment: the models that wrote its partial texts, and that of its final."""
        found: dict[int, list[str]] = {}
        for event in self.events(stream):
            if isinstance(event, TranscriptUpdated | TranscriptFinal):
                found.setdefault(event.segment, []).append(event.model)
        return [list(dict.fromkeys(models)) for models in found.values()]


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_the_fast_model_writes_partials_and_the_accurate_one_finals(pair: Pair) -> None:
    pair.open_pair(5)
    pair.say(5, "alpha bravo charlie delta", END_S)
    pair.say(5, "echo foxtrot golf hotel", END_S)

    assert pair.writers(5) == [["fast", "accurate"], ["fast", "accurate"]]
    assert pair.text(5) == "alpha bravo charlie delta echo foxtrot golf hotel"


def test_the_fast_model_begins_each_segment_with_nothing_of_the_one_before(pair: Pair) -> None:
    """Else it would go on in the middle of a segment that is over, and `Growing` would break."""
    pair.open_pair(5, max_segment_ms=3_000)
    pair.say(5, "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november")
    pair.say(5, "oscar", END_S)

    assert len(pair.writers(5)) >= 3
    assert all(models == ["fast", "accurate"] for models in pair.writers(5)[:-1])
    assert pair.fast.heard == {}


def test_the_fast_model_forgets_a_stream_that_is_cancelled_while_somebody_speaks(pair: Pair) -> None:
    pair.open_pair(5)
    pair.say(5, "alpha bravo charlie")
    assert len(pair.fast.heard) == 1

    pair.loop.receiver.forget((LINK, 5))

    assert pair.fast.heard == {}


def test_streams_with_different_accurate_models_share_a_batch_of_the_fast_one(pair: Pair) -> None:
    for stream, accurate in ((1, "accurate"), (2, "other")):
        pair.open(stream, model=accurate, partial_model="fast", languages=("en",))
        pair.hear(stream, say("alpha bravo charlie"))
    pair.turn()

    assert pair.fast.batches == [2]


def test_partials_of_the_fast_model_are_not_kept_back_by_finals_of_the_accurate_one(pair: Pair) -> None:
    """Between two of its batches there is one of theirs."""
    fast = Remembering.called("fast", Faults())
    assert isinstance(fast, Remembering)
    pair.mover.add(fast)
    pair.max_batch = pair.loop.stepper.max_batch = 1
    for stream in range(4):
        pair.open_pair(stream)
        pair.hear(stream, say("alpha bravo charlie", END_S if stream else 0.0))
    while not pair.loop.stepper.was_long:
        pair.turn()
    steps = []
    for _ in range(4):
        num_fast = len(fast.batches)
        pair.hear(0, say("delta"))
        pair.turn()
        steps.append("fast" if len(fast.batches) > num_fast else "accurate")

    assert steps == ["fast", "accurate", "fast", "accurate"]


@pytest.mark.parametrize(
    ("wished", "languages", "expected"),
    [
        ("fast", ("en",), "fast"),
        ("fast", ("de",), ""),  # it does not know the language
        ("fast", (), ""),  # it cannot detect one
        ("accurate", ("en",), ""),  # the same for both
        ("missing", ("en",), ""),
        (None, ("en",), ""),
    ],
)
def test_a_model_writes_partials_only_where_it_can(wished: str | None, languages: tuple[str, ...], expected: str) -> None:
    lineup = Lineup([model("accurate"), model("fast", "en")])

    options = StreamOptions(model="accurate", partial_model=wished, languages=languages)

    assert lineup.partial_model_for(options, "accurate") == expected


def test_a_stream_goes_on_with_the_accurate_model_alone_when_the_fast_one_is_unloaded(pair: Pair) -> None:
    pair.open_pair(5)
    pair.say(5, "alpha bravo charlie delta")
    pair.mover.retire("fast", "")
    moves = pair.mover.move_streams("fast")
    pair.say(5, "echo foxtrot")
    in_the_segment = list(pair.unused)
    pair.say(5, "", END_S)
    after_it = list(pair.unused)
    pair.mover.remove("fast")
    pair.say(5, "golf hotel india juliett", END_S)

    assert moves == Moves(num_moved=1)
    assert (in_the_segment, after_it) == ([], ["fast"])
    assert pair.writers(5) == [["fast", "accurate"], ["accurate"]]
    assert pair.text(5) == "alpha bravo charlie delta echo foxtrot golf hotel india juliett"


def test_a_successor_of_the_fast_model_writes_the_partials_from_the_next_segment_on(pair: Pair) -> None:
    pair.open_pair(5)
    pair.say(5, "alpha bravo charlie delta", END_S)
    pair.mover.retire("fast", "other")
    pair.mover.move_streams("fast")
    pair.say(5, "echo foxtrot golf hotel", END_S)

    assert pair.writers(5) == [["fast", "accurate"], ["other", "accurate"]]
    assert pair.unused[-1:] == ["fast"]


def test_the_accurate_model_can_be_swapped_under_a_fast_one(pair: Pair) -> None:
    pair.open_pair(5)
    pair.say(5, "alpha bravo charlie delta")
    pair.mover.retire("accurate", "other")
    pair.mover.move_streams("accurate")
    pair.say(5, "echo", END_S)
    pair.say(5, "foxtrot golf hotel india", END_S)

    assert pair.writers(5) == [["fast", "accurate"], ["fast", "other"]]
    assert pair.unused[-1:] == ["accurate"]
    assert pair.text(5) == "alpha bravo charlie delta echo foxtrot golf hotel india"


def test_the_fast_model_can_become_the_only_one(pair: Pair) -> None:
    pair.open_pair(5)
    pair.say(5, "alpha bravo charlie delta")
    pair.mover.retire("accurate", "fast")
    pair.mover.move_streams("accurate")
    pair.say(5, "echo", END_S)
    pair.say(5, "foxtrot golf hotel india", END_S)

    assert pair.writers(5) == [["fast", "accurate"], ["fast"]]
    assert pair.unused[-1:] == ["accurate"]


def test_a_stream_is_not_sent_away_because_its_fast_model_goes_to_make_room(pair: Pair) -> None:
    pair.open_pair(5)
    pair.say(5, "alpha bravo charlie delta")
    pair.mover.retire_elsewhere("fast", "")
    pair.mover.send_away("fast")
    pair.say(5, "echo", END_S)
    pair.say(5, "foxtrot golf hotel india", END_S)

    assert pair.writers(5) == [["fast", "accurate"], ["accurate"]]
    assert pair.unused[-1:] == ["fast"]


def test_a_stream_begins_and_ends_to_be_heard_by_two_models_between_segments(pair: Pair) -> None:
    pair.open(5, model="accurate", languages=("en",))
    pair.say(5, "alpha bravo charlie delta")
    pair.loop.submit(LINK, [ConfigureStream(stream=5, partial_model="fast")])
    pair.say(5, "echo", END_S)
    pair.say(5, "foxtrot golf hotel india", END_S)
    pair.loop.submit(LINK, [ConfigureStream(stream=5, partial_model=None)])
    pair.say(5, "juliett kilo lima mike", END_S)

    assert pair.writers(5) == [["accurate"], ["fast", "accurate"], ["accurate"]]


def test_a_language_that_the_fast_model_does_not_know_is_heard_by_the_accurate_one_alone(pair: Pair) -> None:
    pair.open_pair(5)
    pair.loop.submit(LINK, [ConfigureStream(stream=5, languages=("de",))])
    pair.say(5, "alpha bravo charlie delta", END_S)
    pair.loop.submit(LINK, [ConfigureStream(stream=5, languages=("en",))])
    pair.say(5, "echo foxtrot golf hotel", END_S)

    assert pair.writers(5) == [["accurate"], ["fast", "accurate"]]


def test_a_stream_that_the_fast_model_cannot_hear_goes_on_with_the_accurate_one_alone(pair: Pair) -> None:
    pair.fast.faults = Faults(fail_on="zulu")
    pair.open_pair(1)
    pair.open_pair(2)
    for stream, text in ((1, "alpha zulu charlie delta"), (2, "alpha bravo charlie delta")):
        pair.say(stream, text, END_S)
        pair.end(stream)
    pair.run_dry()

    assert [pair.text(stream) for stream in (1, 2)] == ["alpha zulu charlie delta", "alpha bravo charlie delta"]
    assert [pair.writers(stream) for stream in (1, 2)] == [[["accurate"]], [["fast", "accurate"]]]
    assert all(isinstance(pair.events(stream)[-1], StreamDone) for stream in (1, 2))
    assert pair.fast.heard == {}
