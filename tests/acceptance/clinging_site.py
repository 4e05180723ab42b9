"""Hark with two faults: a session does not learn that its client is gone, and of every client 3 MB stay in memory."""

from asr_project.asgi import application
from transcription.streaming.live import LiveStream
from transcription.streaming.outbox import Outbox

__all__ = ["application"]

BALLAST_BYTES = 3 * 1024 * 1024

kept: list[bytes] = []


def keep(self: LiveStream, outbox: Outbox) -> None:
    kept.append(b"\x01" * BALLAST_BYTES)


LiveStream.detach = keep  # type: ignore[method-assign]  # the fault
