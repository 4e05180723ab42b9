"""Have one inference process load or unload a model, and hear how it goes: a link of its own for each wish.

No stream goes over it, and a stalled stream does not hold it up. Whoever asks gives the time that it may take.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, TypeVar

from inference.errors import InferenceError, LinkLostError
from inference.link import local
from inference.messages import (
    AnyEvent,
    AnyModelRequest,
    LoadModel,
    ModelFailed,
    ModelLoaded,
    ModelProgress,
    ModelUnloaded,
    Stage,
    UnloadModel,
    WorkerStatus,
    encoder,
    event_decoder,
)

READY_PATIENCE_S: Final = 120.0
"""How long a process may take to load the models that it starts with."""
SILENCE_S: Final = 10.0
"""It reports once a second; one that says nothing for so long has hung."""

OnProgress = Callable[[ModelProgress], None]
AnswerT = TypeVar("AnswerT", ModelLoaded, ModelUnloaded)


class ModelRefusedError(InferenceError):
    """The inference process did not do it, and nothing has changed there. `code` is as in `inference.errors`."""

    def __init__(self, failed: ModelFailed) -> None:
        super().__init__(failed.message)
        self.code = failed.code
        self.stage: Stage = failed.stage


class _Link(NamedTuple):
    address: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, request: AnyModelRequest) -> None:
        self.writer.write(local.pack(encoder.encode([request])))

    async def next_events(self) -> list[AnyEvent]:
        """Raises:
        LinkLostError: nothing comes any more.
        """
        with _blaming(self.address):
            body = await asyncio.wait_for(local.read_frame(self.reader), SILENCE_S)
            if body is not None:
                return event_decoder.decode(body)
        raise LinkLostError(f"The inference process at {self.address} ended.")


def ignore(_progress: ModelProgress) -> None:
    """For those who do not want to know."""


async def load(address: str, request: LoadModel, on_progress: OnProgress = ignore, *, within_s: float = 600.0) -> ModelLoaded:
    """Load a model at the process at `address` and return when streams can be opened with it. One that is there already is left
    as it is.

    Raises:
        ModelRefusedError: it was not loaded.
        LinkLostError: the process does not answer or ended, or it took longer than `within_s`; what came of it is not known.
    """
    async with _within(address, within_s), _linked(address) as link:
        return await _asked(link, request, request.spec.name, ModelLoaded, on_progress)


async def unload(
    address: str, request: UnloadModel, on_progress: OnProgress = ignore, *, within_s: float = 600.0
) -> ModelUnloaded:
    """Unload a model at the process at `address` and return when its memory is given back. One that is not there is unloaded.

    Raises:
        ModelRefusedError, LinkLostError: as `load`.
    """
    async with _within(address, within_s), _linked(address) as link:
        return await _asked(link, request, request.model, ModelUnloaded, on_progress)


async def status(address: str, *, within_s: float = READY_PATIENCE_S) -> WorkerStatus:
    """What models the process at `address` has; waits until it is ready.

    Raises:
        LinkLostError: it does not answer, or is not ready within `within_s`.
    """
    async with _within(address, within_s), _linked(address) as link:
        return await _ready(link)


async def _ready(link: _Link) -> WorkerStatus:
    while True:
        for event in await link.next_events():
            if isinstance(event, WorkerStatus) and event.is_ready:
                return event


async def _asked(link: _Link, request: AnyModelRequest, model: str, kind: type[AnswerT], on_progress: OnProgress) -> AnswerT:
    await _ready(link)
    link.send(request)
    while True:
        for event in await link.next_events():
            match event:
                case ModelProgress(model=of) if of == model:
                    on_progress(event)
                case ModelFailed(model=of) if of == model:
                    raise ModelRefusedError(event)
                case kind(model=of) if of == model:
                    return event
                case _:
                    pass


@asynccontextmanager
async def _linked(address: str) -> AsyncIterator[_Link]:
    with _blaming(address):
        reader, writer = await local.connect(address)
    try:
        yield _Link(address, reader, writer)
    finally:
        writer.transport.abort()  # all that is wanted was read
        await local.close(writer)


@asynccontextmanager
async def _within(address: str, seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as err:
        raise LinkLostError(f"The inference process at {address} did not do it within {seconds:.0f} s.") from err


@contextlib.contextmanager
def _blaming(address: str) -> Iterator[None]:
    """Whatever is wrong with the link, in a sentence."""
    try:
        yield
    except TimeoutError as err:
        raise LinkLostError(f"The inference process at {address} is silent, as if it hung.") from err
    except OSError as err:
        raise LinkLostError(f"No inference process answers at {address} ({err.strerror or err}).") from err
    except ValueError as err:
        raise LinkLostError(f"What answers at {address} does not speak this protocol.") from err
