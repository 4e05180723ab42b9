"""The asynchronous stream against a scripted server over real sockets: cuts, doubles, disorder, refusals."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

import hark
from hark import stream as stream_module
from hark.events import Done, Event, Final, Gap, Partial, Ready, Reconnecting, Restarted, Resumed, Warning
from tests.clients.python.scripted_server import FRAME_BYTES, RATE_HZ, SECOND, Script, final, scripted_server

pytestmark = pytest.mark.timeout(60)


def noise(seconds: float, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(int(seconds * RATE_HZ) * FRAME_BYTES)


async def speak(url: str | list[str], audio: bytes, **options: Any) -> list[Event]:
    """Send it in pieces of 100 ms while reading; returns every event."""
    async with hark.connect(url, **options) as stream:
        sending = asyncio.create_task(send_all(stream, audio))
        try:
            return [event async for event in stream]
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def send_all(stream: hark.Stream, audio: bytes) -> None:
    for start in range(0, len(audio), SECOND // 10):
        await stream.send(audio[start : start + SECOND // 10])
        await asyncio.sleep(0)
    await stream.end()


async def until(condition: Callable[[], object]) -> None:
    """Look again and again."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what is looked at belongs to no event
            await asyncio.sleep(0.01)


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Final)]


def of(events: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


SECONDS = [f"second {number}" for number in range(6)]


async def test_a_quiet_connection_brings_every_final_and_done() -> None:
    audio = noise(6)
    async with scripted_server() as server:
        events = await speak(server.url, audio, language="en")

    assert texts(events) == SECONDS
    assert isinstance(events[0], Ready)
    assert isinstance(events[-1], Done)
    assert events[-1].complete
    assert bytes(server.sessions["session-0"].audio) == audio
    assert server.hellos[0]["language"] == "en"


@pytest.mark.parametrize("cuts", [[1], [25], [3, 4, 5], [10, 1, 1, 10]])
async def test_cuts_lose_no_word_and_double_none(cuts: list[int]) -> None:
    audio = noise(6)
    async with scripted_server(Script(cut_after=list(cuts))) as server:
        events = await speak(server.url, audio)

    assert texts(events) == SECONDS
    assert bytes(server.sessions["session-0"].audio) == audio
    assert len(server.sessions) == 1
    assert server.num_nacks == 0
    assert [hello["type"] for hello in server.hellos] == ["start"] + ["resume"] * len(of(events, Resumed))
    assert len(of(events, Resumed)) > len(cuts) / 2  # what is behind comes in larger frames, so the last cut may find nothing
    assert events[-1].complete  # type: ignore[attr-defined]


async def test_a_cut_after_end_still_brings_the_rest() -> None:
    async with scripted_server(Script(cut_on="end")) as server:
        events = await speak(server.url, noise(2.5))

    assert texts(events) == ["second 0", "second 1", "second 2"]
    assert [hello["type"] for hello in server.hellos] == ["start", "resume"]


async def test_what_the_server_lost_is_sent_again() -> None:
    audio = noise(6)
    async with scripted_server(Script(lose=[range(0, 1600), range(20_000, 40_000)])) as server:
        events = await speak(server.url, audio)

    assert bytes(server.sessions["session-0"].audio) == audio
    assert texts(events) == SECONDS
    assert of(events, Resumed) == []


async def test_finals_that_come_twice_are_told_once() -> None:
    def doubled(message: dict[str, Any]) -> list[dict[str, Any]]:
        return [message, message, final(0, 1000)]

    async with scripted_server(Script(on_final=doubled)) as server:
        events = await speak(server.url, noise(6))

    assert texts(events) == SECONDS


async def test_finals_that_come_in_disorder_are_told_in_order() -> None:
    held: list[dict[str, Any]] = []

    def swapped(message: dict[str, Any]) -> list[dict[str, Any]]:
        if message["segment"] == 2:
            held.append(message)
            return []
        return [message, held.pop()] if held else [message]

    async with scripted_server(Script(on_final=swapped)) as server:
        events = await speak(server.url, noise(6))

    assert texts(events) == SECONDS
    assert server.hellos[-1]["next_segment"] == 2


async def test_a_final_that_never_comes_is_told_as_missing_instead_of_asked_for_for_ever() -> None:
    script = Script(on_final=lambda message: [] if message["segment"] == 2 else [message], forgets_final=2)
    async with scripted_server(script) as server:
        events = await speak(server.url, noise(6))

    assert texts(events) == [text for text in SECONDS if text != "second 2"]
    assert [warning.code for warning in of(events, Warning)] == ["missing_final"]


async def test_a_server_that_goes_away_is_left_for_another_at_once() -> None:
    audio = noise(6)
    async with scripted_server(Script(going_away_after=20)) as leaving, scripted_server() as other:
        other.sessions = leaving.sessions  # they share a database
        events = await speak([leaving.url, other.url], audio)

    assert texts(events) == SECONDS
    assert [hello["type"] for hello in other.hellos] == ["resume"]
    assert [event.reason for event in of(events, Reconnecting)] == ["going_away"]
    assert bytes(leaving.sessions["session-0"].audio) == audio


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async with scripted_server() as server:
        events = await speak(["ws://127.0.0.1:9/stream", server.url], noise(1))

    assert texts(events) == ["second 0"]


async def test_a_session_that_is_gone_says_what_has_no_text() -> None:
    async with scripted_server(Script(cut_after=[25], forget_sessions=True)) as server:
        with pytest.raises(hark.ResumeImpossible) as caught:
            await speak(server.url, noise(6))

    assert caught.value.code == "unknown_session"
    assert caught.value.num_finals == 2
    assert caught.value.from_ms == 2000
    assert caught.value.to_ms >= 2500
    assert not caught.value.retryable


@pytest.mark.parametrize("is_settling", [True, False])
async def test_a_session_that_is_gone_may_be_taken_up_by_a_new_one_without_a_loss(*, is_settling: bool) -> None:
    audio = noise(6)
    async with scripted_server(Script(cut_after=[25], forget_sessions=True, is_settling=is_settling)) as server:
        events = await speak(server.url, audio, on_lost_session="restart")

    (restarted,) = of(events, Restarted)
    finals = of(events, Final)
    done = events[-1]
    assert (restarted.old_session, restarted.session, restarted.lost_ms) == ("session-0", "session-1", 0)
    assert bytes(server.sessions["session-0"].audio[: restarted.at_ms * 32]) + bytes(server.sessions["session-1"].audio) == audio
    assert [event.segment for event in finals] == list(range(6))
    assert [event.end_ms for event in finals] == [1000 * number for number in range(1, 7)]
    assert isinstance(done, Done)
    assert done.complete
    assert done.received_ms == 6000 == done.transcribed_ms + done.silence_ms + done.gap_ms


async def test_a_cut_longer_than_the_buffer_of_a_source_that_cannot_wait_leaves_a_gap() -> None:
    audio = noise(40)
    async with (
        scripted_server(Script(cut_after=[2, 5])) as server,  # the second time the gap is told again
        hark.connect(server.url, when_full="drop_oldest", buffer_s=30) as stream,
    ):
        await stream.send(audio[: 3 * SECOND])
        assert await first(stream, Reconnecting)
        received_ms = stream.progress.received_ms
        await stream.send(audio[3 * SECOND :])  # does not wait
        await stream.end()
        events = [event async for event in stream]

    (gap,) = of(events, Gap)
    assert (gap.from_ms, gap.to_ms) == (received_ms, 10_000)
    assert isinstance(events[-1], Done)
    assert not events[-1].complete
    assert events[-1].gap_ms == 10_000 - received_ms


async def first(stream: hark.Stream, kind: type[Event]) -> bool:
    async for event in stream:
        if isinstance(event, kind):
            return True
    return False


async def test_no_more_is_sent_than_the_server_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "PROBE_EVERY_S", 0.05)
    async with scripted_server(Script(window_ms=2_000, is_settling=False)) as server, hark.connect(server.url) as stream:
        sending = asyncio.create_task(send_all(stream, noise(20)))
        await until(lambda: server.binary and len(server.binary[-1]) == 8)  # the probe of a client that waits
        assert not sending.done()
        assert len(server.sessions["session-0"].audio) == 2 * SECOND
        assert stream.progress.sent_ms < 4_000
        sending.cancel()


async def test_a_client_that_has_to_wait_asks_whether_there_is_room_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "PROBE_EVERY_S", 0.05)
    script = Script(window_ms=2_000, is_settling=False)
    async with scripted_server(script) as server, hark.connect(server.url) as stream:
        sending = asyncio.create_task(send_all(stream, noise(6)))
        await until(lambda: any(len(message) == 8 for message in server.binary))
        script.is_settling = True  # without a word of it to the client
        events = [event async for event in stream]
        await sending

    assert texts(events) == SECONDS


@pytest.mark.parametrize("script", [Script(cut_after=[12]), Script(cut_on="configure"), Script(cut_on="finalize")])
async def test_commands_come_where_they_were_said_even_over_a_cut(script: Script) -> None:
    async with scripted_server(script) as server, hark.connect(server.url) as stream:
        await stream.send(noise(0.5))
        await stream.configure(hotwords=["Kalk"])
        await stream.send(noise(1))
        await stream.finalize()
        await stream.send(noise(1))
        await stream.end()
        async for _event in stream:
            pass

    commands = server.sessions["session-0"].commands
    assert ("configure", 8_000) in [(command["type"], command["at"]) for command in commands]
    assert ("finalize", 24_000) in [(command["type"], command["at"]) for command in commands]


async def test_a_full_server_is_tried_again_until_there_is_room() -> None:
    full = ({"code": "server_full", "retryable": True}, 1013)
    async with scripted_server(Script(answers=[full, full, None])) as server:
        events = await speak(server.url, noise(1))

    assert texts(events) == ["second 0"]
    assert len(server.hellos) == 3


async def test_a_server_that_stays_full_is_given_up_with_its_own_words() -> None:
    full = ({"code": "server_full", "message": "All taken.", "retryable": True, "retry_after_s": 7}, 1013)
    async with scripted_server(Script(answers=[full] * 9)) as server:
        with pytest.raises(hark.HarkError) as caught:
            await speak(server.url, noise(1), wait_s=0)

    assert (caught.value.code, caught.value.message, caught.value.retryable) == ("server_full", "All taken.", True)
    assert caught.value.retry_after_s == 7


async def test_an_error_that_nothing_can_help_is_raised_once_it_comes() -> None:
    async with scripted_server(Script(answers=[({"code": "unknown_model"}, 4400)])) as server:
        with pytest.raises(hark.HarkError) as caught:
            await speak(server.url, noise(1))

    assert (caught.value.code, caught.value.retryable) == ("unknown_model", False)
    assert len(server.hellos) == 1


@pytest.mark.parametrize(("status", "code"), [(401, "not_authenticated"), (403, "forbidden"), (404, "not_found")])
async def test_a_refused_handshake_is_not_tried_again(status: int, code: str) -> None:
    async with scripted_server(Script(statuses=[status])) as server:
        with pytest.raises(hark.HarkError) as caught:
            await speak(server.url, noise(1))

    assert caught.value.code == code
    assert len(server.headers) == 1


async def test_a_server_that_is_just_starting_is_tried_again() -> None:
    async with scripted_server(Script(statuses=[503, 502])) as server:
        events = await speak(server.url, noise(1))

    assert texts(events) == ["second 0"]


async def test_nobody_at_the_address_is_said_at_once() -> None:
    with pytest.raises(hark.HarkError) as caught:
        await speak("ws://127.0.0.1:9/stream", noise(1))

    assert caught.value.code == "unreachable"
    assert "ws://127.0.0.1:9/stream" in caught.value.message


async def test_the_key_goes_into_a_header_and_nowhere_else() -> None:
    async with scripted_server() as server:
        stream = hark.connect(server.url, key="hark_abcdefgh_secret")
        assert "secret" not in repr(vars(stream))
        async with stream:
            pass

    assert server.headers[0]["Authorization"] == "Bearer hark_abcdefgh_secret"
    assert "secret" not in str(server.hellos)


async def test_a_connection_that_does_not_come_back_is_given_up() -> None:
    async with scripted_server(Script(cut_after=[5], statuses=[0, 503, 503, 503, 503, 503, 503, 503, 503, 503])) as server:
        with pytest.raises(hark.HarkError) as caught:
            await speak(server.url, noise(2), reconnect_s=0.1)

    assert caught.value.code == "connection_lost"
    assert caught.value.retryable


async def test_a_plain_stream_does_not_survive_a_cut() -> None:
    async with scripted_server(Script(cut_after=[3])) as server:
        with pytest.raises(hark.HarkError) as caught:
            await speak(server.url, noise(6), reliable=False)

    assert caught.value.code == "connection_lost"
    assert len(server.sessions) == 1


async def test_a_file_goes_as_it_is_in_plain_mode() -> None:
    content = b"OggS" + noise(1)
    async with scripted_server() as server:
        events = await speak(server.url, content, encoding="ogg", reliable=False)

    assert bytes(server.sessions["session-0"].audio) == content
    assert (server.hellos[0]["encoding"], server.hellos[0]["reliable"]) == ("ogg", False)
    assert isinstance(events[-1], Done)


async def test_nobody_can_send_after_the_end() -> None:
    async with scripted_server() as server, hark.connect(server.url) as stream:
        await stream.end()
        with pytest.raises(hark.HarkError) as caught:
            await stream.send(noise(0.1))

    assert caught.value.code == "session_over"


async def test_leaving_early_tells_the_server_that_nothing_more_comes() -> None:
    async with scripted_server() as server:
        async with hark.connect(server.url) as stream:
            await stream.send(noise(1))
            assert await first(stream, Final)
        await until(lambda: server.sessions["session-0"].total is not None)

    assert server.sessions["session-0"].total == RATE_HZ


async def test_samples_may_be_cut_anywhere() -> None:
    audio = noise(2)
    async with scripted_server() as server, hark.connect(server.url) as stream:
        for start in range(0, len(audio), 3333):
            await stream.send(audio[start : start + 3333])
        await stream.end()
        events = [event async for event in stream]

    assert bytes(server.sessions["session-0"].audio) == audio
    assert of(events, Warning) == []


async def test_a_sample_that_is_never_finished_is_told() -> None:
    async with scripted_server() as server, hark.connect(server.url) as stream:
        await stream.send(noise(1) + b"\x01")
        await stream.end()
        events = [event async for event in stream]

    assert [warning.code for warning in of(events, Warning)] == ["incomplete_sample"]


async def test_a_reader_that_sleeps_finds_the_newest_partial_only() -> None:
    def with_partials(message: dict[str, Any]) -> list[dict[str, Any]]:
        number = message["segment"]
        partials = [
            {"type": "partial", "segment": number + 1, "text": f"{step}", "stable": "", "start_ms": 0, "end_ms": 1}
            for step in range(50)
        ]
        return [message, *partials]

    async with scripted_server(Script(on_final=with_partials)) as server, hark.connect(server.url) as stream:
        await send_all(stream, noise(1))
        await until(lambda: stream.is_over)
        events = [event async for event in stream]

    assert [partial.text for partial in of(events, Partial)] == ["49"]


async def test_what_is_no_hark_server_is_said() -> None:
    async def chat(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send("<html>")

    async with serve(chat, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(hark.HarkError) as caught:
            await speak(f"ws://127.0.0.1:{port}", noise(1))

    assert caught.value.code == "bad_answer"


async def test_a_task_that_is_cancelled_while_it_connects_leaves_nothing_behind() -> None:
    async with scripted_server(Script(answers=[({"code": "server_full", "retryable": True}, 1013)] * 99)) as server:
        opening = asyncio.create_task(speak(server.url, noise(1)))
        await until(lambda: server.hellos)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("hark-")]


@pytest.mark.parametrize(
    "options",
    [
        {"sample_rate": 4_000},
        {"channels": 3},
        {"encoding": "ogg"},
        {"when_full": "cry"},
        {"on_lost_session": "x"},
        {"buffer_s": 5},
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected|reliable=False"):
        hark.connect(**options)
