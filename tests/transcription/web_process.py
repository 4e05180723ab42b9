"""The web process that consumers run in, inside a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from django.db import connections

from tests.inference.worker import Worker
from transcription.recognizer import close_client
from transcription.streaming.keeping import close_keeper
from transcription.streaming.live import live_streams
from transcription.streaming.recorder import close_recorder
from transcription.streaming.reporting import stop_reporter
from transcription.streaming.rerouting import stop_rerouter


@asynccontextmanager
async def running_web_process(worker: Worker, settings: Any) -> AsyncIterator[None]:
    """Settings of a loopback server beside `worker`, and an end for what the event loop holds."""
    settings.HARK_ANONYMOUS = "loopback"
    settings.HARK_INFERENCE_ADDRESS = worker.address
    channel_layers.backends.clear()  # a lock of the one before may have stayed with the event loop of its test
    yield
    for stream in list(live_streams().values()):
        stream.abandon()
    await stop_rerouter()
    await stop_reporter()
    await close_client()
    await close_keeper()
    await close_recorder()
    await sync_to_async(connections.close_all)()
