"""A socket whose session goes on over another one: it counts for nothing, and what is lost with it ends nothing."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from transcription.consumers import StreamConsumer
from transcription.listeners import Listener
from transcription.session.stream_session import Phase
from transcription.streaming.live import LiveStream
from transcription.streaming.warden import QUOTA_SPENT, REVOKED, Loss

LOCAL = Listener(user_id=None, is_trusted_anonymous=True)


class Wire:
    """What a socket was sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    async def send(self, event: dict[str, Any]) -> None:
        self.sent.append(event)

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError


class Speaker:
    """A stream that has received a second of audio. `refusals`: what it was told to end for."""

    def __init__(self, consumer: StreamConsumer) -> None:
        self.outbox: object | None = consumer.outbox
        self.session = SimpleNamespace(received_ms=1000, phase=Phase.LIVE)
        self.refusals: list[str] = []

    def refuse(self, code: str, _message: str) -> None:
        self.refusals.append(code)


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def consumer(wire: Wire) -> AsyncIterator[StreamConsumer]:
    made = StreamConsumer({}, wire.receive, wire.send, LOCAL)
    yield made
    await made.outbox.close(0.0)


@pytest.fixture
def speaker(consumer: StreamConsumer) -> Speaker:
    speaker = Speaker(consumer)
    consumer.stream = cast(LiveStream, speaker)
    return speaker


async def test_the_audio_of_a_session_counts_once_however_many_sockets_still_hang_on_it(
    consumer: StreamConsumer, speaker: Speaker
) -> None:
    """A socket that died without a word is noticed after a minute; its session went on over the next one long before."""
    before = consumer.received_ms()

    speaker.outbox = object()

    assert (before, consumer.received_ms()) == (1000, 0)


async def test_audio_still_counts_while_its_client_is_gone_and_the_last_words_come(
    consumer: StreamConsumer, speaker: Speaker
) -> None:
    speaker.outbox = None

    assert consumer.received_ms() == 1000


async def test_audio_of_a_session_that_is_over_counts_where_it_is_stored_and_not_a_second_time(
    consumer: StreamConsumer, speaker: Speaker
) -> None:
    """Its socket stays open until the client has answered the close."""
    speaker.session.phase = Phase.OVER

    assert consumer.received_ms() == 0


@pytest.mark.parametrize("loss", [REVOKED, QUOTA_SPENT])
async def test_what_a_former_socket_loses_does_not_end_the_session_that_went_on_without_it(
    consumer: StreamConsumer, speaker: Speaker, wire: Wire, loss: Loss
) -> None:
    """It may have come back with another credential of the same user."""
    speaker.outbox = object()

    consumer.on_loss(loss)
    await asyncio.sleep(0)

    assert speaker.refusals == []
    assert wire.sent == [{"type": "websocket.close", "code": 1008, "reason": loss.code}]


async def test_a_socket_that_loses_what_let_it_in_ends_its_own_session(consumer: StreamConsumer, speaker: Speaker) -> None:
    consumer.on_loss(REVOKED)

    assert speaker.refusals == ["access_revoked"]
