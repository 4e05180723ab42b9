"""A client of /stream for tests: sends audio and commands, keeps every message, checks each against the JSON Schema."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from transcription.protocol import json_schema

PATIENCE_S = 30.0
TERMINAL = {"done", "error"}
Message = dict[str, Any]


@cache
def validator(group: str) -> Draft202012Validator:
    """For `client` or `server` messages."""
    schema = json_schema()
    return Draft202012Validator(schema | {"$ref": f"#/$defs/{group}"})


def client_text(kind: str, fields: Message) -> str:
    """A client's message as it is sent. A test that means to send something else sends bare text."""
    message = {"type": kind} | fields
    validator("client").validate(message)
    return json.dumps(message)


@dataclass
class StreamClient:
    """`code`: the close code, once the server has closed; `farewell`: how the library tells of it."""

    socket: ClientConnection
    messages: list[Message] = field(default_factory=list)
    code: int | None = None
    farewell: str = ""

    async def send(self, audio: bytes, piece_bytes: int = 3_200) -> None:
        for start in range(0, len(audio), piece_bytes):
            await self.socket.send(audio[start : start + piece_bytes])

    async def tell(self, kind: str, **fields: Any) -> None:
        await self.socket.send(client_text(kind, fields))

    async def until(self, condition: Callable[[Message], bool]) -> Message:
        """Read on to the first message that fulfils `condition`."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.read()
                if condition(message):
                    return message

    async def expect(self, kind: str) -> Message:
        """Read on to the first message of that type."""
        return await self.until(lambda message: message["type"] == kind)

    async def read(self) -> Message:
        message: Message = json.loads(await self.socket.recv())
        validator("server").validate(message)
        self.messages.append(message)
        return message

    async def read_all(self) -> list[Message]:
        """Read on until the server closes."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.read()
        except ConnectionClosed as closed:
            self.code = closed.rcvd.code if closed.rcvd else None
            self.farewell = repr(closed)
        return self.messages

    async def finish(self) -> list[Message]:
        await self.tell("end")
        messages = await self.read_all()
        assert messages, f"closed without a word: {self.farewell}"
        return messages

    def of(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["type"] == kind]

    @property
    def words(self) -> list[str]:
        return [word for final in self.of("final") for word in final["text"].split()]

    @property
    def session(self) -> str:
        return str(self.of("ready")[0]["session"])


@asynccontextmanager
async def open_stream(url: str) -> AsyncIterator[StreamClient]:
    async with connect(url, max_size=None, open_timeout=PATIENCE_S) as socket:
        yield StreamClient(socket)


def assert_well_formed(messages: list[Message]) -> None:
    """What is true of every session: one terminal message, at the end; finals count; partials stop at their final."""
    kinds = [message["type"] for message in messages]
    assert [kind for kind in kinds if kind in TERMINAL] == kinds[-1:]
    finals = [message for message in messages if message["type"] == "final"]
    assert [final["segment"] for final in finals] == list(range(len(finals)))
    closed = -1
    for message in messages:
        if message["type"] == "partial":
            assert message["segment"] == closed + 1
        elif message["type"] == "final":
            closed = message["segment"]
    assert_accounted(messages[-1])


def assert_accounted(last: Message) -> None:
    if last["type"] == "done":
        assert last["received_ms"] == last["transcribed_ms"] + last["silence_ms"] + last["gap_ms"]
