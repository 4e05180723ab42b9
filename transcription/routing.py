"""WebSocket addresses."""

from django.urls import path

from transcription.consumers import StreamConsumer

websocket_urlpatterns = [path("stream", StreamConsumer.asgi)]
