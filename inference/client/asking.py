"""A link of its own for one question to one inference process: no stream goes over it, and a stalled one does not hold it up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from inference.errors import LinkLostError
from inference.link import local
from inference.messages import AnyEvent, AnyModelRequest, ReadMetrics, encoder, event_decoder

SILENCE_S: Final = 10.0
"""It reports once a second; one that says nothing for so long has hung."""


class QuestionLink(NamedTuple):
    address: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, request: AnyModelRequest | ReadMetrics) -> None:
        self.writer.write(local.pack(encoder.encode([request])))

    async def next_events(self) -> list[AnyEvent]:
        """Raises:
        LinkLostError: nothing comes any more.
        """
        with blaming(self.address):
            body = await asyncio.wait_for(local.read_frame(self.reader), SILENCE_S)
            if body is not None:
                return event_decoder.decode(body)
        raise LinkLostError(f"The inference process at {self.address} ended.")


@asynccontextmanager
async def linked(address: str) -> AsyncIterator[QuestionLink]:
    with blaming(address):
        reader, writer = await local.connect(address)
    try:
        yield QuestionLink(address, reader, writer)
    finally:
        writer.transport.abort()  # all that is wanted was read
        await local.close(writer)


@asynccontextmanager
async def within(address: str, seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as err:
        raise LinkLostError(f"The inference process at {address} did not do it within {seconds:.0f} s.") from err


@contextlib.contextmanager
def blaming(address: str) -> Iterator[None]:
    """Whatever is wrong with the link, in a sentence."""
    try:
        yield
    except TimeoutError as err:
        raise LinkLostError(f"The inference process at {address} is silent, as if it hung.") from err
    except OSError as err:
        raise LinkLostError(f"No inference process answers at {address} ({err.strerror or err}).") from err
    except ValueError as err:
        raise LinkLostError(f"What answers at {address} does not speak this protocol.") from err
