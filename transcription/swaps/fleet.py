"""The inference processes as swaps see them: all of them, each with its name, to be asked one after the other."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings

from inference.client import models
from inference.config import split_addresses
from inference.errors import InferenceError, NoMemoryError
from inference.messages import (
    LoadModel,
    ModelLoaded,
    ModelProgress,
    ModelSpec,
    ModelUnloaded,
    UnloadModel,
    WorkerLoad,
    WorkerStatus,
)
from transcription.models import ASRModel
from transcription.recognizer import each_load, each_status
from transcription.swaps.errors import MemoryTooShort, SwapFailed

AnswerT = TypeVar("AnswerT", ModelLoaded, ModelUnloaded)
OnStage = Callable[[str, str, str], None]
"""Told of each stage: worker, stage, detail. Called in the thread that waits."""


class Fleet(Protocol):
    """All inference processes. Every call blocks."""

    def statuses(self) -> dict[str, WorkerStatus]:
        """What each says of itself, by its name, in the order of HARK_INFERENCE_ADDRESS; within seconds."""

    def loads(self) -> dict[str, WorkerLoad]:
        """How much each has to do, as `statuses`."""

    def load(self, worker: str, request: LoadModel, on_stage: OnStage) -> ModelLoaded:
        """Until the model is loaded, which takes minutes at most.

        Raises:
            MemoryTooShort, SwapFailed: it was not loaded.
        """

    def unload(self, worker: str, request: UnloadModel, on_stage: OnStage) -> ModelUnloaded:
        """Until the model is gone, which takes as long as the request allows its streams.

        Raises:
            SwapFailed: it is still there.
        """


class InferenceFleet:
    """The processes of HARK_INFERENCE_ADDRESS: inference-0, inference-1, …"""

    def __init__(self) -> None:
        addresses = split_addresses(settings.HARK_INFERENCE_ADDRESS)
        self._addresses = {f"inference-{number}": address for number, address in enumerate(addresses)}

    def statuses(self) -> dict[str, WorkerStatus]:
        return dict(zip(self._addresses, async_to_sync(each_status)(), strict=True))

    def loads(self) -> dict[str, WorkerLoad]:
        return dict(zip(self._addresses, async_to_sync(each_load)(), strict=True))

    def load(self, worker: str, request: LoadModel, on_stage: OnStage) -> ModelLoaded:
        return answered(worker, partial(models.load, self._addresses[worker], request), on_stage)

    def unload(self, worker: str, request: UnloadModel, on_stage: OnStage) -> ModelUnloaded:
        return answered(worker, partial(models.unload, self._addresses[worker], request), on_stage)


def answered(worker: str, ask: Callable[[models.OnProgress], Awaitable[AnswerT]], on_stage: OnStage) -> AnswerT:
    """The answer to `ask`, which runs on an event loop of its own, while this thread is told how it goes.

    Raises:
        MemoryTooShort, SwapFailed: it was not done, or nobody knows.
    """
    try:
        return async_to_sync(followed)(worker, ask, on_stage)
    except InferenceError as err:
        failure = MemoryTooShort if err.code == NoMemoryError.code else SwapFailed
        raise failure(f"{worker}: {err.message}") from err


async def followed(worker: str, ask: Callable[[models.OnProgress], Awaitable[AnswerT]], on_stage: OnStage) -> AnswerT:
    """Stages wait in a queue for the other thread: it writes to the database, and the link must not wait for that."""
    stages: asyncio.Queue[ModelProgress | None] = asyncio.Queue()
    telling = asyncio.create_task(tell(worker, stages, on_stage))
    try:
        return await ask(stages.put_nowait)
    finally:
        stages.put_nowait(None)
        await telling


async def tell(worker: str, stages: "asyncio.Queue[ModelProgress | None]", on_stage: OnStage) -> None:
    while (progress := await stages.get()) is not None:
        await sync_to_async(on_stage)(worker, progress.stage, progress.detail)


def spec_of(model: ASRModel) -> ModelSpec:
    return ModelSpec(name=model.name, source=model.source, precision=model.precision or "auto")


def has_model(status: WorkerStatus, name: str) -> bool:
    return any(model.name == name and not model.is_draining for model in status.models)
