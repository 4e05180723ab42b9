"""The streams of a process: who has something to do, and who still needs which model."""

import pytest

from inference.clients import Client, Draft
from inference.lineup import Lineup
from inference.messages import StreamOptions
from inference.roster import Roster
from inference.stream import Stream
from tests.inference.test_moving import Remembering, model

LINK = 1


class Hall:
    """A roster with the models `old`, `new` and `fast`, which knows no German. `unused`: models that were told of."""

    def __init__(self) -> None:
        self.old, self.new, self.fast = model("old"), model("new"), model("fast", "en")
        self.unused: list[str] = []
        self.roster = Roster(Lineup([self.old, self.new, self.fast]), self.unused.append)

    def add(self, number: int, engine: Remembering, link: int = LINK, **options: object) -> Client:
        stream = Stream(number, engine.info.name, StreamOptions(**options))  # type: ignore[arg-type]  # options by name
        client = Client(link, stream, engine)
        self.roster.add((link, number), client)
        return client


@pytest.fixture
def hall() -> Hall:
    return Hall()


def speak(client: Client, num_frames: int = 5) -> None:
    """A segment begins, though the stream need not have heard anything for that."""
    client.stream.push(bytes(2 * 512 * num_frames))
    for _ in range(num_frames):
        client.stream._voice.gate.measure([0.5])
        client.stream._voice._near.append(client.stream.endpointer.num_frames)
        client.stream.judge(1.0)


# Coming and going


def test_a_stream_that_comes_is_looked_at_in_the_next_pass(hall: Hall) -> None:
    client = hall.add(7, hall.old)

    assert hall.roster.clients == hall.roster.active == {(LINK, 7): client}


def test_streams_of_two_links_may_have_one_number(hall: Hall) -> None:
    first, second = hall.add(7, hall.old), hall.add(7, hall.old, link=2)

    hall.roster.drop((LINK, 7))

    assert hall.roster.clients == hall.roster.active == {(2, 7): second}
    assert hall.old.states == [id(second.state)]
    assert first.state is not second.state


@pytest.mark.parametrize("is_active", [True, False])
def test_a_stream_that_goes_is_forgotten_by_both_its_engines(hall: Hall, *, is_active: bool) -> None:
    client = hall.add(7, hall.old)
    client.draft = Draft(hall.fast, 1)
    if not is_active:
        hall.roster.active.clear()

    hall.roster.drop((LINK, 7))

    assert (hall.old.states, hall.fast.states) == ([], [])
    assert hall.roster.clients == hall.roster.active == {}


def test_a_stream_that_is_touched_comes_after_those_that_have_waited_for_longer(hall: Hall) -> None:
    clients = [hall.add(number, hall.old) for number in range(3)]
    del hall.roster.active[LINK, 0]

    for client in clients[:2]:
        hall.roster.touch(client)

    assert list(hall.roster.active.values()) == [clients[1], clients[2], clients[0]]


# Models


def test_a_model_is_used_by_those_that_it_hears_or_is_about_to_hear(hall: Hall) -> None:
    hears, will_hear, writes_partials, other = (hall.add(number, hall.old) for number in range(4))
    hall.roster.change_model(hears, "new")
    hall.roster.follow_model(hears)
    will_hear.stream.next_model = "new"
    writes_partials.stream.next_partial_model = "new"

    assert list(hall.roster.users_of("new")) == [hears, will_hear, writes_partials]
    assert list(hall.roster.users_of("old")) == [will_hear, writes_partials, other]


def test_a_model_is_used_until_its_engine_has_forgotten_the_stream(hall: Hall) -> None:
    """Where nobody speaks a stream changes at once, and the engines take notice at the end of the pass."""
    client = hall.add(7, hall.old)
    hall.roster.change_model(client, "new")
    before = list(hall.roster.users_of("old"))

    hall.roster.follow_model(client)

    assert (before, list(hall.roster.users_of("old"))) == ([client], [])


def test_a_model_that_stays_is_told_of_to_nobody(hall: Hall) -> None:
    hall.add(7, hall.old)
    hall.roster.drop((LINK, 7))

    hall.roster.look_for_unused()

    assert hall.unused == []


def test_a_model_that_goes_is_told_of_when_its_last_stream_is_gone_and_once(hall: Hall) -> None:
    for number in (1, 2):
        hall.add(number, hall.old)
    hall.roster.lineup.retire("old", "new", set())
    told = []
    for number in (1, 2):
        hall.roster.drop((LINK, number))
        for _ in range(2):
            hall.roster.look_for_unused()
        told.append(list(hall.unused))

    assert told == [[], ["old"]]


def test_nobody_looks_for_models_that_are_unused_before_a_stream_has_let_go_of_one(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With thousands of streams that takes its time, and a pass has none."""
    hall.add(7, hall.old)
    hall.roster.lineup.retire("old", "new", set())
    monkeypatch.setattr(Roster, "users_of", lambda _roster, _model: pytest.fail("somebody looked"))

    hall.roster.look_for_unused()


def test_a_change_to_the_model_that_is_due_anyway_is_none(hall: Hall) -> None:
    client = hall.add(7, hall.old)
    hall.roster.active.clear()

    hall.roster.change_model(client, "old")

    assert (hall.roster.has_freed, hall.roster.active, client.stream.events) == (False, {}, [])


def test_a_stream_that_changes_begins_anew_with_the_other_engine(hall: Hall) -> None:
    client = hall.add(7, hall.old)

    hall.roster.change_model(client, "new")
    hall.roster.follow_model(client)

    assert client.engine is hall.new
    assert (hall.old.states, hall.new.states) == ([], [id(client.state)])
    assert hall.roster.has_freed


def test_a_stream_that_stays_with_its_engine_keeps_its_state(hall: Hall) -> None:
    client = hall.add(7, hall.old)
    before = client.state

    hall.roster.follow_model(client)

    assert client.state is before
    assert not hall.roster.has_freed


@pytest.mark.parametrize(("languages", "expected"), [(("en",), "fast"), (("de",), ""), ((), "")])
def test_partials_are_written_by_the_model_that_is_wished_for_where_it_can(
    hall: Hall, languages: tuple[str, ...], expected: str
) -> None:
    client = hall.add(7, hall.old, partial_model="fast", languages=languages)

    hall.roster.settle_partials(client)

    assert client.stream.next_partial_model == expected
    assert hall.roster.has_freed is bool(expected)


# Drafts


def test_a_draft_lasts_as_long_as_its_segment(hall: Hall) -> None:
    client = hall.add(7, hall.old)
    client.stream.next_partial_model = "fast"
    speak(client)
    client.draft = Draft(hall.fast, client.stream.num_begun)

    hall.roster.drop_old_draft(client)
    in_it = client.draft
    client.stream.end_segment()
    hall.roster.drop_old_draft(client)

    assert in_it is not None
    assert (hall.fast.states, hall.roster.has_freed) == ([], True)
    assert client.draft is None


def test_a_draft_of_the_segment_before_is_none_of_the_next(hall: Hall) -> None:
    client = hall.add(7, hall.old)
    client.stream.next_partial_model = "fast"
    speak(client)
    client.draft = Draft(hall.fast, client.stream.num_begun)
    client.stream.end_segment()
    speak(client)

    hall.roster.drop_old_draft(client)

    assert client.stream.partial_model == "fast"
    assert client.draft is None


def test_where_there_is_no_draft_none_is_dropped(hall: Hall) -> None:
    client = hall.add(7, hall.old)

    hall.roster.drop_old_draft(client)

    assert not hall.roster.has_freed
