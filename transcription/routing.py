"""WebSocket addresses."""

from http import HTTPStatus
from typing import Any

from django.urls import path, re_path

from transcription.access.refusals import Refusal, refuse
from transcription.console.consumer import ConsoleSocket
from transcription.consumers import StreamConsumer


async def unknown_address(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """There is nothing here: refused before accept."""
    await refuse(scope, receive, send, Refusal(HTTPStatus.NOT_FOUND, "not_found", "There is no WebSocket at this address."))


websocket_urlpatterns = [
    path("stream", StreamConsumer.asgi),  # type: ignore[arg-type]  # URLRouter takes ASGI applications
    path("console", ConsoleSocket.asgi),  # type: ignore[arg-type]
    re_path("", unknown_address),  # type: ignore[arg-type]
]
