"""The web process's door to recognition: a client of the inference processes for each event loop."""

import asyncio
from typing import Final
from weakref import WeakKeyDictionary

from django.conf import settings

from inference.client import InferenceClient
from inference.config import split_addresses
from inference.messages import WorkerLoad, WorkerStatus

STATUS_PATIENCE_S: Final = 0.8
REPORT_PATIENCE_S: Final = 5.0
"""For a process that hangs, or has so much to do that its event loop comes late; one that is not there is known at once."""

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, InferenceClient] = WeakKeyDictionary()


def current_client() -> InferenceClient:
    """The client of the running event loop, made at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = InferenceClient(*split_addresses(settings.HARK_INFERENCE_ADDRESS))
    return _clients[loop]


def every_client() -> list[InferenceClient]:
    """Those of all event loops of the process. From any thread."""
    return list(_clients.values())


async def current_status() -> WorkerStatus:
    """What the inference processes last said of themselves, as of one. Never raises; returns within a second."""
    return await current_client().heard_status(STATUS_PATIENCE_S)


async def each_status() -> list[WorkerStatus]:
    """What each inference process says of itself, in the order of HARK_INFERENCE_ADDRESS. Within `REPORT_PATIENCE_S`."""
    return [status for status, _load in await _each_report()]


async def each_load() -> list[WorkerLoad]:
    """How much each inference process has to do; the same otherwise."""
    return [load for _status, load in await _each_report()]


async def _each_report() -> list[tuple[WorkerStatus, WorkerLoad]]:
    clients = [InferenceClient(address) for address in split_addresses(settings.HARK_INFERENCE_ADDRESS)]
    await asyncio.gather(*(client.heard_status(REPORT_PATIENCE_S) for client in clients))
    reports = [(client.status, client.workers[0].load) for client in clients]
    await asyncio.gather(*(client.close() for client in clients))
    return reports


def worker_readiness() -> dict[str, bool]:
    """Whether each inference process would take a stream now, by its name."""
    return {link.name: link.can_take for link in current_client().workers}


async def close_client() -> None:
    """Close the running loop's client, if it has one."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.close()
