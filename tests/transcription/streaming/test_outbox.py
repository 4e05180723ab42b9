"""What one socket still has to be told: in order, bounded, and finals not before they are stored."""

import asyncio
import json
from typing import Any

import pytest

from transcription.metrics.meters import web
from transcription.protocol import CloseCode, PartialResult, Pong, SessionError
from transcription.session.actions import Close, Send
from transcription.streaming import outbox
from transcription.streaming.outbox import MAX_UNSENT, Outbox
from transcription.streaming.recorder import ANNOUNCE_PATIENCE_S

PARTIAL = PartialResult(segment=0, text="a", stable="", start_ms=0, end_ms=1)


def num_counted() -> float:
    return web.registry.get_sample_value("hark_partials_dropped_total") or 0.0


class Wire:
    """A socket's send. `opens`: until then nothing is taken."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.events: list[Any] = []
        self.opens = asyncio.Event()
        if is_open:
            self.opens.set()

    async def send(self, event: dict[str, Any]) -> None:
        await self.opens.wait()
        self.events.append(json.loads(event["text"])["type"] if "text" in event else event["code"])


async def test_messages_leave_in_order_and_nothing_follows_a_close() -> None:
    wire = Wire()
    box = Outbox(wire.send)

    box.put(Send(Pong(id=1)))
    box.put(Send(PARTIAL))
    box.put(Close(CloseCode.DONE, "done"))
    box.put(Send(Pong(id=2)))
    await box.close(5)

    assert wire.events == ["pong", "partial", 1000]


async def test_a_message_waits_for_its_storing_and_those_behind_it_wait_too() -> None:
    wire = Wire()
    box = Outbox(wire.send)
    stored = asyncio.get_running_loop().create_future()
    box.put(Send(PARTIAL), stored)
    box.put(Send(Pong()))
    await asyncio.sleep(0)
    assert wire.events == []

    stored.set_result(None)
    box.put(Close(CloseCode.DONE, "done"))
    await box.close(5)

    assert wire.events == ["partial", "pong", 1000]


async def test_storing_that_takes_too_long_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "ANNOUNCE_PATIENCE_S", 0.01)
    wire = Wire()
    box = Outbox(wire.send)

    box.put(Send(PARTIAL), asyncio.get_running_loop().create_future())
    box.put(Close(CloseCode.DONE, "done"))
    await box.close(5)

    assert wire.events == ["partial", 1000]


async def test_finals_that_became_known_together_wait_together_for_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One after the other, a second each, a client that reads would fall behind until it is called slow."""
    now_s, waited_s = 100.0, []

    async def wait_in_vain(_stored: object, patience_s: float) -> bool:
        nonlocal now_s
        now_s += patience_s
        waited_s.append(patience_s)
        return False

    monkeypatch.setattr(outbox, "wait_stored", wait_in_vain)
    box = Outbox(Wire().send, lambda: now_s)
    for _ in range(3):
        box.put(Send(Pong()), asyncio.get_running_loop().create_future())
    box.put(Close(CloseCode.DONE, "done"))
    await box.close(5)

    assert waited_s == [ANNOUNCE_PATIENCE_S, 0.0, 0.0]


async def test_of_a_client_that_does_not_read_partials_are_dropped_and_the_rest_is_refused() -> None:
    box = Outbox(Wire(is_open=False).send)
    while not box.is_full:
        assert box.put(Send(Pong()))
        await asyncio.sleep(0)

    num_dropped = num_counted()
    assert box.put(Send(PARTIAL)) is True
    assert box.put(Send(Pong())) is False
    assert num_counted() - num_dropped == 1
    assert len(box._items) == MAX_UNSENT
    await box.close(0)


async def test_a_cut_tries_the_farewell_in_place_of_what_waits() -> None:
    wire = Wire(is_open=False)
    box = Outbox(wire.send)
    box.put(Send(Pong()))
    await asyncio.sleep(0)
    box.put(Send(PARTIAL))

    box.cut(Send(SessionError(code="slow_client", message="Read.", retryable=False)), CloseCode.POLICY, "slow_client")
    wire.opens.set()
    await box.close(5)

    assert wire.events == ["pong", "error", 1008]


async def test_a_broken_socket_ends_the_writing() -> None:
    async def broken(_event: dict[str, Any]) -> None:
        raise OSError("gone")

    box = Outbox(broken)
    box.put(Send(Pong()))
    await box.close(5)

    assert box.is_closed
    assert box.put(Send(Pong())) is True
