"""Have one inference process load or unload a model, and hear how it goes: a link of its own for each wish.

Whoever asks gives the time that it may take.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from inference.client.asking import QuestionLink, linked, within
from inference.errors import InferenceError
from inference.messages import (
    AnyModelRequest,
    LoadModel,
    ModelFailed,
    ModelLoaded,
    ModelProgress,
    ModelUnloaded,
    Stage,
    UnloadModel,
    WorkerStatus,
)

READY_PATIENCE_S: Final = 120.0
"""How long a process may take to load the models that it starts with."""

OnProgress = Callable[[ModelProgress], None]
AnswerT = TypeVar("AnswerT", ModelLoaded, ModelUnloaded)


class ModelRefusedError(InferenceError):
    """The inference process did not do it, and nothing has changed there. `code` is as in `inference.errors`."""

    def __init__(self, failed: ModelFailed) -> None:
        super().__init__(failed.message)
        self.code = failed.code
        self.stage: Stage = failed.stage


def ignore(_progress: ModelProgress) -> None:
    """For those who do not want to know."""


async def load(address: str, request: LoadModel, on_progress: OnProgress = ignore, *, within_s: float = 600.0) -> ModelLoaded:
    """Load a model at the process at `address` and return when streams can be opened with it. One that is there already is left
    as it is.

    Raises:
        ModelRefusedError: it was not loaded.
        LinkLostError: the process does not answer or ended, or it took longer than `within_s`; what came of it is not known.
    """
    async with within(address, within_s), linked(address) as link:
        return await _asked(link, request, request.spec.name, ModelLoaded, on_progress)


async def unload(
    address: str, request: UnloadModel, on_progress: OnProgress = ignore, *, within_s: float = 600.0
) -> ModelUnloaded:
    """Unload a model at the process at `address` and return when its memory is given back. One that is not there is unloaded.

    Raises:
        ModelRefusedError, LinkLostError: as `load`.
    """
    async with within(address, within_s), linked(address) as link:
        return await _asked(link, request, request.model, ModelUnloaded, on_progress)


async def status(address: str, *, within_s: float = READY_PATIENCE_S) -> WorkerStatus:
    """What models the process at `address` has; waits until it is ready.

    Raises:
        LinkLostError: it does not answer, or is not ready within `within_s`.
    """
    async with within(address, within_s), linked(address) as link:
        return await _ready(link)


async def _ready(link: QuestionLink) -> WorkerStatus:
    while True:
        for event in await link.next_events():
            if isinstance(event, WorkerStatus) and event.is_ready:
                return event


async def _asked(
    link: QuestionLink, request: AnyModelRequest, model: str, kind: type[AnswerT], on_progress: OnProgress
) -> AnswerT:
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
