"""What links ask for: who is let in, whose request it is, and who waits while others go on."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from inference.clients import Client, give_up
from inference.decoding.lms import LanguageModels
from inference.engines.fake import FakeEngine
from inference.errors import MovedError
from inference.lineup import Lineup
from inference.messages import (
    AnyStreamEvent,
    AnyStreamRequest,
    AudioChunk,
    AudioGap,
    CancelStream,
    ConfigureStream,
    EndStream,
    FinalizeStream,
    OpenStream,
    QuietPassed,
    StreamFailed,
    StreamOpened,
    StreamOptions,
)
from inference.receiving import Receiver
from inference.roster import Roster

LINK = 1
SECOND = bytes(2 * 16_000)


class Reading(LanguageModels):
    """Those of which none is read before a test says so. `unread`: with what is to be called then."""

    def __init__(self) -> None:
        super().__init__(None)
        self.unread: dict[str, list[Callable[[], None]]] = {"orders": [], "names": []}

    def check(self, name: str) -> None:
        """Streams may ask for any."""

    def is_ready(self, name: str) -> bool:
        return name not in self.unread

    def prepare(self, name: str, then: Callable[[], None]) -> None:
        self.unread[name].append(then)

    def read(self, name: str) -> None:
        for then in self.unread.pop(name):
            then()


class Desk:
    """A receiver and what it delivered; its tasks are carried out at once."""

    def __init__(self, max_streams: int = 4) -> None:
        self.roster = Roster(Lineup([FakeEngine()]))
        self.language_models = Reading()
        self.delivered: list[tuple[int, AnyStreamEvent]] = []
        self.is_overloaded = False
        self.receiver = Receiver(
            self.roster,
            self.language_models,
            lambda link, events: self.delivered.extend((link, event) for event in events),
            lambda task: task(),
            max_streams=max_streams,
            is_overloaded=lambda: self.is_overloaded,
        )

    def ask(self, *requests: AnyStreamRequest, link: int = LINK) -> None:
        for request in requests:
            self.receiver.carry_out(link, request)

    def open(self, stream: int, link: int = LINK, *, goes_on: bool = False, **options: object) -> Client | None:
        """None: it was refused."""
        given = StreamOptions(**options)  # type: ignore[arg-type]  # options by name
        self.ask(OpenStream(stream=stream, options=given, goes_on=goes_on), link=link)
        return self.roster.clients.get((link, stream))

    def opened(self, stream: int, link: int = LINK, **options: object) -> Client:
        client = self.open(stream, link, **options)  # type: ignore[arg-type]  # options by name
        assert client is not None
        return client

    @property
    def refusals(self) -> list[tuple[int, int, str]]:
        """Link, stream and code of each."""
        return [(link, event.stream, event.code) for link, event in self.delivered if isinstance(event, StreamFailed)]


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    for link in (1, 2):
        made.receiver.forget_link(link)  # nobody waits for a timer any more


def num_heard(client: Client) -> int:
    return client.stream.buffer.end


REQUESTS: list[AnyStreamRequest] = [
    AudioChunk(stream=7, payload=SECOND),
    AudioGap(stream=7, num_frames=9),
    QuietPassed(stream=7, num_frames=9, floor_db=-60.0),
    ConfigureStream(stream=7, endpoint_ms=900, language_model="orders"),
    FinalizeStream(stream=7),
    EndStream(stream=7),
    CancelStream(stream=7),
]


def names(request: AnyStreamRequest) -> str:
    return type(request).__name__


# Whose request it is


@pytest.mark.parametrize("request_of", REQUESTS, ids=names)
def test_a_request_of_a_stream_that_nobody_knows_changes_nothing(desk: Desk, request_of: AnyStreamRequest) -> None:
    """It failed a moment ago, and the web process does not know yet."""
    other = desk.opened(8)

    desk.ask(request_of)

    assert list(desk.roster.clients.values()) == [other]
    assert desk.delivered == []
    assert not desk.language_models.unread["orders"]


@pytest.mark.parametrize("request_of", REQUESTS, ids=names)
def test_a_stream_that_is_over_hears_nothing_more(desk: Desk, request_of: AnyStreamRequest) -> None:
    client = desk.opened(7)
    give_up(client.stream, MovedError())
    desk.roster.active.clear()
    events = list(client.stream.events)

    desk.ask(request_of)

    assert (num_heard(client), client.stream.events, client.stream.is_ending) == (0, events, False)
    assert client.stream.options.endpoint_ms == 500
    assert desk.roster.active == {}


@pytest.mark.parametrize("request_of", REQUESTS, ids=names)
def test_a_request_is_not_that_of_another_link(desk: Desk, request_of: AnyStreamRequest) -> None:
    mine, other = desk.opened(7), desk.opened(7, link=2)
    events = list(other.stream.events)

    desk.ask(request_of)

    assert desk.roster.clients[2, 7] is other
    assert (num_heard(other), other.stream.events, other.stream.is_ending) == (0, events, False)
    assert other.stream.options == StreamOptions()
    assert mine is not other


@pytest.mark.parametrize(("request_of", "num_samples"), [(REQUESTS[0], 16_000), (REQUESTS[1], 9), (REQUESTS[2], 9)], ids=str)
def test_time_goes_on_with_what_comes_and_with_what_does_not(desk: Desk, request_of: AnyStreamRequest, num_samples: int) -> None:
    client = desk.opened(7)

    desk.ask(request_of)

    assert num_heard(client) == num_samples


def test_a_stream_that_says_something_is_looked_at_in_the_next_pass(desk: Desk) -> None:
    client = desk.opened(7)
    desk.roster.active.clear()

    desk.ask(AudioChunk(stream=7, payload=SECOND))

    assert desk.roster.active == {(LINK, 7): client}


def test_a_stream_that_is_cancelled_is_forgotten_at_once(desk: Desk) -> None:
    desk.open(7)

    desk.ask(CancelStream(stream=7), AudioChunk(stream=7, payload=SECOND))

    assert desk.roster.clients == desk.roster.active == {}
    assert desk.delivered == []


def test_with_a_link_its_own_streams_are_forgotten(desk: Desk) -> None:
    for stream in (1, 2):
        desk.open(stream)
    stays = desk.opened(1, link=2)

    desk.receiver.forget_link(LINK)

    assert list(desk.roster.clients.values()) == [stays]


@pytest.mark.parametrize("payload", [b"odd", b"o"])
def test_audio_that_is_none_fails_its_own_stream_only(desk: Desk, payload: bytes) -> None:
    broken, other = desk.opened(7), desk.opened(8)

    desk.ask(AudioChunk(stream=7, payload=payload), AudioChunk(stream=8, payload=SECOND))

    assert (broken.stream.is_done, other.stream.is_done, num_heard(other)) == (True, False, 16_000)


# Who is let in


def test_a_stream_is_told_what_hears_it_before_anything_else(desk: Desk) -> None:
    client = desk.opened(7, languages=("de",))

    assert client.stream.events == [StreamOpened(stream=7, model="fake", language="de", denoise=False)]
    assert desk.roster.active == {(LINK, 7): client}


def test_a_stream_with_several_languages_has_its_language_detected(desk: Desk) -> None:
    (opened,) = desk.opened(7, languages=("de", "en")).stream.events

    assert isinstance(opened, StreamOpened)
    assert opened.language == "auto"


@pytest.mark.parametrize("goes_on", [False, True])
def test_where_every_place_is_taken_nobody_is_let_in(*, goes_on: bool) -> None:
    desk = Desk(max_streams=1)
    desk.open(7)

    assert desk.open(8, link=2, goes_on=goes_on) is None
    assert desk.refusals == [(2, 8, "server_full")]
    assert len(desk.roster.clients) == 1


def test_the_place_of_a_stream_that_is_forgotten_is_free() -> None:
    desk = Desk(max_streams=1)
    desk.open(7)
    desk.ask(CancelStream(stream=7))

    assert desk.open(8) is not None


def test_whoever_has_too_much_to_do_lets_in_only_those_that_go_on(desk: Desk) -> None:
    desk.is_overloaded = True

    assert desk.open(7) is None
    assert desk.open(8, goes_on=True) is not None
    assert desk.refusals == [(LINK, 7, "server_full")]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"model": "nobody"}, "unknown_model"),
        ({"model": "fake", "languages": ("xx",)}, "unsupported_language"),
        ({"languages": ("en", "xx")}, "unsupported_language"),
    ],
)
def test_what_no_model_can_do_is_refused_with_its_code(desk: Desk, options: dict[str, Any], code: str) -> None:
    assert desk.open(7, **options) is None
    assert desk.refusals == [(LINK, 7, code)]
    ((_link, failed),) = desk.delivered
    assert isinstance(failed, StreamFailed)
    assert "fake" in failed.message


# Who waits


def test_what_a_stream_says_is_put_off_while_others_go_on_and_nothing_of_it_is_lost(desk: Desk) -> None:
    waits, goes_on = desk.opened(7, language_model="orders"), desk.opened(8)
    for stream in (7, 8):
        desk.ask(AudioChunk(stream=stream, payload=SECOND), FinalizeStream(stream=stream), AudioGap(stream=stream, num_frames=9))
    meanwhile = (num_heard(waits), num_heard(goes_on))

    desk.language_models.read("orders")

    assert meanwhile == (0, 16_009)
    assert num_heard(waits) == 16_009
    assert list(waits.stream._finalize_at) == list(goes_on.stream._finalize_at) == [16_000]


def test_a_stream_that_waits_is_not_looked_at(desk: Desk) -> None:
    client = desk.opened(7, language_model="orders")
    desk.roster.active.clear()

    desk.ask(AudioChunk(stream=7, payload=SECOND))
    meanwhile = dict(desk.roster.active)
    desk.language_models.read("orders")

    assert meanwhile == {}
    assert desk.roster.active == {(LINK, 7): client}


def test_a_change_waits_with_all_that_comes_behind_it_and_nothing_that_came_before(desk: Desk) -> None:
    client = desk.opened(7)

    desk.ask(
        AudioChunk(stream=7, payload=SECOND),
        ConfigureStream(stream=7, language_model="orders", endpoint_ms=900),
        AudioChunk(stream=7, payload=SECOND),
    )
    meanwhile = (num_heard(client), client.stream.options.endpoint_ms)
    desk.language_models.read("orders")

    assert meanwhile == (16_000, 500)
    assert (num_heard(client), client.stream.options.endpoint_ms) == (32_000, 900)


def test_a_second_change_among_what_waits_is_waited_for_in_its_place(desk: Desk) -> None:
    client = desk.opened(7, language_model="orders")
    desk.ask(
        AudioChunk(stream=7, payload=SECOND),
        ConfigureStream(stream=7, language_model="names"),
        AudioChunk(stream=7, payload=SECOND),
    )

    heard = []
    for name in ("orders", "names"):
        desk.language_models.read(name)
        heard.append((num_heard(client), client.stream.options.language_model))

    assert heard == [(16_000, "orders"), (32_000, "names")]


def test_whoever_is_cancelled_while_it_waits_is_forgotten_and_its_requests_too(desk: Desk) -> None:
    client = desk.opened(7, language_model="orders")
    desk.ask(AudioChunk(stream=7, payload=SECOND), CancelStream(stream=7))
    again = desk.opened(7)

    desk.language_models.read("orders")

    assert (num_heard(client), num_heard(again)) == (0, 0)
    assert list(desk.roster.clients.values()) == [again]


def test_what_waits_for_a_stream_of_one_link_does_not_keep_back_that_of_another(desk: Desk) -> None:
    waits, other = desk.opened(7, language_model="orders"), desk.opened(7, link=2)

    desk.ask(AudioChunk(stream=7, payload=SECOND), link=2)
    desk.receiver.forget_link(2)
    desk.ask(AudioChunk(stream=7, payload=SECOND))
    desk.language_models.read("orders")

    assert (num_heard(waits), num_heard(other)) == (16_000, 16_000)


def test_a_stream_that_fails_while_it_carries_out_what_waited_hears_no_more_of_it(desk: Desk) -> None:
    client = desk.opened(7, language_model="orders")
    desk.ask(AudioChunk(stream=7, payload=b"odd"), AudioChunk(stream=7, payload=SECOND))

    desk.language_models.read("orders")

    assert (client.stream.is_done, num_heard(client)) == (True, 0)
    assert [type(event) for event in client.stream.events] == [StreamOpened, StreamFailed]
