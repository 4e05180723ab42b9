"""WebSocket addresses."""

from typing import Any

from django.urls import path, re_path

from transcription.consumers import StreamConsumer
from transcription.origins import refuse
from transcription.protocol import CloseCode


async def unknown_address(_scope: dict[str, Any], receive: Any, send: Any) -> None:
    """There is nothing here: refused before accept."""
    await refuse(receive, send, CloseCode.BAD_REQUEST)


websocket_urlpatterns = [
    path("stream", StreamConsumer.asgi),  # type: ignore[arg-type]  # URLRouter takes ASGI applications
    re_path("", unknown_address),  # type: ignore[arg-type]
]
