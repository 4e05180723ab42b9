"""The web process's door to recognition: one link to the inference process for each event loop."""

import asyncio
from weakref import WeakKeyDictionary

from django.conf import settings

from inference.client import InferenceClient
from inference.messages import WorkerStatus

STATUS_PATIENCE_S = 0.8

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, InferenceClient] = WeakKeyDictionary()


def current_client() -> InferenceClient:
    """The client of the running event loop, made at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = InferenceClient(settings.HARK_INFERENCE_ADDRESS)
    return _clients[loop]


async def current_status() -> WorkerStatus:
    """What the inference process last said of itself. Never raises; returns within a second."""
    return await current_client().heard_status(STATUS_PATIENCE_S)


async def close_client() -> None:
    """Close the running loop's link, if it has one."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.close()
