"""Containers are decoded beside the event loop: in order, with bounded memory, and one that is damaged hurts nobody else."""

import asyncio
from typing import Any

import pytest

from transcription.containers import UndecodableAudioError
from transcription.streaming import decoding
from transcription.streaming.decoding import DecodingQueue


class Reverser:
    """Stands for a decoder: gives back each message reversed; `b"bad"` is no audio, `b"bug"` a fault of ours."""

    def __init__(self, _kind: str) -> None:
        self.pushes: list[bytes] = []

    def push(self, payload: bytes) -> bytes:
        self.pushes.append(payload)
        if payload == b"bad":
            raise UndecodableAudioError("This is no audio.")
        if payload == b"bug":
            raise RuntimeError("ours")
        return payload[::-1]

    def finish(self) -> bytes:
        return b"."


class Listener:
    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.queue = DecodingQueue(
            "ogg", self.heard.append, lambda code, _message: self.heard.append(code), lambda: self.heard.append("end")
        )

    async def until(self, last: Any) -> list[Any]:
        async with asyncio.timeout(10):
            while not self.heard or self.heard[-1] != last:  # noqa: ASYNC110  # threads set no event of this loop
                await asyncio.sleep(0.001)
        return self.heard


@pytest.fixture(autouse=True)
def reverser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "ContainerDecoder", Reverser)


async def test_messages_are_decoded_one_by_one_in_order_and_then_the_end() -> None:
    listener = Listener()

    for payload in (b"ab", b"cd", b"ef"):
        listener.queue.push(payload)
    listener.queue.finish()

    assert await listener.until("end") == [b"ba", b"dc", b"fe", b".", "end"]


@pytest.mark.parametrize("payload", [b"bad", b"bug"])
async def test_what_cannot_be_decoded_is_said_once_and_nothing_follows(payload: bytes, caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener()

    for piece in (b"ab", payload, b"cd"):
        listener.queue.push(piece)
    listener.queue.finish()

    assert await listener.until("undecodable_audio") == [b"ba", "undecodable_audio"]
    await asyncio.wait_for(listener.queue.wait_for_room(), 5)
    assert ("a decoder broke" in caplog.text) is (payload == b"bug")


async def test_a_client_that_is_ahead_waits_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_WAITING_BYTES", 4)
    listener = Listener()

    listener.queue.push(b"abcdef")
    assert not listener.queue.has_room

    await asyncio.wait_for(listener.queue.wait_for_room(), 5)
    assert listener.queue.has_room


async def test_after_a_cancel_nothing_is_said() -> None:
    listener = Listener()
    listener.queue.push(b"ab")

    listener.queue.cancel()
    await asyncio.sleep(0.05)

    assert "end" not in listener.heard
    await asyncio.wait_for(listener.queue.wait_for_room(), 5)
