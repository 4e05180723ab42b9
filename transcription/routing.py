"""WebSocket addresses."""

from django.urls import path

from transcription.consumers import StreamConsumer

websocket_urlpatterns = [path("stream", StreamConsumer.asgi)]  # type: ignore[arg-type]  # URLRouter takes ASGI applications
